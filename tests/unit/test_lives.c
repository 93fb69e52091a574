/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random lives: a few sessions, whose peers send, read, end and die, and whose
 * requests complete in any order, late, short or with errors, while time
 * passes and orders to drain or to stop come. Whatever happens:
 *
 *   what arrives is an exact prefix of what the other peer of the session sent;
 *   an end is seen only where the sender has ended, and after all of its bytes;
 *   in a gentle life, one without faults, all arrives;
 *   when all is over everything is back: buffers, descriptors, pipes, slots, places.
 *
 * LIVES=n lives that many, SEED=n one of them again.
 */
#include "unit/proxy_stage.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>

#define LIVES 1000
#define STEPS 250
#define PEERS_MAX 64

/* A stream begins with the number of its sender. */
#define HEAD_BYTES 4

/* What fits into a tight socket, and what is sent through it in all: it takes its time. */
#define TIGHT_BYTES 8192
#define TIGHT_SENT_MAX (128 * 1024)

struct peer {
	int fd; /* -1: closed */
	bool is_client, has_ended, has_died, has_seen_end;
	uint64_t sent, came;
	uint32_t from;      /* as far as its first bytes have come */
	struct peer *other; /* once that is known */
};

struct life {
	struct stage *st;
	uint64_t random;
	bool is_gentle, is_unix, is_stopped;
	bool is_tight; /* the kernel holds little */
	unsigned clients_max;
	struct peer peers[PEERS_MAX];
	unsigned peers_n;
};

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a number below @n. */
static unsigned below(struct life *l, unsigned n)
{
	uint64_t z = l->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (unsigned)((z ^ (z >> 31)) % n);
}

static bool one_in(struct life *l, unsigned n)
{
	return below(l, n) == 0;
}

/* ---- streams ------------------------------------------------------------- */

static void fill(char *bytes, size_t n, uint32_t sender, uint64_t at)
{
	stream_fill(bytes, n, sender, at);
	for (; at < HEAD_BYTES && n > 0; at++, n--)
		*bytes++ = (char)(sender >> 8 * at);
}

static struct peer *sender_of(struct life *l, const struct peer *p)
{
	assert_true(p->from < l->peers_n);
	return &l->peers[p->from];
}

/* Whose bytes they are is in the first of them; the two stay together. */
static void check_bytes(struct life *l, struct peer *p, const char *bytes, size_t n)
{
	static char right[1 << 16];
	struct peer *sender;

	for (size_t i = 0; i < n && p->came + i < HEAD_BYTES; i++)
		p->from |= (uint32_t)(unsigned char)bytes[i] << 8 * (p->came + i);
	if (p->came + n >= HEAD_BYTES) {
		sender = sender_of(l, p);
		assert_int_not_equal(sender->is_client, p->is_client);
		if (!p->other)
			p->other = sender;
		assert_ptr_equal(p->other, sender);
		if (!sender->other)
			sender->other = p;
		assert_ptr_equal(sender->other, p);
		fill(right, n, p->from, p->came);
		assert_memory_equal(bytes, right, n);
	}
	p->came += n;
	if (p->other)
		assert_true(p->came <= p->other->sent);
}

/* A unix socket knows no resets: there an end may be one. */
static void check_end(const struct life *l, const struct peer *p)
{
	if (l->is_unix && !l->is_gentle)
		return;
	if (!p->other) {
		assert_true(p->came < HEAD_BYTES);
		return;
	}
	assert_true(p->other->has_ended);
	assert_int_equal(p->came, p->other->sent);
}

/* ---- what peers do ------------------------------------------------------- */

static struct peer *add_peer(struct life *l, int fd, bool is_client)
{
	struct peer *p = &l->peers[l->peers_n++];

	assert_true(l->peers_n <= PEERS_MAX);
	*p = (struct peer){ .fd = fd, .is_client = is_client };
	return p;
}

