/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/check_plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "check/expect.h"
#include "check/http.h"
#include "base/hash.h"
#include "config/check_channel.h"
#include "config/check_digest.h"
#include "crypto/password.h"
#include "protocol/registry.h"

struct check_plan {
	const struct runtime *runtime;
	const struct pool *pool;
	const struct pool_config *config;
	struct check_request request;
	struct http_question question;
	struct expect_script script;
	struct expect_step steps[CONFIG_CHECK_STEPS_MAX];
	uint64_t digest;                         /* of its settings */
	char header[CONFIG_CHECK_PATTERN_BYTES]; /* "NAME\0PATTERN" */
	struct password *password;               /* NULL: none is needed */
};

static_assert(CONFIG_CHECK_NAME_BYTES <= CHECK_NAME_BYTES, "names fit");
static_assert(PASSWORD_BYTES <= CHECK_NAME_BYTES, "so does a password");
static_assert(CONFIG_CHECK_PATTERN_BYTES <= HTTP_PATTERN_BYTES, "patterns fit");
static_assert(CONFIG_CHECK_PATH_BYTES <= HTTP_PATH_BYTES, "a path fits");
static_assert(CONFIG_STATUSES_MAX <= HTTP_RANGES_MAX, "all statuses fit");
static_assert(CONFIG_CHECK_GROUP_MAX <= EXPECT_ALTERNATIVES_MAX, "a group fits");
static_assert(CONFIG_CHECK_SEND_BYTES <= EXPECT_SEND_BYTES_MAX, "so does what is sent");

/* What each kind asks; kinds that only connect are not there. */
struct asked {
	const struct check_protocol *protocol;
	const char *preset; /* of expect */
};

static const struct asked kinds[CHECK_KINDS] = {
	[CHECK_TLS] = { &check_tcp, NULL }, /* behind the handshake it has passed */
	[CHECK_EXPECT] = { &check_expect, NULL },     [CHECK_HTTP] = { &check_http, NULL },
	[CHECK_POSTGRES] = { &check_postgres, NULL }, [CHECK_MYSQL] = { &check_mysql, NULL },
	[CHECK_REDIS] = { &check_redis, NULL },       [CHECK_SMTP] = { &check_expect, "smtp" },
	[CHECK_IMAP] = { &check_expect, "imap" },     [CHECK_SSH] = { &check_expect, "ssh" },
	[CHECK_MQTT] = { &check_expect, "mqtt" },     [CHECK_LDAP] = { &check_expect, "ldap" },
	[CHECK_AMQP] = { &check_expect, "amqp" },
};

/* ---- what is asked ------------------------------------------------------- */

static void fill_question(struct check_plan *plan)
{
	const struct http_check_config *http = &plan->config->check.http;
	char *colon;

	plan->question = (struct http_question){
		.method = http->method,
		.path = http->path,
		.host = http->host,
		.statuses_n = http->statuses_n,
		.body = http->body,
	};
	for (size_t i = 0; i < http->statuses_n; i++)
		plan->question.statuses[i] =
			(struct http_range){ http->statuses[i].first, http->statuses[i].last };
	if (!http->header)
		return;
	memcpy(plan->header, http->header, strlen(http->header) + 1);
	plan->question.header = plan->header;
	colon = strchr(plan->header, ':');
	if (!colon)
		return;
	*colon = '\0';
	plan->question.value = colon + 1 + strspn(colon + 1, " ");
}

static enum expect_kind step_kind(enum expect_word word)
{
	static const enum expect_kind step_kinds[EXPECT_WORDS] = {
		[EXPECT_WORD_SEND] = EXPECT_SEND,   [EXPECT_WORD_HEX] = EXPECT_SEND,
		[EXPECT_WORD_EXPECT] = EXPECT_WAIT, [EXPECT_WORD_OR] = EXPECT_OR,
		[EXPECT_WORD_FAIL] = EXPECT_ELSE,
	};

	return step_kinds[word];
}

static void fill_script(struct check_plan *plan)
{
	const struct check_config *check = &plan->config->check;

	plan->script = (struct expect_script){ "expect", plan->steps, check->steps_n };
	for (size_t i = 0; i < check->steps_n; i++) {
		const struct check_step_config *step = &check->steps[i];

		plan->steps[i] = (struct expect_step){
			.kind = step_kind(step->word),
			.bytes = step->bytes,
			.n = step->n,
			.verdict = CHECK_FAILED,
			.words = step->word == EXPECT_WORD_FAIL ? "answered" : NULL,
		};
	}
}

