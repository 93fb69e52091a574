/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Each allocation of a handshake, and of what follows it, fails once: it is never taken for the
 * peer's fault, nothing breaks, and the next handshake is as good as any.
 */

#include "tls/stream.h"

#include "base/def.h"
#include "tls/library.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tls/endpoints.h"

/* ---- an allocator that fails once ---------------------------------------- */

static bool is_armed;       /* the library runs, not the test */
static unsigned until_fail; /* so many more succeed; 0: all */
static bool has_failed;

void *__libc_malloc(size_t n);

#if !WITH_ASAN
void *malloc(size_t n)
{
	if (is_armed && until_fail > 0 && --until_fail == 0) {
		has_failed = true;
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(n);
}
#endif

/* ---- lives --------------------------------------------------------------- */

static enum tls_result shake(struct kit_pair *p, struct kit_side *side)
{
	enum tls_result result;

	do {
		is_armed = true;
		result = tls_stream_handshake(side->stream);
		is_armed = false;
	} while (result == TLS_WANT_INPUT && kit_give(p, side));
	return result;
}

static bool lacked(const struct kit_pair *p)
{
	return tls_stream_lacks_memory(p->client.stream) ||
	       tls_stream_lacks_memory(p->server.stream);
}

/* False: one of them failed, and it is known why. */
static bool shake_hands(struct kit_pair *p)
{
	struct kit_outcome o = { TLS_WANT_INPUT, TLS_WANT_INPUT };

	for (unsigned i = 0; i < 10; i++) {
		if (o.client == TLS_WANT_INPUT)
			o.client = shake(p, &p->client);
		if (o.server == TLS_WANT_INPUT)
			o.server = shake(p, &p->server);
	}
	if (o.client == TLS_DONE && o.server == TLS_DONE)
		return true;
	if (!lacked(p))
		fail_msg("client %d: %s; server %d: %s", o.client,
			 tls_stream_reason(p->client.stream), o.server,
			 tls_stream_reason(p->server.stream));
	return false;
}

static void talk(struct kit_pair *p, struct kit_side *from, struct kit_side *to)
{
	static char said[40000], heard[40000];
	enum tls_result result;
	size_t n = 0, part;

	memset(said, 'x', sizeof(said));
	is_armed = true;
	result = tls_stream_write(from->stream, said, sizeof(said));
	is_armed = false;
	if (result != TLS_DONE) {
		assert_true(tls_stream_lacks_memory(from->stream));
		return;
	}
	do {
		(void)kit_give(p, to);
		is_armed = true;
		result = tls_stream_read(to->stream, heard + n, sizeof(heard) - n, &part);
		is_armed = false;
		n += part;
	} while (n < sizeof(heard) &&
		 (result == TLS_DONE || (result == TLS_WANT_INPUT && to->inbox_n > 0)));
	if (n < sizeof(heard))
		assert_true(tls_stream_lacks_memory(to->stream));
	else
		assert_memory_equal(said, heard, sizeof(said));
}

static void say_goodbye(struct kit_side *side)
{
	is_armed = true;
	if (tls_stream_close(side->stream) != TLS_DONE)
		assert_true(tls_stream_lacks_memory(side->stream));
	is_armed = false;
}

static bool meet(struct tls_server *server, struct tls_client *client,
		 const struct endpoint_options *w, struct kit_pair *p)
{
	const struct tls_offer *offer = w->offer.name ? &w->offer : NULL;
	int err;

	*p = (struct kit_pair){ 0 };
	kit_join(p);
	is_armed = true;
	err = tls_stream_accept(server, offer, kit_send, &p->server, &p->server.stream);
	if (err == 0)
		err = tls_stream_connect(client, NULL, kit_send, &p->client, &p->client.stream);
	is_armed = false;
	assert_true(err == 0 || err == -ENOMEM);
	return err == 0;
}

static void live(struct tls_server *server, struct tls_client *client,
		 const struct endpoint_options *w)
{
	struct kit_pair p;

	if (meet(server, client, w, &p) && shake_hands(&p)) {
		talk(&p, &p.client, &p.server);
		talk(&p, &p.server, &p.client);
		say_goodbye(&p.server);
		say_goodbye(&p.client);
	}
	kit_part(&p);
}

static void fail_each(const struct endpoint_options *w)
{
	struct tls_server *server = make_server(w);
	struct tls_client *client = make_client(w);
	unsigned n = 0;
	struct kit_pair p;

	do {
		has_failed = false;
		until_fail = ++n;
		live(server, client, w);
		until_fail = 0;
		if (n % 16 == 0) {
			assert_true(meet(server, client, w, &p));
			expect_established(&p);
			kit_part(&p);
		}
	} while (has_failed);
	assert_true(n > 50);
	tls_server_unref(server);
	tls_client_unref(client);
}

static void each_allocation_fails_once(void **state)
{
	static const struct endpoint_options wishes[] = {
		{ .offer.name = "db1.example.com" },
		{ .server = { .version_max = TLS_1_2 } },
		{ .certificates = { "rsa.pem" } },
		{ .verify = TLS_VERIFY_REQUIRE, .client_certificate = "alice.pem" },
	};

	(void)state;
#if WITH_ASAN
	skip(); /* its own malloc cannot be replaced */
#endif
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++)
		fail_each(&wishes[i]);
}

/* ---- no room to send ----------------------------------------------------- */

static int refuse(void *owner, const void *bytes, size_t n)
{
	(void)owner;
	(void)bytes;
	(void)n;
	return -ENOBUFS;
}

static void no_room_to_send_is_nobodys_fault(void **state)
{
	const struct endpoint_options w = { 0 };
	struct tls_client *client = make_client(&w);
	struct tls_stream *stream;

	(void)state;
	assert_int_equal(tls_stream_connect(client, NULL, refuse, NULL, &stream), 0);
	assert_int_equal(tls_stream_handshake(stream), TLS_FAILED);
	assert_true(tls_stream_lacks_memory(stream));
	tls_stream_destroy(stream);
	tls_client_unref(client);
}

static void what_a_peer_breaks_is_not_want_of_memory(void **state)
{
	const struct endpoint_options w = { .ca = "stranger-ca.crt" };
	struct kit_pair p = { 0 };

	(void)state;
	make_pair(&w, &p);
	assert_int_equal(kit_handshake(&p).client, TLS_FAILED);
	assert_false(lacked(&p));
	kit_part(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_once),
		cmocka_unit_test(no_room_to_send_is_nobodys_fault),
		cmocka_unit_test(what_a_peer_breaks_is_not_want_of_memory),
	};

	return cmocka_run_group_tests(tests, kit_set_up, kit_tear_down);
}