static void peer_sends(struct life *l, struct peer *p)
{
	static char bytes[1 << 16];
	size_t n = one_in(l, 3) ? 1 + below(l, sizeof(bytes)) : 1 + below(l, 2000);
	ssize_t took;

	if (p->has_ended || (l->is_tight && p->sent > TIGHT_SENT_MAX))
		return;
	fill(bytes, n, (uint32_t)(p - l->peers), p->sent);
	took = send(p->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (took > 0)
		p->sent += (uint64_t)took;
	else
		p->has_died |= errno != EAGAIN; /* a receive will not tell it again */
}

static void peer_reads(struct life *l, struct peer *p, size_t most)
{
	static char bytes[1 << 16];
	long n = peer_recv(p->fd, bytes, MIN(most, sizeof(bytes)));

	if (n > 0)
		check_bytes(l, p, bytes, (size_t)n);
	p->has_died |= n < 0 && n != -EAGAIN;
	if (n == 0 && !p->has_seen_end && !p->has_died) {
		check_end(l, p);
		p->has_seen_end = true;
	}
	if (l->is_gentle)
		assert_false(p->has_died);
}

static void peer_ends(struct peer *p)
{
	p->has_ended = true;
	shutdown(p->fd, SHUT_WR);
}

static void peer_leaves(struct life *l, struct peer *p)
{
	p->has_ended = true;
	if (one_in(l, 2))
		stage_reset(l->st, p->fd);
	else
		stage_close(l->st, p->fd);
	p->fd = -1;
}

static void a_peer_does_something(struct life *l)
{
	struct peer *p;

	if (l->peers_n == 0)
		return;
	p = &l->peers[below(l, l->peers_n)];
	if (p->fd < 0)
		return;
	switch (below(l, 40)) {
	case 0:
		peer_ends(p);
		break;
	case 1:
		if (!l->is_gentle)
			peer_leaves(l, p);
		break;
	default:
		if (one_in(l, 2))
			peer_sends(l, p);
		else
			peer_reads(l, p, 1 + below(l, 1 << 16));
	}
}

/* What a listening socket accepts inherits it. Windows are to hold several segments. */
static void make_tight(const struct life *l, int fd)
{
	const int bytes = TIGHT_BYTES, segment = 1000;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	if (!l->is_unix)
		assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment)),
				 0);
}

static void a_client_comes(struct life *l)
{
	if (l->peers_n < PEERS_MAX / 2 && l->clients_max > 0 && !l->is_stopped) {
		l->clients_max--;
		add_peer(l, stage_client(l->st), true);
		if (l->is_tight)
			make_tight(l, l->peers[l->peers_n - 1].fd);
	}
}

static void backends_accept(struct life *l)
{
	for (unsigned n = 0; n < l->st->servers_n; n++) {
		int fd = l->st->servers[n] >= 0 ? stage_accept_at(l->st, n) : -1;

		if (fd >= 0)
			add_peer(l, fd, false);
	}
}

/* ---- what the kernel does ------------------------------------------------ */

static void receive_fails(struct life *l, struct io_op *op)
{
	const int gentle[] = { -EINTR, -EAGAIN, -ENOBUFS, -ECANCELED };
	const int rough[] = { -ECONNRESET, -ETIMEDOUT, -EPIPE };
	int err = gentle[below(l, ARRAY_LEN(gentle))];

	if (!l->is_gentle && one_in(l, 20))
		err = rough[below(l, ARRAY_LEN(rough))];
	fake_complete(op, err, 0);
}

static void send_fails(struct life *l, struct io_op *op)
{
	const int rough[] = { -ECONNRESET, -ETIMEDOUT, -EPIPE };
	struct pollfd p = { .fd = fake_request_of(op).fd, .events = POLLOUT };

	if (!l->is_gentle && one_in(l, 20))
		fake_complete(op, rough[below(l, ARRAY_LEN(rough))], 0);
	else if (one_in(l, 2))
		fake_complete(op, one_in(l, 2) ? -EINTR : 0, 0);
	else if (poll(&p, 1, 0) == 1 && p.revents == POLLOUT)
		fake_send_part(op, 1 + below(l, 5000));
}

