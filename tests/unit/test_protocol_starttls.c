/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A protocol in which the server speaks first and TLS begins by a command:
 * STARTTLS of SMTP (RFC 3207), as much of it as shows what protocol/ has for
 * one. All of it is the struct below; the line in the registry is its second
 * half, which this file has in the place of protocol/registry.c.
 */
#include "unit/runtime_bed.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>

#include "protocol/registry.h"
#include "tls/endpoints.h"

/* ---- the protocol -------------------------------------------------------- */

#define TEXT(answer, text) say(answer, text, sizeof(text) - 1)

static void say(struct step_answer *answer, const char *text, size_t n)
{
	memcpy(answer->say, text, n);
	answer->say_bytes = n;
}

static enum step_verdict smtp_refuse(struct step_answer *answer, const char *detail)
{
	TEXT(answer, "503 5.5.1 no\r\n");
	answer->refusal = STEP_MALFORMED;
	answer->detail = detail;
	return STEP_REFUSE;
}

static enum step_verdict smtp_begin_clear(const struct protocol_input *in,
					  struct step_answer *answer)
{
	if (in->config->tls == TLS_MODE_OFF)
		return STEP_READY;
	TEXT(answer, "220 ESMTP\r\n");
	return STEP_MORE;
}

static bool is_command(const uint8_t *line, size_t n, const char *command)
{
	return n >= strlen(command) &&
	       strncasecmp((const char *)line, command, strlen(command)) == 0;
}

static enum step_verdict smtp_read_clear(const struct protocol_input *in,
					 struct step_answer *answer)
{
	const uint8_t *end = memchr(in->bytes, '\n', in->n);

	if (!end)
		return STEP_MORE;
	answer->used = (size_t)(end + 1 - in->bytes);
	if (is_command(in->bytes, answer->used, "EHLO ")) {
		in->state->progress = 1;
		TEXT(answer, "250-ringmain\r\n250 STARTTLS\r\n");
		return STEP_MORE;
	}
	if (in->state->progress == 0 || !is_command(in->bytes, answer->used, "STARTTLS"))
		return smtp_refuse(answer, "not STARTTLS");
	if (answer->used < in->n)
		return smtp_refuse(answer, "clear bytes behind STARTTLS");
	in->state->asked_for_tls = true;
	TEXT(answer, "220 go ahead\r\n");
	return STEP_NEXT;
}

/* What is remembered of a backend: how far it is, and of the line that it is saying. */
struct smtp_memory {
	uint8_t replies; /* that were whole */
	uint8_t column;  /* of the next byte, up to 4 */
	char code;       /* the first byte of its code */
	bool is_last;    /* of the lines of the reply */
};

static_assert(sizeof(struct smtp_memory) <= sizeof(struct step_memory), "it has room");

/* How many bytes the present reply goes on for; PARSE_DONE: to its end. */
static enum parse read_reply(struct smtp_memory *m, const uint8_t *bytes, size_t n, size_t *ret_n)
{
	for (*ret_n = 0; *ret_n < n;) {
		uint8_t byte = bytes[(*ret_n)++];

		if (m->column == 0)
			m->code = (char)byte;
		if (m->column == 3)
			m->is_last = byte == ' ';
		m->column = byte == '\n' ? 0 : (uint8_t)MIN(m->column + 1, 4);
		if (byte == '\n' && m->is_last)
			return PARSE_DONE;
	}
	return PARSE_MORE;
}

static enum step_verdict smtp_open_backend(const struct protocol_round *in,
					   struct step_answer *answer)
{
	struct smtp_memory *m = (struct smtp_memory *)in->memory->bytes;

	if (read_reply(m, in->bytes, in->n, &answer->used) == PARSE_MORE)
		return STEP_MORE;
	if (m->code != '2') {
		answer->detail = m->replies == 0 ? "the backend serves nobody"
						 : "the backend has no TLS";
		return STEP_REFUSE;
	}
	m->replies++;
	if (m->replies == 1 && in->wants_tls)
		TEXT(answer, "EHLO ringmain\r\n");
	else if (m->replies == 2)
		TEXT(answer, "STARTTLS\r\n");
	else
		return STEP_NEXT;
	return STEP_MORE;
}

static const struct protocol smtp = {
	.name = "smtp",
	.begin_clear = smtp_begin_clear,
	.read_clear = smtp_read_clear,
	.open_backend = smtp_open_backend,
	.answer_bytes = 512,
};

/* ---- the registry: the word of the configuration for it is another's ------ */

const struct protocol *protocol_of(enum protocol_kind kind)
{
	return kind == PROTOCOL_ANY ? NULL : &smtp;
}

size_t protocol_watch_bytes_max(void)
{
	return 1;
}

const struct protocol *protocol_of_servers(const struct pool_config *config)
{
	(void)config;
	return NULL;
}

const struct refusal *protocol_guess_refusal(const uint8_t *bytes, size_t n)
{
	(void)bytes;
	(void)n;
	return NULL;
}

