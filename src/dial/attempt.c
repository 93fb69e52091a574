/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial/attempt.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"
#include "opening/local_addr.h"
#include "protocol/registry.h"
#include "session/conn_info.h"
#include "session/host.h"
#include "session/side.h"

#define UNIQUE_ID_BYTES 40

/* ---- the socket ---------------------------------------------------------- */

/* Where to connect from, where that is not for the kernel to say. 0 or -errno. */
static int bind_local_addr(struct session *s, int fd, const char **ret_step)
{
	const struct pool_config *pool = pool_config(s->pool);
	const struct addr *backend = &s->backend->config->addr;
	uint16_t *next = &s->host->local_addr_turns[addr_family(backend) == AF_INET6];
	uint16_t *turn = s->local_addrs_failed > 0 ? &s->local_addr_turn : next;
	struct addr client;
	int err;

	addr_lengthen(&client, &s->client);
	if (pool->is_transparent && client.len > 0 && !addr_is_unix(backend) &&
	    addr_family(&client) == addr_family(backend)) {
		addr_set_port(&client, 0);
		return sock_set_source(fd, &client, true, ret_step);
	}
	err = local_addr_bind(pool, backend, turn, fd, ret_step);
	s->local_addr_turn = *turn;
	return err;
}

/* What was said of the try before, and by its backend, is not of this one. */
static void forget_last_try(struct session *s)
{
	s->detail = NULL;
	if (s->protocol)
		buf_queue_clear(&s->protocol->answer, &s->host->loop.bufs);
}

int attempt_open(struct session *s, int *ret_fd)
{
	uint64_t bandwidth = s->config->bandwidth_bytes_per_s;
	/* What a short session needs; the rest follows when it has lasted: see relay.c. */
	const struct sock_options options = {
		.nodelay = true,
		.resets = true,
		.segment_bytes = sock_paced_segment(bandwidth),
	};
	const char *step;
	int err;

	forget_last_try(s);
	err = sock_dialer(&s->backend->config->addr, &options, ret_fd, &step);
	if (err < 0)
		return err;
	if (bandwidth > 0)
		(void)!sock_set_pacing(*ret_fd, bandwidth);
	err = bind_local_addr(s, *ret_fd, &step);
	if (err < 0) {
		conn_info_note_detail(s, step);
		close(*ret_fd);
	}
	return err;
}

/* ---- the PROXY header ---------------------------------------------------- */

static struct proxyhdr_text proxyhdr_text_of(const char *text)
{
	return (struct proxyhdr_text){
		.bytes = text[0] ? (const uint8_t *)text : NULL,
		.n = (uint16_t)strlen(text),
	};
}

static void add_connection_info(struct proxyhdr *header, const struct conn_info *info)
{
	header->alpn = proxyhdr_text_of(info->alpn);
	header->authority = proxyhdr_text_of(info->sni);
	if (!info->version)
		return;
	header->tls = (struct proxyhdr_tls){
		.is_said = true,
		.is_on = true,
		.has_cert = info->has_certificate,
		.has_cert_ever = info->has_certificate,
		.is_verified = info->has_certificate,
		.version = proxyhdr_text_of(info->version),
		.cipher = proxyhdr_text_of(info->openssl_cipher),
		.common_name = proxyhdr_text_of(info->client_name),
	};
}

static void destination_of(struct session *s, struct addr *ret_addr)
{
	*ret_addr = (struct addr){ 0 };
	if (s->info && s->info->destination.len > 0)
		*ret_addr = s->info->destination;
	else
		(void)!sock_local_addr(s->sides[SIDE_CLIENT].fd, ret_addr);
}

static void fill_header(struct session *s, char id[UNIQUE_ID_BYTES], struct proxyhdr *ret_header)
{
	const struct pool_config *pool = pool_config(s->pool);

	*ret_header = (struct proxyhdr){
		.version = pool->send_proxy == PROXY_V1 ? 1 : 2,
		.is_local = s->client.len == 0,
	};
	addr_lengthen(&ret_header->source, &s->client);
	destination_of(s, &ret_header->destination);
	if (!pool->has_proxy_tlvs)
		return;
	snprintf(id, UNIQUE_ID_BYTES, "%llx-%llx", (unsigned long long)s->host->epoch,
		 (unsigned long long)s->id);
	ret_header->unique_id = proxyhdr_text_of(id);
	ret_header->has_checksum = true;
	if (s->info)
		add_connection_info(ret_header, s->info);
}

/* ---- the opening --------------------------------------------------------- */

/* The backend is asked for TLS, as the client was, with which it goes on. */
static bool asks_for_client(const struct session *s)
{
	return s->protocol && s->protocol->asked_for_tls && s->config->tls == TLS_MODE_PASSTHROUGH;
}

/*
 * Whose words in clear come first: for TLS of our own those of the pool's
 * protocol, for the client's those of the listener's, who asked for it, too, or
 * has had a greeting already.
 */
static const struct protocol *opening_protocol(const struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);

	if (pool->tls)
		return pool->has_direct_tls ? NULL : protocol_of(pool->protocol);
	if (asks_for_client(s) || (s->protocol && s->protocol->was_greeted))
		return s->listener->protocol;
	return NULL;
}

static void fill_opening(struct session *s, struct opening *ret)
{
	const struct pool_config *pool = pool_config(s->pool);
	const struct addr_spec *spec = &s->backend->config->spec;
	struct side *side = &s->sides[SIDE_BACKEND];

	*ret = (struct opening){
		.protocol = opening_protocol(s),
		.wants_tls = pool->tls || asks_for_client(s),
		.tls = runtime_tls_client(s->host->runtime, s->pool),
		.tls_target = { pool->tls_name || spec->is_unix ? NULL : spec->host,
				s->backend->id },
		.send = side_append,
		.owner = side,
		.stream = &side->tls,
		.memory = &s->opening,
		.now_ms = s->host->loop.now_ms,
	};
}

static enum step_verdict keep_step(struct session *s, enum step_verdict verdict, uint8_t step)
{
	s->step = step & 0xf;
	return verdict;
}

enum step_verdict attempt_begin(struct session *s, struct opening *ret)
{
	char id[UNIQUE_ID_BYTES];
	struct proxyhdr header;
	enum step_verdict verdict;
	uint8_t step;

	fill_opening(s, ret);
	if (pool_config(s->pool)->send_proxy != PROXY_OFF) {
		fill_header(s, id, &header);
		ret->header = &header;
	}
	verdict = opening_start(ret, &step);
	ret->header = NULL;
	return keep_step(s, verdict, step);
}

enum step_verdict attempt_received(struct session *s, const void *bytes, size_t n,
				   struct opening *ret)
{
	uint8_t step = s->step;
	enum step_verdict verdict;

	fill_opening(s, ret);
	verdict = opening_received(ret, &step, bytes, n);
	return keep_step(s, verdict, step);
}

size_t attempt_wants(struct session *s)
{
	struct opening opening;

	fill_opening(s, &opening);
	return opening_wants(&opening, s->step);
}
