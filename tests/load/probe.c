/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * probe: one health check of one server, told as JSON.
 *
 *      probe PROTOCOL ADDRESS [--user U] [--password P] [--database D] [--tls off|prefer|require]
 *            [--verified] [--bound] [--piece BYTES] [--timeout S]
 *            [--path P] [--host H] [--status N] [--header NAME] [--value PATTERN] [--body PATTERN]
 *
 * PROTOCOL: tcp, http, postgres, mysql, redis, or a preset of expect. The
 * protocols are ringmain's own; sockets and TLS (by OpenSSL) are not: what is
 * proved is what they say to real servers. --verified believes the server's
 * certificate without looking, or, without TLS, that nobody listens in;
 * --bound binds a log-in to it; --piece gives the protocol what comes in pieces
 * of so many bytes.
 */

#include "check/check_exchange.h"
#include "check/expect.h"
#include "check/http.h"
#include "kit/kit.h"
#include "kit/net.h"
#include "tls/library.h"
#include "crypto/scram.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static struct scram_cache cache;
static struct http_question question;
static struct check_request request = { .http = &question, .scram_cache = &cache };
static bool is_verified, is_bound;
static size_t piece = SIZE_MAX;
static uint64_t until_ns;

/* ---- the connection ------------------------------------------------------ */

static int fd;
static SSL *ssl;

static void wait_for(short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	const uint64_t now_ns = kit_now_ns();

	if (now_ns < until_ns)
		poll(&p, 1, (int)((until_ns - now_ns) / 1000000) + 1);
}

/* Bytes, 0 at the end, or -errno; -ETIMEDOUT when time is up. */
static ssize_t receive(uint8_t *bytes, size_t room)
{
	for (;;) {
		ssize_t n = ssl ? SSL_read(ssl, bytes, (int)room) : recv(fd, bytes, room, 0);

		if (n >= 0 && !(ssl && n == 0))
			return n;
		if (ssl && SSL_get_error(ssl, (int)n) != SSL_ERROR_WANT_READ)
			return 0;
		if (!ssl && errno != EAGAIN)
			return -errno;
		if (kit_now_ns() >= until_ns)
			return -ETIMEDOUT;
		wait_for(POLLIN);
	}
}

static void send_all(const uint8_t *bytes, size_t n)
{
	while (n > 0 && kit_now_ns() < until_ns) {
		const ssize_t sent = ssl ? SSL_write(ssl, bytes, (int)n)
					 : send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && !ssl && errno != EAGAIN)
			return; /* the next receive says so */
		if (sent <= 0) {
			wait_for(POLLOUT);
			continue;
		}
		bytes += sent;
		n -= (size_t)sent;
	}
}

static void connect_to(const char *text)
{
	struct net_addr addr = net_parse(text);
	int err = 0;
	socklen_t n = sizeof(err);

	fd = net_dial(&addr);
	if (fd < 0)
		kit_die("connect: %s", strerror(-fd));
	wait_for(POLLOUT);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0 || err != 0)
		kit_die("connect: %s", strerror(err));
	request.tls = net_is_unix(&addr) ? CHECK_TLS_OFF : request.tls;
}

/* RFC 5929, 4.1: by the digest of its signature, and by SHA-256 where that is weaker. */
static size_t end_point_of(X509 *certificate, uint8_t out[EVP_MAX_MD_SIZE])
{
	int digest = NID_undef;
	unsigned n = 0;

	if (!OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, NULL))
		return 0;
	if (digest == NID_md5 || digest == NID_sha1)
		digest = NID_sha256;
	return X509_digest(certificate, EVP_get_digestbynid(digest), out, &n) ? n : 0;
}

static struct check_channel channel_now(void)
{
	struct check_channel channel = { .is_tls = ssl != NULL, .is_verified = ssl && is_verified };
	X509 *certificate = ssl && is_bound ? SSL_get_peer_certificate(ssl) : NULL;

	static_assert(sizeof(channel.end_point) >= EVP_MAX_MD_SIZE, "every digest has room");
	if (certificate)
		channel.end_point_bytes = end_point_of(certificate, channel.end_point);
	X509_free(certificate);
	return channel;
}

