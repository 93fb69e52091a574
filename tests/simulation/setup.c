/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "simulation.h"

#include <stdio.h>

#include "state/cancel_keys.h"
#include "balance/client_key.h"
#include "tls/endpoints.h"

static struct tls_server *server;
static struct tls_client *client;

void simulation_make_shared(void)
{
	if (kit_make_certificates("one") != 0 || tls_library_start() != 0)
		return;
	server = make_server(&(struct endpoint_options){ 0 });
	client = make_client(&(struct endpoint_options){ 0 });
}

void simulation_remove_shared(void)
{
	tls_server_unref(server);
	tls_client_unref(client);
	kit_remove_certificates();
}

/* ---- the configuration --------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(struct file_text *k, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	k->n += (size_t)vsnprintf(k->text + k->n, sizeof(k->text) - k->n, format, args);
	va_end(args);
	assert_true(k->n < sizeof(k->text));
	k->text[k->n++] = '\n';
	k->text[k->n] = '\0';
}

static const char *short_time(struct simulation *sim)
{
	const char *const times[] = { "100ms", "300ms", "1s", "3s" };

	return times[below(sim, ARRAY_LEN(times))];
}

/* Where TLS is: nowhere, to us, from us, both, or between the ends. */
static void choose_tls(struct simulation *sim, struct file_text *listener, struct file_text *pool)
{
	unsigned kind = server ? below(sim, 6) : 0;

	if (kind == 1 || kind == 3) {
		add(listener, "tls = terminate");
		add(listener, "certificate = %s", kit_path("ecdsa.pem"));
		sim->ways[0].as_client = client;
	}
	if (kind == 2 || kind == 3) {
		add(pool, "tls = yes\ntls_ca = %s\ntls_name = db1.example.com", kit_path("ca.crt"));
		if (sim->ways[0].is_postgres)
			add(pool, "protocol = postgres");
		sim->ways[1].as_server = server;
	}
	if (kind == 4) {
		add(listener, "tls = passthrough");
		sim->is_through = true;
		sim->ways[0].as_client = client;
		sim->ways[1].as_server = server;
	}
	if ((kind == 1 || kind == 3) && one_in(sim, 3))
		add(listener, "handshake_rate = %u/s", sim->is_gentle ? 1000 : 10);
}

/* How long a client may take to say who it is and what it wants. */
static void add_preread_times(struct simulation *sim, struct file_text *listener)
{
	if (sim->ways[0].proxy > 0 && (sim->is_gentle || one_in(sim, 2)))
		add(listener, "proxy_protocol_timeout = %s",
		    sim->is_gentle ? "1h" : short_time(sim));
	if ((sim->ways[0].is_postgres || sim->ways[0].as_client) &&
	    (sim->is_gentle || one_in(sim, 2)))
		add(listener, "handshake_timeout = %s", sim->is_gentle ? "1h" : short_time(sim));
}

static void choose_protocols(struct simulation *sim, struct file_text *listener,
			     struct file_text *pool)
{
	if (one_in(sim, 3)) {
		add(listener, "protocol = postgres");
		sim->ways[0].is_postgres = sim->ways[1].is_postgres = true;
	}
	if (one_in(sim, 3)) {
		add(listener, "proxy_protocol = accept%s",
		    sim->is_unix ? "" : "\nproxy_protocol_from = 127.0.0.0/8");
		sim->ways[0].proxy = 1 + below(sim, 2);
	}
	if (one_in(sim, 3)) {
		sim->proxy_out = 1 + below(sim, 2);
		sim->ways[1].proxy = sim->proxy_out;
		add(pool, "send_proxy = v%u", sim->proxy_out);
	}
	choose_tls(sim, listener, pool);
	add_preread_times(sim, listener);
}

/* Time-outs and limits that may end sessions. */
static void add_limits(struct simulation *sim, struct file_text *listener, struct file_text *pool)
{
	sim->per_source_max = 0;
	if (one_in(sim, 4)) {
		sim->per_source_max = 1 + below(sim, 3);
		add(listener, "max_sessions_per_source = %u", sim->per_source_max);
	}
	if (one_in(sim, 4))
		add(listener, "first_byte_timeout = %s", short_time(sim));
	if (one_in(sim, 4))
		add(listener, "half_close_timeout = %s", short_time(sim));
	if (one_in(sim, 4))
		add(pool, "connect_timeout = %s\nconnect_total = 3s", short_time(sim));
}

static void add_relay(struct simulation *sim, struct file_text *listener)
{
	const char *const keys[] = {
		"relay = copy",
		"relay = splice",
		"relay = auto",
		"relay = copy\nmax_sessions = 2",
		"relay = auto\nmax_sessions = 3",
	};

	add(listener, "%s", keys[below(sim, sim->may_refuse ? 3 : ARRAY_LEN(keys))]);
	add(listener, "close_timeout = 1s\nidle_timeout = %s", sim->is_gentle ? "1h" : "3s");
}

static void add_balance(struct simulation *sim, struct file_text *pool)
{
	const char *const balances[] = { "leastconn", "roundrobin", "random", "first", "maglev" };

	add(pool, "balance = %s", balances[below(sim, ARRAY_LEN(balances))]);
	sim->is_sticky = one_in(sim, 3);
	if (sim->is_sticky)
		add(pool, "stick = source\nstick_time = 1s");
}

static unsigned draw_buffers(struct simulation *sim)
{
	const unsigned numbers[] = { 4, 6, 40, 200 };

	return numbers[below(sim, ARRAY_LEN(numbers))];
}

