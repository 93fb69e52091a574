/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "life.h"

#include <stdio.h>

#include "state/cancel_keys.h"
#include "dial/client_key.h"
#include "tls/wish.h"

static struct tls_server *server;
static struct tls_client *client;

void dress_make(void)
{
	if (kit_make_certificates("one") != 0 || tls_library_start() != 0)
		return;
	server = make_server(&(struct wish){ 0 });
	client = make_client(&(struct wish){ 0 });
}

void dress_remove(void)
{
	tls_server_unref(server);
	tls_client_unref(client);
	kit_remove_certificates();
}

/* ---- the configuration --------------------------------------------------- */

struct keys {
	char text[1024];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void add(struct keys *k, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	k->n += (size_t)vsnprintf(k->text + k->n, sizeof(k->text) - k->n, format, args);
	va_end(args);
	assert_true(k->n < sizeof(k->text));
	k->text[k->n++] = '\n';
	k->text[k->n] = '\0';
}

static const char *short_time(struct life *l)
{
	const char *const times[] = { "100ms", "300ms", "1s", "3s" };

	return times[below(l, ARRAY_LEN(times))];
}

/* Where TLS is: nowhere, to us, from us, both, or between the ends. */
static void dress_in_tls(struct life *l, struct keys *listener, struct keys *pool)
{
	unsigned kind = server ? below(l, 6) : 0;

	if (kind == 1 || kind == 3) {
		add(listener, "tls = terminate");
		add(listener, "certificate = %s", kit_path("ecdsa.pem"));
		l->ways[0].as_client = client;
	}
	if (kind == 2 || kind == 3) {
		add(pool, "tls = yes\ntls_ca = %s\ntls_name = db1.example.com", kit_path("ca.crt"));
		if (l->ways[0].is_postgres)
			add(pool, "protocol = postgres");
		l->ways[1].as_server = server;
	}
	if (kind == 4) {
		add(listener, "tls = passthrough");
		l->is_through = true;
		l->ways[0].as_client = client;
		l->ways[1].as_server = server;
	}
	if ((kind == 1 || kind == 3) && one_in(l, 3))
		add(listener, "handshake_rate = %u/s", l->is_gentle ? 1000 : 10);
}

/* How long a client may take to say who it is and what it wants. */
static void add_greeting_times(struct life *l, struct keys *listener)
{
	if (l->ways[0].proxy > 0 && (l->is_gentle || one_in(l, 2)))
		add(listener, "proxy_protocol_timeout = %s", l->is_gentle ? "1h" : short_time(l));
	if ((l->ways[0].is_postgres || l->ways[0].as_client) && (l->is_gentle || one_in(l, 2)))
		add(listener, "handshake_timeout = %s", l->is_gentle ? "1h" : short_time(l));
}

static void dress(struct life *l, struct keys *listener, struct keys *pool)
{
	if (one_in(l, 3)) {
		add(listener, "protocol = postgres");
		l->ways[0].is_postgres = l->ways[1].is_postgres = true;
	}
	if (one_in(l, 3)) {
		add(listener, "proxy_protocol = accept%s",
		    l->is_unix ? "" : "\nproxy_protocol_from = 127.0.0.0/8");
		l->ways[0].proxy = 1 + below(l, 2);
	}
	if (one_in(l, 3)) {
		l->proxy_out = 1 + below(l, 2);
		l->ways[1].proxy = l->proxy_out;
		add(pool, "send_proxy = v%u", l->proxy_out);
	}
	dress_in_tls(l, listener, pool);
	add_greeting_times(l, listener);
}

/* What makes lives short, and may end them. */
static void add_limits(struct life *l, struct keys *listener, struct keys *pool)
{
	if (one_in(l, 4)) {
		l->per_source_max = 1 + below(l, 3);
		add(listener, "max_sessions_per_source = %u", l->per_source_max);
	}
	if (one_in(l, 4))
		add(listener, "first_byte_timeout = %s", short_time(l));
	if (one_in(l, 4))
		add(listener, "half_close_timeout = %s", short_time(l));
	if (one_in(l, 4))
		add(pool, "connect_timeout = %s\nconnect_total = 3s", short_time(l));
}

static void add_relay(struct life *l, struct keys *listener)
{
	const char *const keys[] = {
		"relay = copy",
		"relay = splice",
		"relay = auto",
		"relay = copy\nmax_sessions = 2",
		"relay = auto\nmax_sessions = 3",
	};

	add(listener, "%s", keys[below(l, ARRAY_LEN(keys))]);
	add(listener, "close_timeout = 1s\nidle_timeout = %s", l->is_gentle ? "1h" : "3s");
}

static void add_balance(struct life *l, struct keys *pool)
{
	const char *const balances[] = { "leastconn", "roundrobin", "random", "first", "maglev" };

	add(pool, "balance = %s", balances[below(l, ARRAY_LEN(balances))]);
	l->is_sticky = one_in(l, 3);
	if (l->is_sticky)
		add(pool, "stick = source\nstick_time = 1s");
}

static unsigned draw_buffers(struct life *l)
{
	const unsigned numbers[] = { 4, 6, 40, 200 };

	return numbers[below(l, ARRAY_LEN(numbers))];
}

static void make_all_tight(struct life *l)
{
	for (unsigned n = 0; n < l->st->workers_n; n++)
		make_tight(l, l->st->engines[n].acceptors[0].fd);
	for (unsigned n = 0; n < l->st->servers_n; n++)
		make_tight(l, l->st->servers[n]);
}

void life_begin(struct life *l, void **state)
{
	struct keys listener = { .n = 0 }, pool = { .n = 0 };
	bool is_limited;

	l->is_gentle = one_in(l, 2);
	l->is_unix = one_in(l, 5);
	l->clients_max = 1 + below(l, 6);
	is_limited = !l->is_gentle && one_in(l, 2);
	add_relay(l, &listener);
	add_balance(l, &pool);
	if (one_in(l, 2))
		dress(l, &listener, &pool);
	if (l->is_gentle)
		add(&pool, "connect_timeout = 1h\nconnect_total = 1h");
	else
		add_limits(l, &listener, &pool);
	if (l->is_gentle)
		add(&listener, "half_close_timeout = 1h");
	if (is_limited && one_in(l, 2))
		add(&pool, "queue = 10\nqueue_timeout = %s", short_time(l));
	if (getenv("SEED"))
		print_message("%s%s", listener.text, pool.text);
	l->st = stage_with(state, &(struct stage_options){
					  .workers = 1 + below(l, 2),
					  .backends = 1 + below(l, 3),
					  .buffers = draw_buffers(l),
					  .listener_keys = listener.text,
					  .pool_keys = pool.text,
					  .backend_keys = is_limited ? "max_sessions=2" : "",
					  .is_unix = l->is_unix,
					  .without_credit = one_in(l, 3),
				  });
	l->is_tight = one_in(l, 4);
	if (l->is_tight)
		make_all_tight(l);
}

/* ---- afterwards ---------------------------------------------------------- */

/* Long afterwards nobody is remembered; who is still held would be. */
static void expect_not_stuck(struct life *l, const struct addr *source)
{
	struct stick *stick = l->st->runtime->sticky[0];
	struct lru_key key;
	uint64_t number;

	if (!client_key_of_addr(source, &l->st->config->pools[0].stick, &number))
		return;
	key = stick_key(stick, &number, sizeof(number));
	assert_int_equal(stick_find(stick, key, l->st->now_ms + 1000000), -1);
}

/* A source has all of its places again. */
static void expect_all_places(struct life *l, const struct addr *source)
{
	struct limits *limits = l->st->runtime->listeners[0].limits;
	uint64_t now_ns = (l->st->now_ms + 1000000) * 1000000;
	uint32_t number[4];

	for (unsigned n = 0; n < l->per_source_max; n++)
		assert_int_equal(limits_enter(limits, source, now_ns, &number[n]), LIMITS_FINE);
	for (unsigned n = 0; n < l->per_source_max; n++)
		limits_leave(limits, number[n]);
}

static void expect_no_key(struct life *l, const struct pgsql_key *key)
{
	struct cancel_keys *cancels = l->st->runtime->cancel_keys;
	struct backend *backend;
	struct pool *pool;

	assert_false(
		cancel_keys_find(cancels, cancel_keys_hash(cancels, key), NULL, &pool, &backend));
}

void life_expect_nothing_held(struct life *l)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct queue_stats queue;
	struct addr loopback;

	addr_from_sockaddr(&loopback, (struct sockaddr *)&in, sizeof(in));
	pool_queue_stats(l->st->runtime->pools[0], &queue);
	assert_int_equal(queue.waiting, 0);
	for (unsigned n = 0; n <= l->peers_n; n++) {
		struct addr source = n == 0 ? loopback : claimed_source(n);

		if (l->is_sticky)
			expect_not_stuck(l, &source);
		if (l->per_source_max > 0)
			expect_all_places(l, &source);
		if (l->ways[0].is_postgres && n > 0)
			expect_no_key(l, &l->peers[n - 1].wire->key);
	}
}
