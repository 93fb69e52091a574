/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/directive.h"

#include <string.h>

#include "base/check.h"
#include "config/setting.h"
#include "config/value.h"

const char *const config_section_names[CONFIG_SECTIONS] = {
	[SECTION_GLOBAL] = "global",
	[SECTION_LISTENER] = "listener",
	[SECTION_POOL] = "pool",
};

const char *const relay_mode_names[RELAY_MODES] = {
	[RELAY_AUTO] = "auto",
	[RELAY_COPY] = "copy",
	[RELAY_SPLICE] = "splice",
};

const char *const balance_kind_names[BALANCE_KINDS] = {
	[BALANCE_ROUNDROBIN] = "roundrobin", [BALANCE_LEASTCONN] = "leastconn",
	[BALANCE_RANDOM] = "random",         [BALANCE_MAGLEV] = "maglev",
	[BALANCE_FIRST] = "first",
};

#define MS 1u
#define SECOND (1000u * MS)
#define HOUR (3600u * SECOND)
#define DAY (24u * HOUR)

#define MIB (1u << 20)
#define GIB (1ull << 30)

/* struct tcp_sock keeps them in that many seconds and probes (TCP_KEEPIDLE and so on, tcp(7)). */
#define KEEPALIVE_MAX (32767u * SECOND)
#define KEEPALIVE_COUNT_MAX 127u

#define IN_GLOBAL(field) .section = SECTION_GLOBAL, .offset = offsetof(struct global_config, field)
#define IN_LISTENER(field) \
	.section = SECTION_LISTENER, .offset = offsetof(struct listener_config, field)
#define IN_POOL(field) .section = SECTION_POOL, .offset = offsetof(struct pool_config, field)
#define WORDS(names) .words = names, .words_n = ARRAY_LEN(names)