/* All that a reload may change. */
static struct bed_options draw_file(struct simulation *sim, struct file_text *listener,
				    struct file_text *pool)
{
	static const char *const weights[] = { "", "weight=2", "weight=1 max_sessions=2",
					       "weight=3 max_sessions=2" };
	unsigned all = (1u << sim->backends_n) - 1;

	*listener = sim->fixed[0];
	*pool = sim->fixed[1];
	add_relay(sim, listener);
	add_balance(sim, pool);
	if (sim->is_gentle)
		add(pool, "connect_timeout = 1h\nconnect_total = 1h");
	else
		add_limits(sim, listener, pool);
	if (sim->is_gentle)
		add(listener, "half_close_timeout = 1h");
	if (sim->is_limited && one_in(sim, 2))
		add(pool, "queue = 10\nqueue_timeout = %s", short_time(sim));
	if (getenv("SEED"))
		print_message("%s%s\n", listener->text, pool->text);
	return (struct bed_options){
		.listener_keys = listener->text,
		.pool_keys = pool->text,
		.backend_keys = weights[below(sim, 2) + (sim->is_limited ? 2 : 0)],
		.absent = below(sim, all), /* never all of them */
		.turned = one_in(sim, 4),
		.listener_name = one_in(sim, 4) ? "m" : "l",
		.pool_name = one_in(sim, 4) ? "q" : "p",
	};
}

void a_reload_comes(struct simulation *sim)
{
	struct file_text listener, pool;
	struct bed_options options;

	if (sim->is_stopped || !bed_may_reload(sim->st))
		return;
	options = draw_file(sim, &listener, &pool);
	bed_reload(sim->st, &options);
}

static void make_all_tight(struct simulation *sim)
{
	for (unsigned n = 0; n < sim->st->workers_n; n++)
		make_tight(sim, sim->st->engines[n].acceptors[0].fd);
	for (unsigned n = 0; n < sim->st->servers_n; n++)
		make_tight(sim, sim->st->servers[n]);
}

void simulation_begin(struct simulation *sim, void **state)
{
	struct file_text listener, pool;
	struct bed_options options;

	sim->is_gentle = one_in(sim, 2);
	sim->is_unix = one_in(sim, 5);
	sim->clients_max = 1 + below(sim, 6);
	sim->is_limited = !sim->is_gentle && one_in(sim, 2);
	sim->may_refuse = !sim->is_unix && one_in(sim, 2);
	sim->backends_n = 1 + below(sim, 3);
	if (one_in(sim, 2))
		choose_protocols(sim, &sim->fixed[0], &sim->fixed[1]);
	options = draw_file(sim, &listener, &pool);
	options.workers = 1 + below(sim, 2);
	options.backends = sim->backends_n;
	options.buffers = draw_buffers(sim);
	options.is_unix = sim->is_unix;
	options.without_credit = one_in(sim, 3);
	sim->st = bed_with(state, &options);
	sim->is_tight = one_in(sim, 4);
	if (sim->is_tight)
		make_all_tight(sim);
}

/* ---- afterwards ---------------------------------------------------------- */

/* Long afterwards nobody is remembered; who is still held would be. */
static void expect_not_stuck(struct simulation *sim, const struct addr *source)
{
	struct stick *stick = runtime_sticky(sim->st->runtime, bed_pool(sim->st));
	struct lru_key key;
	uint64_t number;

	if (!client_key_of_addr(source, &sim->st->config->pools[0].stick, &number))
		return;
	key = stick_key(stick, &number, sizeof(number));
	assert_int_equal(stick_find(stick, key, sim->st->now_ms + 1000000), 0);
}

/* A source has all of its slots again. */
static void expect_all_slots(struct simulation *sim, const struct addr *source)
{
	struct limits *limits = bed_listener(sim->st)->limits;
	uint64_t now_ns = (sim->st->now_ms + 1000000) * 1000000;
	uint32_t number[4];

	for (unsigned n = 0; n < sim->per_source_max; n++)
		assert_int_equal(limits_enter(limits, source, now_ns, &number[n]), LIMITS_FINE);
	for (unsigned n = 0; n < sim->per_source_max; n++)
		limits_leave(limits, number[n]);
}

static void expect_no_key(struct simulation *sim, const struct pgsql_key *key)
{
	struct cancel_keys *cancels = sim->st->runtime->cancel_keys;
	const struct cancel_key bytes = wire_cancel_key(key);
	uint64_t backend;
	struct pool *pool;

	assert_false(
		cancel_keys_find(cancels, cancel_keys_hash(cancels, &bytes), 0, &pool, &backend));
}

void simulation_expect_nothing_held(struct simulation *sim)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct queue_stats queue;
	struct addr loopback;

	addr_from_sockaddr(&loopback, (struct sockaddr *)&in, sizeof(in));
	pool_queue_stats(bed_pool(sim->st), &queue);
	assert_int_equal(queue.waiting, 0);
	for (unsigned n = 0; n <= sim->peers_n; n++) {
		struct addr source = n == 0 ? loopback : claimed_source(n);

		if (sim->is_sticky)
			expect_not_stuck(sim, &source);
		if (sim->per_source_max > 0)
			expect_all_slots(sim, &source);
		if (sim->ways[0].is_postgres && n > 0)
			expect_no_key(sim, &sim->peers[n - 1].wire->key);
	}
}