bool protocol_is_opaque(const struct listener_config *config)
{
	(void)config;
	return false;
}

/* ---- two ends ------------------------------------------------------------ */

/* TLS of a peer's end: what it says goes to the peer's socket. */
struct peer {
	struct tls_stream *tls;
	int fd;
	char bytes[BUF_BYTES];
};

static int send_to_peer(void *owner, const void *bytes, size_t n)
{
	peer_send(((struct peer *)owner)->fd, bytes, n);
	return 0;
}

/* It goes on with what has come. */
static enum tls_result go_on(struct peer *p)
{
	long n = peer_recv(p->fd, p->bytes, sizeof(p->bytes));

	if (n > 0)
		tls_stream_give(p->tls, p->bytes, (size_t)n, 0);
	return tls_stream_handshake(p->tls);
}

static void begin_client(struct peer *p, int fd)
{
	struct tls_client *client = make_client(&(struct endpoint_options){ .insecure = true });

	p->fd = fd;
	assert_int_equal(tls_stream_connect(client, NULL, send_to_peer, p, &p->tls), 0);
	tls_client_unref(client);
	assert_int_equal(tls_stream_handshake(p->tls), TLS_WANT_INPUT);
}

static void begin_server(struct peer *p, int fd)
{
	struct tls_server *server = make_server(&(struct endpoint_options){ 0 });

	p->fd = fd;
	assert_int_equal(tls_stream_accept(server, NULL, send_to_peer, p, &p->tls), 0);
	tls_server_unref(server);
}

static void expect_inside(struct peer *p, const char *text)
{
	long n = peer_recv(p->fd, p->bytes, sizeof(p->bytes));
	char plain[256];
	size_t plain_n;

	assert_true(n > 0);
	tls_stream_give(p->tls, p->bytes, (size_t)n, 0);
	(void)!tls_stream_read(p->tls, plain, sizeof(plain), &plain_n);
	assert_int_equal(plain_n, strlen(text));
	assert_memory_equal(plain, text, plain_n);
}

static struct bed *smtp_bed(void **state, const char *listener_keys, const char *pool_keys)
{
	char keys[512];

	snprintf(keys, sizeof(keys), "protocol = postgres\n%s\ncertificate = %s", listener_keys,
		 kit_path("ecdsa.pem"));
	return bed_with(state,
			&(struct bed_options){ .listener_keys = keys, .pool_keys = pool_keys });
}

#define POOL_WITH_TLS "tls = yes\ntls_verify = no\nprotocol = postgres"

static struct pair arrived(struct bed *st)
{
	struct pair c = { .client = bed_client(st), .backend = -1 };

	bed_run(st);
	c.s = bed_newest(st);
	return c;
}

static void talk(struct bed *st, int fd, const char *text)
{
	peer_send(fd, text, strlen(text));
	bed_run(st);
}

/* Its client has STARTTLS behind it, and TLS, too; the backend was connected to. */
static struct pair secured(struct bed *st, struct peer *client)
{
	struct pair c = arrived(st);

	expect_text(c.client, "220 ESMTP\r\n");
	talk(st, c.client, "EHLO me\r\n");
	expect_text(c.client, "250-ringmain\r\n250 STARTTLS\r\n");
	talk(st, c.client, "STARTTLS\r\n");
	expect_text(c.client, "220 go ahead\r\n");
	begin_client(client, c.client);
	bed_run(st);
	assert_int_equal(go_on(client), TLS_DONE);
	bed_run(st);
	c.backend = bed_accept_at(st, 0);
	assert_true(c.backend >= 0);
	return c;
}

static void expect_relay(struct bed *st, const struct pair *c, struct peer *client)
{
	assert_int_equal(tls_stream_write(client->tls, "EHLO me\r\n", 9), TLS_DONE);
	bed_run(st);
	assert_int_equal(c->s->phase, SESSION_RELAYING);
}

/* ---- tests --------------------------------------------------------------- */

static void both_sides_go_from_a_greeting_to_tls(void **state)
{
	struct bed *st = smtp_bed(state, "tls = terminate", POOL_WITH_TLS);
	struct peer client = { 0 }, server = { 0 };
	struct pair c = secured(st, &client);

	expect_nothing(c.backend);
	talk(st, c.backend, "220-mail");
	talk(st, c.backend, ".example.com\r\n220 ");
	expect_nothing(c.backend);
	talk(st, c.backend, "ready\r\n");
	expect_text(c.backend, "EHLO ringmain\r\n");
	talk(st, c.backend, "250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n");
	expect_text(c.backend, "STARTTLS\r\n");
	begin_server(&server, c.backend);
	talk(st, c.backend, "220 go\r\n");
	assert_int_equal(go_on(&server), TLS_WANT_INPUT);
	bed_run(st);
	assert_int_equal(go_on(&server), TLS_DONE);
	bed_run(st);
	expect_relay(st, &c, &client);
	expect_inside(&server, "EHLO me\r\n");
	tls_stream_destroy(client.tls);
	tls_stream_destroy(server.tls);
}

