/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Names while the resolver is away: it takes ten seconds to say so, each time. Clock and resolver
 * are those of the test.
 */
#include "unit/config_bed.h"

#include "base/def.h"
#include "config/resolve.h"

#include <netdb.h>
#include <time.h>

#define RESOLVER_MS 10000

static uint64_t now_ms;
static unsigned asked;
static bool is_away;

/* What base/clock.h reads. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){ (time_t)(now_ms / 1000), (long)(now_ms % 1000) * 1000000 };
	return 0;
}

/* It has those of a file of the machine in any case. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	struct sockaddr_in *addr;

	(void)service;
	(void)hints;
	asked++;
	if (is_away && strcmp(name, "of.file.test") != 0) {
		now_ms += RESOLVER_MS;
		return EAI_AGAIN;
	}
	*ret = calloc(1, sizeof(**ret) + sizeof(*addr));
	assert_non_null(*ret);
	addr = (struct sockaddr_in *)(*ret + 1);
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	**ret = (struct addrinfo){ .ai_family = AF_INET,
				   .ai_socktype = SOCK_STREAM,
				   .ai_addrlen = sizeof(*addr),
				   .ai_addr = (struct sockaddr *)addr };
	return 0;
}

void freeaddrinfo(struct addrinfo *all)
{
	free(all);
}

#define LISTENER "[listener l]\nbind = 127.0.0.1:1\npool = p\n[pool p]\n"
#define KNOWN                                                                \
	"backend = a a.test:1\nbackend = b b.test:1\nbackend = c c.test:1\n" \
	"backend = d d.test:1\n"

static struct config *load(struct bed *st, const char *text)
{
	struct config *config;

	bed_load(st, text);
	config = st->config;
	st->config = NULL;
	assert_non_null(config);
	/* It was resolved as far as that goes without asking. */
	free(config->listeners[0].binds[0].addrs);
	config->listeners[0].binds[0].addrs = NULL;
	config->listeners[0].binds[0].addrs_n = 0;
	return config;
}

/* Gives how long it took. */
static uint64_t resolve(struct bed *st, struct config *config, const struct config *known)
{
	uint64_t begin_ms = now_ms;

	asked = 0;
	config_resolve(config, known, &st->diag, true);
	return now_ms - begin_ms;
}

static void known_names_wait_once_and_new_ones_once(void **state)
{
	struct bed *st = *state;
	struct config *known = load(st, LISTENER KNOWN);
	struct config *same = load(st, LISTENER KNOWN);
	struct config *more = load(st, LISTENER KNOWN "backend = f of.file.test:1\n"
						      "backend = e e.test:1\n"
						      "backend = g g.test:1\n");

	is_away = false;
	assert_int_equal(resolve(st, known, NULL), 0);
	assert_int_equal(asked, 4);
	assert_int_equal(st->diag.errors_n, 0);
	is_away = true;
	assert_int_equal(resolve(st, same, known), RESOLVER_MS);
	assert_int_equal(st->diag.errors_n, 0);
	assert_int_equal(st->diag.warnings_n, 4);
	for (size_t n = 0; n < 4; n++)
		assert_true(addr_is_equal(&same->pools[0].backends[n].addr,
					  &known->pools[0].backends[n].addr));
	assert_int_equal(resolve(st, more, known), 2 * RESOLVER_MS);
	assert_int_equal(st->diag.errors_n, 2);
	assert_true(more->pools[0].backends[4].addr.len > 0);
	config_destroy(known);
	config_destroy(same);
	config_destroy(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(known_names_wait_once_and_new_ones_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