/* Rows stand in the order in which --dump and the manual page show them. */
/* clang-format off */
const struct directive directives[] = {
	{ IN_GLOBAL(workers), .key = "workers", .type = &type_number,
	  .fallback = "auto", .zero = "auto", .min = 1, .max = CONFIG_WORKERS_MAX,
	  .help = "Threads that relay; auto: one for each CPU that the process may use" },
	{ IN_GLOBAL(sessions_max), .key = "max_sessions", .type = &type_number,
	  .fallback = "auto", .zero = "auto", .min = 1, .max = CONFIG_SESSIONS_MAX,
	  .reloadable = true,
	  .help = "Sessions of all listeners together; auto: as the limit of open files allows" },
	{ IN_GLOBAL(buffer_memory_bytes), .key = "buffer_memory", .type = &type_size,
	  .fallback = "256M", .max = 256 * GIB,
	  .min = CONFIG_WORKER_BUFFERS_MIN * CONFIG_BUFFER_BYTES,
	  .help = "Buffers that bytes are copied through, shared out evenly among the workers" },
	{ IN_GLOBAL(drain_timeout_ms), .key = "drain_timeout", .type = &type_duration,
	  .fallback = "5m", .zero = "0", .min = 10 * MS, .max = 30 * DAY, .reloadable = true,
	  .help = "When told to stop: how long sessions may go on; 0: as long as they like" },
	{ IN_GLOBAL(log_level), .key = "log_level", .type = &type_choice, WORDS(log_level_names),
	  .fallback = "info", .reloadable = true,
	  .help = "What is logged: this and everything graver" },
	{ IN_GLOBAL(log_format), .key = "log_format", .type = &type_choice, WORDS(log_format_names),
	  .fallback = "logfmt", .reloadable = true,
	  .help = "How a line of the log is written" },

	{ IN_LISTENER(binds), .key = "bind", .type = &type_bind,
	  .required = true, .repeatable = true, .reloadable = true,
	  .help = "Address to accept connections on" },
	{ IN_LISTENER(pool_name), .key = "pool", .type = &type_pool,
	  .required = true, .reloadable = true,
	  .help = "Where sessions go" },
	{ IN_LISTENER(backlog), .key = "backlog", .type = &type_number,
	  .fallback = "4096", .min = 1, .max = 65535, .reloadable = true,
	  .help = "Connections that may wait; the kernel cuts it down to net.core.somaxconn" },
	{ IN_LISTENER(sessions_max), .key = "max_sessions", .type = &type_number,
	  .fallback = "0", .zero = "0", .min = 1, .max = CONFIG_SESSIONS_MAX, .reloadable = true,
	  .help = "Sessions at a time, more wait in the backlog; 0: only the global limit" },
	{ IN_LISTENER(relay), .key = "relay", .type = &type_choice, WORDS(relay_mode_names),
	  .fallback = "auto", .reloadable = true,
	  .help = "How bytes move: through buffers, through pipes, or as suits the traffic" },
	{ IN_LISTENER(idle_timeout_ms), .key = "idle_timeout", .type = &type_duration,
	  .fallback = "1h", .zero = "0", .min = 10 * MS, .max = 365ull * DAY, .reloadable = true,
	  .help = "A session without a byte in either direction ends after this; 0: never" },
	{ IN_LISTENER(half_close_timeout_ms), .key = "half_close_timeout", .type = &type_duration,
	  .fallback = "60s", .zero = "0", .min = 10 * MS, .max = 365ull * DAY, .reloadable = true,
	  .help = "The same once one side has ended its direction; 0: never" },
	{ IN_LISTENER(close_timeout_ms), .key = "close_timeout", .type = &type_duration,
	  .fallback = "2s", .min = 10 * MS, .max = 1 * HOUR, .reloadable = true,
	  .help = "Time to deliver what is left before a reset is passed on" },
	{ IN_LISTENER(keepalive), .key = "keepalive", .type = &type_flag,
	  .fallback = "yes", .reloadable = true,
	  .help = "TCP keepalive on both sides" },
	{ IN_LISTENER(keepalive_idle_ms), .key = "keepalive_idle", .type = &type_duration,
	  .fallback = "60s", .min = 1 * SECOND, .max = KEEPALIVE_MAX, .step = SECOND,
	  .reloadable = true,
	  .help = "Silence before the first probe" },
	{ IN_LISTENER(keepalive_interval_ms), .key = "keepalive_interval", .type = &type_duration,
	  .fallback = "10s", .min = 1 * SECOND, .max = KEEPALIVE_MAX, .step = SECOND,
	  .reloadable = true,
	  .help = "Time between two probes" },
	{ IN_LISTENER(keepalive_count), .key = "keepalive_count", .type = &type_number,
	  .fallback = "6", .min = 1, .max = KEEPALIVE_COUNT_MAX, .reloadable = true,
	  .help = "Probes without an answer after which the peer is dead" },
	{ IN_LISTENER(user_timeout_ms), .key = "user_timeout", .type = &type_duration,
	  .fallback = "30s", .zero = "0", .min = 10 * MS, .max = 24 * HOUR, .reloadable = true,
	  .help = "Unacknowledged data for so long: a dead peer (RFC 5482); 0: the kernel's" },

	{ IN_POOL(balance), .key = "balance", .type = &type_choice, WORDS(balance_kind_names),
	  .fallback = "roundrobin", .reloadable = true,
	  .help = "How a backend is chosen" },
	{ IN_POOL(backends), .key = "backend", .type = &type_backend,
	  .required = true, .repeatable = true, .reloadable = true,
	  .help = "A server" },
	{ IN_POOL(connect_timeout_ms), .key = "connect_timeout", .type = &type_duration,
	  .fallback = "1s", .min = 10 * MS, .max = 1 * HOUR, .reloadable = true,
	  .help = "Time for one backend to accept the connection" },
	{ IN_POOL(connect_total_ms), .key = "connect_total", .type = &type_duration,
	  .fallback = "5s", .min = 10 * MS, .max = 1 * HOUR, .reloadable = true,
	  .help = "Time for all tries of a session" },
	{ IN_POOL(connect_tries_max), .key = "connect_tries", .type = &type_number,
	  .fallback = "5", .min = 1, .max = CONFIG_TRIES_MAX, .reloadable = true,
	  .help = "Backends that a session may try, each once" },
};
/* clang-format on */

const size_t directives_n = ARRAY_LEN(directives);

const struct directive *directive_find(enum config_section section, const char *key)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == section && strcmp(directives[i].key, key) == 0)
			return &directives[i];
	}
	return NULL;
}

void directive_set_default(const struct directive *d, void *to, struct diag *diag)
{
	const struct setting s = {
		.directive = d, .title = d->key, .text = d->fallback, .diag = diag
	};

	if (d->fallback)
		d->type->set(&s, to);
}

void directive_set_defaults(enum config_section section, void *to, struct diag *diag)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == section)
			directive_set_default(&directives[i], to, diag);
	}
}

const struct config_place *directive_place(const struct config_place *given,
					   enum config_section section, const char *key)
{
	const struct directive *d = directive_find(section, key);

	CHECK(d);
	return &given[d - directives];
}

const char *directive_allowed(const struct directive *d, char text[DIRECTIVE_ALLOWED_BYTES])
{
	FILE *to;

	if (d->type->form) {
		snprintf(text, DIRECTIVE_ALLOWED_BYTES, "%s", d->type->form);
		return text;
	}
	text[0] = '\0';
	to = fmemopen(text, DIRECTIVE_ALLOWED_BYTES, "w");
	if (to) {
		d->type->allow(d, to);
		fclose(to);
	}
	return text;
}