static void connect_fails(struct life *l, struct io_op *op)
{
	const int errors[] = { -ECONNREFUSED, -ETIMEDOUT, -EADDRNOTAVAIL, -ENETUNREACH };

	if (!l->is_gentle)
		fake_complete(op, errors[below(l, ARRAY_LEN(errors))], 0);
}

static void accept_fails(struct life *l, struct io_op *op)
{
	const int errors[] = { -EMFILE, -ECONNABORTED, -EINTR, -ENFILE, -EAGAIN };

	fake_complete(op, errors[below(l, ARRAY_LEN(errors))], 0);
}

static void something_goes_wrong(struct life *l, const struct fake_request *r)
{
	switch (r->kind) {
	case FAKE_RECV:
		receive_fails(l, r->op);
		break;
	case FAKE_SEND:
		send_fails(l, r->op);
		break;
	case FAKE_CONNECT:
		connect_fails(l, r->op);
		break;
	case FAKE_ACCEPT:
		accept_fails(l, r->op);
		break;
	default:
		break;
	}
}

static void a_request_completes(struct life *l)
{
	struct fake_request r;

	if (fake_requests() == 0)
		return;
	r = fake_request_at(below(l, fake_requests()));
	if (one_in(l, 12))
		something_goes_wrong(l, &r);
	else
		fake_perform(r.op);
}

/* ---- what the operator and time do --------------------------------------- */

static void time_passes(struct life *l)
{
	const unsigned spans_ms[] = { 0, 1, 10, 300, 2000 };

	stage_pass(l->st, spans_ms[below(l, l->is_gentle ? 4 : ARRAY_LEN(spans_ms))]);
}

static struct session *any_session(struct life *l)
{
	struct slab *slab = &l->st->engines[below(l, l->st->workers_n)].sessions;

	return slab->touched > 0 ? slab_at(slab, below(l, slab->touched)) : NULL;
}

static void an_order_comes(struct life *l)
{
	struct engine *e = &l->st->engines[below(l, l->st->workers_n)];
	struct session *s = any_session(l);

	if (l->is_gentle)
		return;
	switch (below(l, 10)) {
	case 0:
		engine_drain(e);
		l->is_stopped = true;
		break;
	case 1:
		engine_stop(e, CLOSE_SHUTDOWN);
		l->is_stopped = true;
		break;
	case 2:
		pool_set_state(l->st->proxy->pools[0],
			       stage_backend(l->st, below(l, l->st->servers_n)),
			       one_in(l, 2) ? BACKEND_READY : BACKEND_DRAIN);
		break;
	default:
		if (s)
			session_close(s, CLOSE_IDLE, BY_RINGMAIN);
	}
}

static void a_step(struct life *l)
{
	unsigned what = below(l, 100);

	if (what < 45)
		a_request_completes(l);
	else if (what < 75)
		a_peer_does_something(l);
	else if (what < 80)
		a_client_comes(l);
	else if (what < 88)
		backends_accept(l);
	else if (what < 94)
		stage_turn(l->st);
	else if (what < 97)
		time_passes(l);
	else if (what < 98)
		an_order_comes(l);
	else
		stage_run(l->st);
}

/* ---- a life -------------------------------------------------------------- */

static struct stage *begin(struct life *l, void **state)
{
	const unsigned buffers[] = { 4, 6, 40, 200 };
	const char *const keys[] = {
		"relay = copy\n",
		"relay = splice\n",
		"relay = auto\n",
		"relay = copy\nmax_sessions = 2\n",
		"relay = auto\nmax_sessions = 3\n",
	};
	char listener_keys[128];
	unsigned kind = below(l, ARRAY_LEN(keys));
	const char *pool_keys = "connect_timeout = 1h\nconnect_total = 1h";
	bool is_limited;