static enum check_tls tls_of_protocol(enum check_channel_kind kind)
{
	switch (kind) {
	case CHECK_CHANNEL_OFFERED:
		return CHECK_TLS_PREFER;
	case CHECK_CHANNEL_TLS:
		return CHECK_TLS_REQUIRE;
	default:
		return CHECK_TLS_OFF;
	}
}

static void fill_request(struct check_plan *plan)
{
	const struct check_config *check = &plan->config->check;
	const struct asked *asked = &kinds[check->kind];

	plan->request = (struct check_request){
		.protocol = asked->protocol,
		.user = check->user,
		.database = check->database,
		.tls = tls_of_protocol(check_channel_kind(plan->config)),
		.script = asked->preset ? expect_preset(asked->preset) : &plan->script,
		.http = &plan->question,
	};
	if (!plan->password)
		return;
	plan->request.password = plan->password->text;
	plan->request.scram_cache = &plan->password->cache;
}

/* ---- the password -------------------------------------------------------- */

static void say_unreadable(const struct check_plan *plan, const char *why)
{
	struct log_line line;

	if (!log_begin(&line, LOG_WARN, "password_file"))
		return;
	log_text(&line, "pool", plan->config->name);
	log_text(&line, "file", plan->config->check.password_file);
	log_text(&line, "reason", why);
	log_end(&line);
}

void check_plan_refresh(struct check_plan *plan)
{
	const char *why;

	if (!plan->password)
		return;
	why = password_read(plan->password, plan->config->check.password_file);
	if (why)
		say_unreadable(plan, why);
}

/* ---- all ----------------------------------------------------------------- */

struct check_plan *check_plan_create(const struct runtime *runtime, const struct pool *pool)
{
	struct check_plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	plan->runtime = runtime;
	plan->pool = pool;
	plan->config = pool_config(pool);
	if (!check_digest(plan->config, &plan->digest)) {
		free(plan);
		return NULL;
	}
	if (plan->config->check.password_file) {
		plan->password = password_create();
		if (!plan->password) {
			free(plan);
			return NULL;
		}
		check_plan_refresh(plan);
	}
	fill_question(plan);
	fill_script(plan);
	fill_request(plan);
	return plan;
}

void check_plan_destroy(struct check_plan *plan)
{
	if (!plan)
		return;
	password_destroy(plan->password);
	free(plan);
}

bool check_plan_talks(const struct check_plan *plan)
{
	return plan->request.protocol != NULL;
}

struct conversation_plan check_plan_of(const struct check_plan *plan,
				       const struct backend_config *backend)
{
	const struct pool_config *config = plan->config;
	const enum check_channel_kind kind = check_channel_kind(config);
	const bool asks_itself =
		kind == CHECK_CHANNEL_OFFERED ||
		(kind == CHECK_CHANNEL_TLS &&
		 (config->check.kind == CHECK_POSTGRES || config->check.kind == CHECK_MYSQL));
	const bool asks_as_sessions = kind == CHECK_CHANNEL_SESSIONS && !config->has_direct_tls;

	return (struct conversation_plan){
		.request = &plan->request,
		.tls = runtime_check_tls(plan->runtime, plan->pool),
		.tls_protocol = asks_as_sessions ? protocol_of(config->protocol) : NULL,
		.tls_name = config->tls_name || backend->spec.is_unix ? NULL : backend->spec.host,
		.is_verified = check_channel_is_verified(config),
		.is_local = check_channel_is_local(config, backend),
		.is_tls_later = asks_itself,
	};
}

struct addr check_plan_addr(const struct check_plan *plan, const struct backend_config *backend)
{
	const struct addr_short *elsewhere =
		backend->check_addr.len > 0 ? &backend->check_addr : &plan->config->check.addr;
	struct addr addr = backend->addr;

	if (elsewhere->len > 0) {
		addr_lengthen(&addr, elsewhere);
		addr_set_port(&addr, addr_port(&backend->addr));
	}
	if (plan->config->check.port > 0 && !addr_is_unix(&addr))
		addr_set_port(&addr, (uint16_t)plan->config->check.port);
	return addr;
}

const struct pool_config *check_plan_config(const struct check_plan *plan)
{
	return plan->config;
}

uint64_t check_plan_digest(const struct check_plan *plan, const struct backend_config *backend)
{
	const struct addr addr = check_plan_addr(plan, backend);
	const uint64_t digest = hash_bytes(&addr.sa, addr.len, plan->digest);
	const struct conversation_plan said = check_plan_of(plan, backend);

	return said.tls && said.tls_name ? hash_text(said.tls_name, digest) : digest;
}
