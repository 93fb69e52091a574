/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "metrics/counters_log.h"

#include <stdio.h>

static const char *logged(struct bed *st)
{
	(void)bed_log(st);
	counters_log(st->runtime);
	return bed_log(st);
}

/* The first line with this message and these words; "" if there is none. */
static const char *line_of(const char *log, const char *message, const char *words)
{
	static char line[LOG_LINE_BYTES];
	char want[64];

	snprintf(want, sizeof(want), " msg=%s ", message);
	for (const char *at = log; *at; at += strcspn(at, "\n") + 1) {
		snprintf(line, sizeof(line), "%.*s ", (int)strcspn(at, "\n"), at);
		if (strstr(line, want) && strstr(line, words))
			return line;
	}
	return "";
}

/* Has the line these "key=value key=value", in this order? */
static void expect_words(const char *line, const char *pairs)
{
	char want[256];

	snprintf(want, sizeof(want), " %s ", pairs);
	if (!strstr(line, want))
		fail_msg("'%s' is not in '%s'", pairs, line);
}

static void end_cleanly(struct bed *st, struct pair *c)
{
	shutdown(c->client, SHUT_WR);
	bed_run(st);
	shutdown(c->backend, SHUT_WR);
	bed_run(st);
}

/* ---- sessions ------------------------------------------------------------ */

static void a_session_is_counted_when_it_begins_and_when_it_ends(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair a = bed_relaying(st), b = bed_relaying(st);

	expect_words(line_of(logged(st), "counters", ""),
		     "begun=2 ended=0 open=2 bytes_up=0 bytes_down=0");
	end_cleanly(st, &a);
	bed_reset(st, b.client);
	bed_run(st);
	expect_words(line_of(logged(st), "counters", ""), "begun=2 ended=2 open=0");
	expect_words(line_of(logged(st), "counters_listener", "listener=l"),
		     "done=1 client_reset=1 backend_reset=0");
}

/* And not only when the session ends. */
static void bytes_are_counted_as_they_move(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	peer_send(c.client, "question", 8);
	peer_send(c.backend, "the answer", 10);
	bed_run(st);
	expect_words(line_of(logged(st), "counters_listener", ""),
		     "open=1 bytes_up=8 bytes_down=10");
	expect_text(c.backend, "question");
	expect_text(c.client, "the answer");
	end_cleanly(st, &c);
	expect_words(line_of(bed_log(st), "session", ""), "bytes_up=8 bytes_down=10");
	expect_words(line_of(logged(st), "counters_listener", ""),
		     "open=0 bytes_up=8 bytes_down=10");
}

static void our_own_header_is_not_a_clients_byte(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .pool_keys = "send_proxy = v1" });
	struct pair c = bed_relaying(st);
	char seen[128];

	peer_send(c.client, "hello", 5);
	bed_run(st);
	assert_true(peer_recv(c.backend, seen, sizeof(seen)) > 25);
	expect_words(line_of(logged(st), "counters_listener", ""), "bytes_up=5 bytes_down=0");
	end_cleanly(st, &c);
	expect_words(line_of(bed_log(st), "session", ""), "bytes_up=5 bytes_down=0");
}

static void workers_count_for_themselves_and_are_added_up(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });

	for (int n = 0; n < 10; n++) {
		bed_client(st);
		bed_run(st);
	}
	for (unsigned w = 0; w < 2; w++) {
		assert_int_equal(st->engines[w].host.counters->listeners[0].begun, 5);
		assert_ptr_equal(st->engines[w].host.counters, &st->runtime->counters[w]);
	}
	expect_words(line_of(logged(st), "counters", ""), "begun=10 ended=0 open=10");
}