	l->is_gentle = one_in(l, 2);
	l->is_unix = one_in(l, 5);
	l->clients_max = 1 + below(l, 6);
	is_limited = !l->is_gentle && one_in(l, 2);
	if (!l->is_gentle)
		pool_keys = is_limited && one_in(l, 2) ? "queue = 10" : "";
	snprintf(listener_keys, sizeof(listener_keys), "%sidle_timeout = %s\nclose_timeout = 1s",
		 keys[kind], l->is_gentle ? "1h\nhalf_close_timeout = 1h" : "3s");
	return stage_with(state, &(struct stage_options){
					 .workers = 1 + below(l, 2),
					 .backends = 1 + below(l, 3),
					 .buffers = buffers[below(l, ARRAY_LEN(buffers))],
					 .listener_keys = listener_keys,
					 .pool_keys = pool_keys,
					 .backend_keys = is_limited ? "max_sessions=2" : "",
					 .is_unix = l->is_unix,
					 .without_credit = one_in(l, 3),
				 });
}

static void make_all_tight(struct life *l)
{
	for (unsigned n = 0; n < l->st->workers_n; n++)
		make_tight(l, l->st->engines[n].acceptors[0].fd);
	for (unsigned n = 0; n < l->st->servers_n; n++)
		make_tight(l, l->st->servers[n]);
}

static bool all_have_seen_the_end(const struct life *l)
{
	for (unsigned n = 0; n < l->peers_n; n++)
		if (l->peers[n].fd >= 0 && !l->peers[n].has_seen_end && !l->peers[n].has_died)
			return false;
	return true;
}

/* All peers end, and read what is still to come. */
static void finish(struct life *l)
{
	unsigned rounds = 0;

	do {
		if (rounds++ > 20) /* for the kernel to acknowledge what came */
			usleep(1000);
		stage_pass(l->st, rounds > 20 ? 100 : 10);
		stage_run(l->st);
		backends_accept(l);
		for (unsigned n = 0; n < l->peers_n; n++) {
			struct peer *p = &l->peers[n];

			if (p->fd < 0)
				continue;
			if (!p->has_ended && (p->sent >= HEAD_BYTES || !l->is_gentle))
				peer_ends(p);
			else
				peer_sends(l, p);
			for (int i = 0; i < 64; i++)
				peer_reads(l, p, 1 << 16);
		}
	} while (rounds < 3000 && (stage_sessions(l->st) > 0 || !all_have_seen_the_end(l)));
	assert_int_equal(stage_sessions(l->st), 0);
}

/* Nothing has gone wrong: nothing may be missing. */
static void expect_all_arrived(const struct life *l)
{
	for (unsigned n = 0; n < l->peers_n; n++) {
		const struct peer *p = &l->peers[n];

		assert_true(p->has_seen_end);
		assert_int_equal(p->came, p->other ? p->other->sent : 0);
	}
}

static void live(void **state, uint64_t seed)
{
	struct life l = { .random = seed };

	l.st = begin(&l, state);
	l.is_tight = one_in(&l, 4);
	if (l.is_tight)
		make_all_tight(&l);
	for (unsigned n = 0; n < STEPS; n++)
		a_step(&l);
	finish(&l);
	if (l.is_gentle)
		expect_all_arrived(&l);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

static uint64_t seed_now;

static void random_lives_lose_and_keep_nothing(void **state)
{
	uint64_t lives = number_of("LIVES", LIVES);

	if (getenv("SEED")) {
		live(state, number_of("SEED", 0));
		return;
	}
	for (seed_now = 1; seed_now <= lives; seed_now++) {
		live(state, seed_now);
		assert_int_equal(stage_teardown(state), 0);
	}
	seed_now = 0;
}

static int say_which(void **state)
{
	if (seed_now > 0 && *state)
		print_error("SEED=%llu\n%s", (unsigned long long)seed_now, stage_log(*state));
	return stage_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(random_lives_lose_and_keep_nothing, say_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
