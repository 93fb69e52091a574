/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/introduce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/sock.h"
#include "proto/proxyhdr.h"
#include "proxy/admission.h"
#include "proxy/crypt.h"
#include "proxy/engine.h"
#include "proxy/facts.h"
#include "proxy/greet.h"
#include "proxy/side.h"
#include "tls/stream.h"

#define UNIQUE_ID_BYTES 40

bool introduce_is_trusted(const struct session *s)
{
	const struct listener_config *config = s->listener->config;

	struct addr peer;

	addr_lengthen(&peer, &s->client);
	if (addr_is_unix(&peer))
		return true; /* the socket file's owner and mode say who may connect */
	for (size_t n = 0; n < config->proxy_from_n; n++)
		if (addr_block_has(&config->proxy_from[n], &peer))
			return true;
	return false;
}

/* ---- in ------------------------------------------------------------------ */

static bool believe(struct session *s, const struct proxyhdr *hdr)
{
	struct facts *facts;

	if (hdr->is_local)
		return true;
	facts = facts_of(s);
	if (!facts)
		return false;
	if (hdr->source.len > 0)
		addr_shorten(&s->client, &hdr->source);
	facts->destination = hdr->destination;
	return true;
}

/* Rules and limits are about the client, not about the proxy in front of it. */
static bool is_admitted(struct session *s)
{
	enum admission answer;
	struct addr client;

	if (!admission_asks(s->listener))
		return true;
	addr_lengthen(&client, &s->client);
	answer = admission_ask(s->engine, s->listener, &client, &s->source);
	if (answer == ADMISSION_GRANTED)
		return true;
	s->detail = admission_names[answer];
	s->sides[SIDE_CLIENT].is_forgotten = admission_is_silent(s->listener, answer);
	session_close(s, CLOSE_REFUSED, BY_RINGMAIN);
	return false;
}

enum parse introduce_greet(struct session *s)
{
	const uint8_t *bytes = (const uint8_t *)s->first->bytes + s->first->start;
	struct proxyhdr hdr;
	enum parse parsed = proxyhdr_read(&hdr, bytes, buf_filled(s->first));

	if (parsed == PARSE_MORE)
		return parsed;
	if (parsed == PARSE_BAD) {
		greet_refuse(s, CLOSE_BAD_GREETING, proxyhdr_fault_text(hdr.fault));
		return parsed;
	}
	if (!believe(s, &hdr)) {
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
		return PARSE_BAD;
	}
	greet_consume(s, hdr.bytes);
	if (!is_admitted(s))
		return PARSE_BAD;
	greet_next(s);
	return PARSE_DONE;
}

/* ---- out ----------------------------------------------------------------- */

static struct proxyhdr_text text_of(const char *text)
{
	return (struct proxyhdr_text){
		.bytes = text[0] ? (const uint8_t *)text : NULL,
		.n = (uint16_t)strlen(text),
	};
}

static void add_facts(struct proxyhdr *hdr, const struct facts *facts)
{
	hdr->alpn = text_of(facts->alpn);
	hdr->authority = text_of(facts->sni);
	if (!facts->version)
		return;
	hdr->tls = (struct proxyhdr_tls){
		.is_said = true,
		.is_on = true,
		.has_cert = facts->has_certificate,
		.has_cert_ever = facts->has_certificate,
		.is_verified = facts->has_certificate,
		.version = text_of(facts->version),
		.cipher = text_of(facts->openssl_cipher),
		.common_name = text_of(facts->client_name),
	};
}

static void destination_of(struct session *s, struct addr *ret_addr)
{
	*ret_addr = (struct addr){ 0 };
	if (s->facts && s->facts->destination.len > 0)
		*ret_addr = s->facts->destination;
	else
		(void)!sock_local_addr(s->sides[SIDE_CLIENT].fd, ret_addr);
}

int introduce_client(struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);
	struct proxyhdr hdr = {
		.version = pool->send_proxy == PROXY_V1 ? 1 : 2,
		.is_local = s->client.len == 0,
	};
	uint8_t bytes[PROXYHDR_WRITE_BYTES_MAX];
	char id[UNIQUE_ID_BYTES];
	size_t n;

	addr_lengthen(&hdr.source, &s->client);
	destination_of(s, &hdr.destination);
	if (pool->has_proxy_tlvs) {
		snprintf(id, sizeof(id), "%llx-%llx", (unsigned long long)s->engine->epoch,
			 (unsigned long long)s->id);
		hdr.unique_id = text_of(id);
		hdr.has_checksum = true;
		if (s->facts)
			add_facts(&hdr, s->facts);
	}
	n = proxyhdr_write(&hdr, bytes, sizeof(bytes));
	CHECK(n > 0);
	s->introduced_left = (uint16_t)n;
	return crypt_send(&s->sides[SIDE_BACKEND], bytes, n);
}

void introduce_check(int fd, const struct pool_config *config)
{
	struct proxyhdr hdr = {
		.version = config->send_proxy == PROXY_V1 ? 1 : 2,
		.is_local = true,
	};
	uint8_t bytes[PROXYHDR_WRITE_BYTES_MAX];
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	size_t n;

	(void)!sock_local_addr(fd, &hdr.source);
	if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0)
		addr_from_sockaddr(&hdr.destination, (struct sockaddr *)&peer, len);
	n = proxyhdr_write(&hdr, bytes, sizeof(bytes));
	(void)!send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL); /* the first bytes always fit */
}