/* Not who finds all taken that were offered in this turn, while the worker has more. */
static void who_waits_for_a_buffer_that_there_is_not_is_counted(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .buffers = 40 });
	struct pair c = bed_relaying(st);
	struct buf *taken[40];

	fake_complete(&client_of(c.s)->recv, -ENOBUFS, 0);
	bed_run(st);
	expect_words(line_of(logged(st), "counters", ""), "buffer_waits=0");
	for (int n = 0; n < 40; n++)
		taken[n] = buf_get(&bed_engine(st)->host.loop.bufs);
	fake_complete(&client_of(c.s)->recv, -ENOBUFS, 0);
	bed_turn(st);
	for (int n = 0; n < 40; n++)
		buf_put(&bed_engine(st)->host.loop.bufs, taken[n]);
	bed_run(st);
	expect_words(line_of(logged(st), "counters", ""), "buffer_waits=1");
}

static void who_is_rejected_is_counted_by_reason(void **state)
{
	struct bed *st = bed_of(state, "max_sessions_per_source = 1");

	bed_client(st);
	bed_client(st);
	bed_client(st);
	bed_run(st);
	expect_words(line_of(logged(st), "counters_listener", ""),
		     "denied=0 source_sessions=2 source_rate=0 "
		     "source_table_full=0");
	expect_words(line_of(logged(st), "counters", ""), "source_sessions=2");
}

/* ---- words --------------------------------------------------------------- */

static void preread_with(struct bed *st, const char *bytes, size_t n)
{
	int client = bed_client(st);

	peer_send(client, bytes, n);
	bed_run(st);
	bed_close(st, client);
	bed_run(st);
}

static void each_detail_of_the_log_has_its_count(void **state)
{
	struct bed *st = bed_of(state, "protocol = postgres\ntls = off");
	const char *log;

	preread_with(st, "\0\0\0\4....", 8);
	preread_with(st, "GET / HTTP/1.1\r\n\r\n", 18);
	preread_with(st, "GET / HTTP/1.1\r\n\r\n", 18);
	preread_with(st, "\26\3\1\2\0\1", 6);
	log = logged(st);
	expect_words(line_of(log, "counters_listener", ""), "refused=1");
	expect_words(line_of(log, "counters_listener", ""), "bad_preread=3");
	expect_words(line_of(log, "counters_detail", "detail=\"TLS on a listener without TLS\""),
		     "n=1");
	expect_words(line_of(log, "counters_detail", "detail=\"not PostgreSQL's protocol\""),
		     "n=2");
}

/* ---- pools --------------------------------------------------------------- */

static void every_try_is_counted_with_its_outcome(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .backends = 3,
								.pool_keys = "balance = first" });
	const char *log;

	bed_stop_server(st, 0);
	bed_client(st);
	bed_run(st);
	bed_client(st);
	while (fake_perform(&bed_engine(st)->acceptors[0].accept))
		continue;
	fake_complete(&backend_of(bed_newest(st))->send, -ETIMEDOUT, 0);
	fake_complete(&backend_of(bed_newest(st))->send, -EADDRNOTAVAIL, 0);
	bed_run(st);
	log = logged(st);
	expect_words(line_of(log, "counters_pool", "pool=p"),
		     "connected=2 backend_tls_error=0 connect_refused=1 connect_timeout=1 "
		     "connect_failed=0 login_refused=0 no_resources=1");
	expect_words(line_of(log, "counters_backend", "backend=b0"),
		     "picked=2 connected=0 connect_failures=2 no_resources=0");
	expect_words(line_of(log, "counters_backend", "backend=b1"), "no_resources=1");
	expect_words(line_of(log, "counters_backend", "backend=b2"), "open=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_session_is_counted_when_it_begins_and_when_it_ends),
		bed_test(bytes_are_counted_as_they_move),
		bed_test(our_own_header_is_not_a_clients_byte),
		bed_test(workers_count_for_themselves_and_are_added_up),
		bed_test(who_waits_for_a_buffer_that_there_is_not_is_counted),
		bed_test(who_is_rejected_is_counted_by_reason),
		bed_test(each_detail_of_the_log_has_its_count),
		bed_test(every_try_is_counted_with_its_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