/* The client has had a greeting, and is not to see another. */
static void a_plain_backends_greeting_is_taken_off(void **state)
{
	struct bed *st = smtp_bed(state, "tls = terminate", "");
	struct peer client = { 0 };
	struct pair c = secured(st, &client);

	talk(st, c.backend, "220 ready\r\n");
	expect_relay(st, &c, &client);
	expect_text(c.backend, "EHLO me\r\n");
	talk(st, c.backend, "250 hello\r\n");
	expect_inside(&client, "250 hello\r\n");
	tls_stream_destroy(client.tls);
}

/* TLS passes through: the backend is asked for it, and the client's own begins. */
static void tls_may_be_the_clients_own(void **state)
{
	struct bed *st = smtp_bed(state, "tls = passthrough", "");
	struct peer client = { 0 }, server = { 0 };
	struct pair c = arrived(st);

	expect_text(c.client, "220 ESMTP\r\n");
	talk(st, c.client, "EHLO me\r\n");
	talk(st, c.client, "STARTTLS\r\n");
	expect_text(c.client, "250-ringmain\r\n250 STARTTLS\r\n220 go ahead\r\n");
	begin_client(&client, c.client);
	bed_run(st);
	c.backend = bed_accept_at(st, 0);
	talk(st, c.backend, "220 ready\r\n");
	talk(st, c.backend, "250 STARTTLS\r\n");
	expect_text(c.backend, "EHLO ringmain\r\nSTARTTLS\r\n");
	begin_server(&server, c.backend);
	talk(st, c.backend, "220 go\r\n");
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(go_on(&server), TLS_WANT_INPUT);
	bed_run(st);
	assert_int_equal(go_on(&client), TLS_DONE);
	tls_stream_destroy(client.tls);
	tls_stream_destroy(server.tls);
}

/* Where nothing is to be read, the server's own greeting comes through. */
static void without_tls_the_server_speaks(void **state)
{
	struct bed *st = bed_of(state, "protocol = postgres\ntls = off");
	struct pair c = arrived(st);

	c.backend = bed_accept_at(st, 0);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	talk(st, c.backend, "220 mail\r\n");
	expect_text(c.client, "220 mail\r\n");
}

static void a_greeting_waits_for_the_header_of_a_proxy(void **state)
{
	struct bed *st = smtp_bed(state,
				  "tls = terminate\nproxy_protocol = accept\n"
				  "proxy_protocol_from = 127.0.0.1",
				  "");
	struct pair c = arrived(st);

	expect_nothing(c.client);
	talk(st, c.client, "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n");
	expect_text(c.client, "220 ESMTP\r\n");
}

static void who_says_more_than_starttls_is_refused(void **state)
{
	struct bed *st = smtp_bed(state, "tls = terminate", "");
	struct pair c = arrived(st);

	talk(st, c.client, "EHLO me\r\n");
	talk(st, c.client, "STARTTLS\r\nRSET\r\n");
	expect_text(c.client, "220 ESMTP\r\n250-ringmain\r\n250 STARTTLS\r\n503 5.5.1 no\r\n");
	expect_end(c.client);
	assert_int_equal(c.s->phase, SESSION_REFUSING);
}

/* What a backend says in the wrong place is not what TLS says, and not the client's. */
static void a_backend_that_says_too_much_or_no_will_not_do(void **state)
{
	static const struct {
		const char *said[3], *detail;
	} cases[] = {
		{ { "554 not now\r\n" }, "the backend serves nobody" },
		{ { "220 a\r\n", "250 b\r\n", "454 no\r\n" }, "the backend has no TLS" },
		{ { "220 a\r\n", "250 b\r\n", "220 go\r\n250 injected\r\n" },
		  "the backend said more than it was asked" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bed *st = smtp_bed(state, "tls = terminate", POOL_WITH_TLS);
		struct peer client = { 0 };
		struct pair c = secured(st, &client);

		for (size_t n = 0; n < 3 && cases[i].said[n]; n++)
			talk(st, c.backend, cases[i].said[n]);
		bed_run(st);
		assert_non_null(strstr(bed_log(st), cases[i].detail));
		tls_stream_destroy(client.tls);
		assert_int_equal(bed_teardown(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(both_sides_go_from_a_greeting_to_tls),
		bed_test(a_plain_backends_greeting_is_taken_off),
		bed_test(tls_may_be_the_clients_own),
		bed_test(without_tls_the_server_speaks),
		bed_test(a_greeting_waits_for_the_header_of_a_proxy),
		bed_test(who_says_more_than_starttls_is_refused),
		bed_test(a_backend_that_says_too_much_or_no_will_not_do),
	};

	return cmocka_run_group_tests(tests, kit_set_up_one, kit_tear_down);
}