static void begin_tls(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int n;

	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	while ((n = SSL_connect(ssl)) != 1) {
		const int why = SSL_get_error(ssl, n);

		if ((why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) ||
		    kit_now_ns() >= until_ns)
			kit_die("TLS handshake failed");
		wait_for(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
	}
}

/* ---- the check ----------------------------------------------------------- */

static enum check_step give(struct check_exchange *x, const uint8_t *bytes, size_t n)
{
	enum check_step step = CHECK_STEP_MORE;

	while (n > 0 && step == CHECK_STEP_MORE) {
		const size_t took = MIN(n, piece);

		step = check_receive(x, bytes, took);
		send_all(x->out, x->out_bytes);
		check_sent(x);
		bytes += took;
		n -= took;
	}
	return step;
}

static enum check_step next(struct check_exchange *x, enum check_step step)
{
	uint8_t bytes[4096];
	struct check_channel channel;
	ssize_t n;

	if (step == CHECK_STEP_TLS) {
		begin_tls();
		channel = channel_now();
		return check_secured(x, &channel);
	}
	n = receive(bytes, sizeof(bytes));
	if (n > 0)
		return give(x, bytes, (size_t)n);
	if (n == -ETIMEDOUT)
		check_late(x);
	else
		check_ended(x, (int)n);
	return CHECK_STEP_DONE;
}

static const char *const verdict_names[CHECK_VERDICTS] = {
	[CHECK_PASSED] = "passed", [CHECK_FULL] = "full",           [CHECK_NOT_READY] = "not ready",
	[CHECK_FAILED] = "failed", [CHECK_OWN_FAULT] = "own fault",
};

static void tell(const struct check_facts *f)
{
	printf("{\"verdict\": \"%s\", \"role\": \"%s\", \"read_only\": %s, \"detached\": %s, ",
	       verdict_names[f->verdict], check_role_names[f->role],
	       f->is_read_only ? "true" : "false", f->is_detached ? "true" : "false");
	if (f->has_position)
		printf("\"position\": %llu, ", (unsigned long long)f->position);
	if (f->has_lag)
		printf("\"lag_ms\": %llu, ", (unsigned long long)f->lag_ms);
	printf("\"timeline\": %u, \"system\": %llu, \"started_us\": %llu, \"words\": \"",
	       f->timeline, (unsigned long long)f->system_id, (unsigned long long)f->started_us);
	for (const char *at = f->words; *at; at++)
		printf(*at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\' ? "%c" : "\\u%04x",
		       (unsigned char)*at);
	printf("\"}\n");
}

static void run(void)
{
	static struct check_exchange x;
	struct check_start start = {
		.channel = { .is_local = is_verified && request.tls == CHECK_TLS_OFF },
	};
	enum check_step step;

	if (getrandom(start.random, sizeof(start.random), 0) != sizeof(start.random))
		kit_die("getrandom");
	step = check_begin(&x, &request, &start);
	for (;;) {
		send_all(x.out, x.out_bytes);
		check_sent(&x);
		if (step == CHECK_STEP_DONE)
			break;
		step = next(&x, step);
	}
	if (ssl)
		SSL_shutdown(ssl);
	close(fd);
	tell(&x.facts);
	check_finish(&x);
}

/* ---- options ------------------------------------------------------------- */

static void set_protocol(const char *name)
{
	static const struct check_protocol *const protocols[] = { &check_tcp, &check_http,
								  &check_postgres, &check_mysql,
								  &check_redis };

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strcmp(protocols[i]->name, name) == 0)
			request.protocol = protocols[i];
	if (request.protocol)
		return;
	request.protocol = &check_expect;
	request.script = expect_preset(name);
	if (!request.script)
		kit_die("unknown protocol %s", name);
}

static enum check_tls tls_of(const char *text)
{
	return strcmp(text, "require") == 0  ? CHECK_TLS_REQUIRE
	       : strcmp(text, "prefer") == 0 ? CHECK_TLS_PREFER
					     : CHECK_TLS_OFF;
}

static void set_status(const char *text)
{
	const uint16_t status = (uint16_t)kit_number("--status", text, 100, 999);

	question.statuses[question.statuses_n++] = (struct http_range){ status, status };
}

static void set_option(int option)
{
	const char **const texts[] = {
		['u'] = &request.user,   ['p'] = &request.password, ['d'] = &request.database,
		['P'] = &question.path,  ['H'] = &question.host,    ['e'] = &question.header,
		['v'] = &question.value, ['b'] = &question.body,
	};

	if (option == 't')
		request.tls = tls_of(optarg);
	else if (option == 's')
		set_status(optarg);
	else if (option == 'V')
		is_verified = true;
	else if (option == 'B')
		is_bound = true;
	else if (option == 'c')
		piece = kit_number("--piece", optarg, 1, 65536);
	else if (option == 'T')
		until_ns = kit_now_ns() + (uint64_t)(kit_seconds("--timeout", optarg) * 1e9);
	else if (option < (int)ARRAY_LEN(texts) && texts[option])
		*texts[option] = optarg;
	else
		kit_die("see the head of tests/load/probe.c");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "user", 1, NULL, 'u' },
		{ "password", 1, NULL, 'p' },
		{ "database", 1, NULL, 'd' },
		{ "tls", 1, NULL, 't' },
		{ "verified", 0, NULL, 'V' },
		{ "bound", 0, NULL, 'B' },
		{ "piece", 1, NULL, 'c' },
		{ "timeout", 1, NULL, 'T' },
		{ "path", 1, NULL, 'P' },
		{ "host", 1, NULL, 'H' },
		{ "status", 1, NULL, 's' },
		{ "header", 1, NULL, 'e' },
		{ "value", 1, NULL, 'v' },
		{ "body", 1, NULL, 'b' },
		{ 0 },
	};
	int option;

	until_ns = kit_now_ns() + 20000000000ull;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(option);
	if (argc - optind != 2)
		kit_die("usage: probe PROTOCOL ADDRESS [OPTION...]");
	if (tls_library_start() < 0)
		kit_die("the TLS library does not start");
	set_protocol(argv[optind]);
	connect_to(argv[optind + 1]);
	run();
	return 0;
}
