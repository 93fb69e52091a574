/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The readers. Version 1 is a line, decoded only once its end is there. */

#include "proto/proxyhdr.h"

#include "proxyhdr_v2.h"

#include "base/crc32c.h"
#include "proto/big_endian.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

static_assert(PROXYHDR_TEXT_MAX <= UINT16_MAX, "lengths of texts fit");

#define V1_SIGNATURE "PROXY "
#define V1_SIGNATURE_BYTES 6u

static enum parse proxyhdr_bad(struct proxyhdr *hdr, enum proxyhdr_fault fault)
{
	hdr->fault = fault;
	return PARSE_BAD;
}

const char *proxyhdr_fault_text(enum proxyhdr_fault fault)
{
	static const char *const texts[PROXYHDR_FAULTS] = {
		[PROXYHDR_FINE] = "fine",
		[PROXYHDR_SIGNATURE] = "no PROXY header",
		[PROXYHDR_LINE_LENGTH] = "no end of line within 107 bytes",
		[PROXYHDR_LINE_END] = "the line does not end with CR and LF",
		[PROXYHDR_LINE_FAMILY] = "neither TCP4, TCP6 nor UNKNOWN",
		[PROXYHDR_LINE_ADDRESS] = "not two addresses of its family",
		[PROXYHDR_LINE_PORT] = "not two ports at the end of the line",
		[PROXYHDR_VERSION] = "neither version 1 nor 2",
		[PROXYHDR_COMMAND] = "neither LOCAL nor PROXY",
		[PROXYHDR_FAMILY] = "unknown address family or transport",
		[PROXYHDR_TOO_LONG] = "longer than 8192 bytes",
		[PROXYHDR_TOO_SHORT] = "too short for its addresses",
		[PROXYHDR_TLV_OVERRUN] = "a TLV goes beyond the header",
		[PROXYHDR_TLV_LENGTH] = "a TLV of impossible length",
		[PROXYHDR_CHECKSUM] = "wrong checksum",
	};

	static_assert(PROXYHDR_BYTES_MAX == 8192, "so says the text");
	return fault < PROXYHDR_FAULTS ? texts[fault] : "?";
}

/* ---- version 1 ----------------------------------------------------------- */

/* The part of a line that is still to be read. */
struct line {
	const char *at, *end;
};

/* Takes @word, which must be all up to a space or the end of the line. */
static bool take_word(struct line *line, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(line->end - line->at) < n || memcmp(line->at, word, n) != 0)
		return false;
	if (line->at + n < line->end && line->at[n] != ' ')
		return false;
	line->at += n;
	return true;
}

/* Takes one space and what follows up to the next one or the end, as a C string. */
static bool take_token(struct line *line, char *ret_token, size_t max)
{
	size_t n = 0;

	if (line->at == line->end || *line->at != ' ')
		return false;
	line->at++;
	while (line->at + n < line->end && line->at[n] != ' ')
		n++;
	if (n == 0 || n >= max || memchr(line->at, '\0', n))
		return false;
	memcpy(ret_token, line->at, n);
	ret_token[n] = '\0';
	line->at += n;
	return true;
}

static void set_in4(struct addr *addr, const void *host, uint16_t port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	memcpy(&in4.sin_addr, host, sizeof(in4.sin_addr));
	addr_from_sockaddr(addr, (const struct sockaddr *)&in4, sizeof(in4));
}

static void set_in6(struct addr *addr, const void *host, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memcpy(&in6.sin6_addr, host, sizeof(in6.sin6_addr));
	addr_from_sockaddr(addr, (const struct sockaddr *)&in6, sizeof(in6));
	addr_unmap(addr);
}

/* inet_pton(3) wants dotted quads without leading zeroes and knows no zones: just so. */
static bool take_host(struct line *line, bool is_tcp6, struct addr *ret_addr)
{
	char token[INET6_ADDRSTRLEN];
	uint8_t host[16];

	if (!take_token(line, token, sizeof(token)))
		return false;
	if (inet_pton(AF_INET, token, host) == 1)
		set_in4(ret_addr, host, 0);
	else if (is_tcp6 && inet_pton(AF_INET6, token, host) == 1)
		set_in6(ret_addr, host, 0);
	else
		return false;
	return true;
}

/* Digits only, no leading zeroes. */
static bool take_port(struct line *line, struct addr *addr)
{
	char token[sizeof("65535")];
	unsigned port = 0;

	if (!take_token(line, token, sizeof(token)) || (token[0] == '0' && token[1]))
		return false;
	for (const char *p = token; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		port = 10 * port + (unsigned)(*p - '0');
	}
	if (port > UINT16_MAX)
		return false;
	addr_set_port(addr, (uint16_t)port);
	return true;
}

static enum parse read_v1_line(struct proxyhdr *hdr, struct line line)
{
	bool is_tcp6 = false;

	if (take_word(&line, "UNKNOWN")) {
		hdr->is_local = true; /* whatever else the line says */
		return PARSE_DONE;
	}
	if (take_word(&line, "TCP6"))
		is_tcp6 = true;
	else if (!take_word(&line, "TCP4"))
		return proxyhdr_bad(hdr, PROXYHDR_LINE_FAMILY);
	if (!take_host(&line, is_tcp6, &hdr->source) ||
	    !take_host(&line, is_tcp6, &hdr->destination))
		return proxyhdr_bad(hdr, PROXYHDR_LINE_ADDRESS);
	if (!take_port(&line, &hdr->source) || !take_port(&line, &hdr->destination) ||
	    line.at < line.end)
		return proxyhdr_bad(hdr, PROXYHDR_LINE_PORT);
	return PARSE_DONE;
}

static enum parse read_header_v1(struct proxyhdr *hdr, const uint8_t *bytes, size_t n)
{
	size_t seen = MIN(n, PROXYHDR_V1_BYTES_MAX);
	const uint8_t *lf = memchr(bytes, '\n', seen);
	const uint8_t *cr = memchr(bytes, '\r', seen);

	hdr->version = 1;
	if (lf && (!cr || cr + 1 != lf))
		return proxyhdr_bad(hdr, PROXYHDR_LINE_END);
	if (cr && cr + 1 < bytes + seen && cr[1] != '\n')
		return proxyhdr_bad(hdr, PROXYHDR_LINE_END);
	if (!lf)
		return n < PROXYHDR_V1_BYTES_MAX ? PARSE_MORE
						 : proxyhdr_bad(hdr, PROXYHDR_LINE_LENGTH);
	hdr->bytes = (size_t)(lf + 1 - bytes);
	return read_v1_line(hdr, (struct line){ (const char *)bytes + V1_SIGNATURE_BYTES,
						(const char *)cr });
}

/* ---- version 2 ----------------------------------------------------------- */

static unsigned get_u16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

/* Bytes of both addresses; -1 for a family that is none. */
static int address_bytes(uint8_t family)
{
	switch (family) {
	case V2_UNSPEC:
		return 0;
	case V2_TCP4:
	case V2_UDP4:
		return 2 * (4 + 2);
	case V2_TCP6:
	case V2_UDP6:
		return 2 * (16 + 2);
	case V2_UNIX_STREAM:
	case V2_UNIX_DGRAM:
		return 2 * (int)V2_UNIX_BYTES;
	default:
		return -1;
	}
}

/* Says what is wrong with the 16 bytes before the addresses, or with as many as there are. */
static enum proxyhdr_fault proxyhdr_head_fault(const uint8_t *bytes, size_t n)
{
	bool is_local = n > 12 && bytes[12] == V2_LOCAL;
	unsigned length;

	if (n > 12 && bytes[12] >> 4 != V2_PROXY >> 4)
		return PROXYHDR_VERSION;
	if (n > 12 && bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY)
		return PROXYHDR_COMMAND;
	/* LOCAL: "the family, which is ignored". */
	if (n > 13 && !is_local && address_bytes(bytes[13]) < 0)
		return PROXYHDR_FAMILY;
	if (n < V2_HEAD_BYTES)
		return PROXYHDR_FINE;
	length = get_u16(bytes + 14);
	if (V2_HEAD_BYTES + length > PROXYHDR_BYTES_MAX)
		return PROXYHDR_TOO_LONG;
	if (!is_local && length < (unsigned)address_bytes(bytes[13]))
		return PROXYHDR_TOO_SHORT;
	return PROXYHDR_FINE;
}

/* A path ends at its first zero; one that begins with zero is an abstract name, or none. */
static void set_unix(struct addr *addr, const uint8_t path[V2_UNIX_BYTES])
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	bool is_abstract = path[0] == '\0';
	size_t n = is_abstract;

	static_assert(sizeof(un.sun_path) == V2_UNIX_BYTES, "paths are of one size");
	while (n < V2_UNIX_BYTES && path[n])
		n++;
	if (is_abstract && n == 1)
		n = 0;
	memcpy(un.sun_path, path, n);
	if (!is_abstract && n < V2_UNIX_BYTES)
		n++; /* with its NUL, as the kernel gives it */
	addr_from_sockaddr(addr, (const struct sockaddr *)&un,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

static void read_addresses(struct proxyhdr *hdr, uint8_t family, const uint8_t *at)
{
	switch (family) {
	case V2_TCP4:
		set_in4(&hdr->source, at, (uint16_t)get_u16(at + 8));
		set_in4(&hdr->destination, at + 4, (uint16_t)get_u16(at + 10));
		break;
	case V2_TCP6:
		set_in6(&hdr->source, at, (uint16_t)get_u16(at + 32));
		set_in6(&hdr->destination, at + 16, (uint16_t)get_u16(at + 34));
		break;
	case V2_UNIX_STREAM:
		set_unix(&hdr->source, at);
		set_unix(&hdr->destination, at + V2_UNIX_BYTES);
		break;
	default: /* datagrams: no address of this connection */
		break;
	}
}

/* Bytes still to be read as TLVs, and one of them. */
struct tlvs {
	const uint8_t *at, *end;
	uint8_t type;
	struct proxyhdr_text value;
};

/* DONE: there is one; MORE: there is none left. */
static enum parse next_tlv(struct tlvs *tlvs)
{
	size_t left = (size_t)(tlvs->end - tlvs->at);

	if (left == 0)
		return PARSE_MORE;
	if (left < V2_TLV_HEAD_BYTES || left - V2_TLV_HEAD_BYTES < get_u16(tlvs->at + 1))
		return PARSE_BAD;
	tlvs->type = tlvs->at[0];
	tlvs->value.n = (uint16_t)get_u16(tlvs->at + 1);
	tlvs->value.bytes = tlvs->at + V2_TLV_HEAD_BYTES;
	tlvs->at = tlvs->value.bytes + tlvs->value.n;
	return PARSE_DONE;
}

/* The first of its kind counts. */
static enum proxyhdr_fault proxyhdr_keep(struct proxyhdr_text *text, struct proxyhdr_text value,
					 size_t max)
{
	if (value.n > max)
		return PROXYHDR_TLV_LENGTH;
	if (!text->bytes)
		*text = value;
	return PROXYHDR_FINE;
}

static enum proxyhdr_fault read_tls(struct proxyhdr_tls *tls, struct proxyhdr_text value)
{
	struct tlvs tlvs = { .at = value.bytes + V2_TLS_HEAD_BYTES, .end = value.bytes + value.n };
	enum proxyhdr_fault fault = PROXYHDR_FINE;
	enum parse answer;

	if (value.n < V2_TLS_HEAD_BYTES)
		return PROXYHDR_TLV_LENGTH;
	tls->is_said = true;
	tls->is_on = value.bytes[0] & V2_TLS_ON;
	tls->has_cert = value.bytes[0] & V2_TLS_CERT_CONN;
	tls->has_cert_ever = value.bytes[0] & V2_TLS_CERT_SESS;
	tls->is_verified = tls->has_cert_ever && be32_read(value.bytes + 1) == 0;
	while (fault == PROXYHDR_FINE && (answer = next_tlv(&tlvs)) != PARSE_MORE) {
		if (answer == PARSE_BAD)
			return PROXYHDR_TLV_OVERRUN;
		if (tlvs.type == V2_TYPE_TLS_VERSION)
			fault = proxyhdr_keep(&tls->version, tlvs.value, PROXYHDR_TEXT_MAX);
		else if (tlvs.type == V2_TYPE_TLS_CIPHER)
			fault = proxyhdr_keep(&tls->cipher, tlvs.value, PROXYHDR_TEXT_MAX);
		else if (tlvs.type == V2_TYPE_TLS_CN)
			fault = proxyhdr_keep(&tls->common_name, tlvs.value, PROXYHDR_TEXT_MAX);
	}
	return fault;
}

/* Over the whole header, with zeroes in the place of the checksum. */
static enum proxyhdr_fault read_checksum(struct proxyhdr *hdr, const uint8_t *bytes,
					 struct proxyhdr_text value)
{
	static const uint8_t zeroes[V2_CRC_BYTES];
	const uint8_t *after = value.bytes + V2_CRC_BYTES;
	uint32_t crc;

	if (value.n != V2_CRC_BYTES || hdr->has_checksum)
		return PROXYHDR_TLV_LENGTH;
	crc = crc32c(0, bytes, (size_t)(value.bytes - bytes));
	crc = crc32c(crc, zeroes, V2_CRC_BYTES);
	crc = crc32c(crc, after, (size_t)(bytes + hdr->bytes - after));
	hdr->has_checksum = true;
	return crc == be32_read(value.bytes) ? PROXYHDR_FINE : PROXYHDR_CHECKSUM;
}

static enum proxyhdr_fault read_tlv(struct proxyhdr *hdr, const uint8_t *bytes, uint8_t type,
				    struct proxyhdr_text value)
{
	switch (type) {
	case V2_TYPE_ALPN:
		return proxyhdr_keep(&hdr->alpn, value, PROXYHDR_TEXT_MAX);
	case V2_TYPE_AUTHORITY:
		return proxyhdr_keep(&hdr->authority, value, PROXYHDR_TEXT_MAX);
	case V2_TYPE_UNIQUE_ID:
		return proxyhdr_keep(&hdr->unique_id, value, PROXYHDR_UNIQUE_ID_MAX);
	case V2_TYPE_CRC32C:
		return read_checksum(hdr, bytes, value);
	case V2_TYPE_TLS:
		return hdr->tls.is_said ? PROXYHDR_FINE : read_tls(&hdr->tls, value);
	default: /* NOOP, network namespace, and what others have made up */
		return PROXYHDR_FINE;
	}
}

/* Says nothing of anybody, so it may hold anything; but a checksum in it must be right. */
static enum parse read_unspecified(struct proxyhdr *hdr, const uint8_t *bytes)
{
	struct tlvs tlvs = { .at = bytes + V2_HEAD_BYTES, .end = bytes + hdr->bytes };

	while (next_tlv(&tlvs) == PARSE_DONE) {
		if (tlvs.type == V2_TYPE_CRC32C &&
		    read_checksum(hdr, bytes, tlvs.value) == PROXYHDR_CHECKSUM)
			return proxyhdr_bad(hdr, PROXYHDR_CHECKSUM);
	}
	return PARSE_DONE;
}

static enum parse read_header_v2(struct proxyhdr *hdr, const uint8_t *bytes, size_t n)
{
	enum proxyhdr_fault fault = proxyhdr_head_fault(bytes, n);
	struct tlvs tlvs;
	enum parse answer;

	hdr->version = 2;
	if (fault != PROXYHDR_FINE)
		return proxyhdr_bad(hdr, fault);
	if (n < V2_HEAD_BYTES)
		return PARSE_MORE;
	hdr->bytes = V2_HEAD_BYTES + get_u16(bytes + 14);
	if (n < hdr->bytes)
		return PARSE_MORE;
	hdr->is_local = bytes[12] == V2_LOCAL || bytes[13] == V2_UNSPEC;
	if (bytes[12] == V2_LOCAL)
		return PARSE_DONE;
	if (hdr->is_local)
		return read_unspecified(hdr, bytes);

	read_addresses(hdr, bytes[13], bytes + V2_HEAD_BYTES);
	tlvs = (struct tlvs){ .at = bytes + V2_HEAD_BYTES + address_bytes(bytes[13]),
			      .end = bytes + hdr->bytes };
	while ((answer = next_tlv(&tlvs)) == PARSE_DONE) {
		fault = read_tlv(hdr, bytes, tlvs.type, tlvs.value);
		if (fault != PROXYHDR_FINE)
			return proxyhdr_bad(hdr, fault);
	}
	return answer == PARSE_BAD ? proxyhdr_bad(hdr, PROXYHDR_TLV_OVERRUN) : PARSE_DONE;
}

/* ---- either -------------------------------------------------------------- */

static bool begins_like_proxy(const uint8_t *bytes, size_t n, const char *signature, size_t length)
{
	return memcmp(bytes, signature, MIN(n, length)) == 0;
}

enum parse proxyhdr_read(struct proxyhdr *ret_hdr, const uint8_t *bytes, size_t n)
{
	struct proxyhdr hdr = { 0 };
	enum parse answer;

	if (n == 0)
		return PARSE_MORE;
	if (begins_like_proxy(bytes, n, V1_SIGNATURE, V1_SIGNATURE_BYTES))
		answer = n < V1_SIGNATURE_BYTES ? PARSE_MORE : read_header_v1(&hdr, bytes, n);
	else if (begins_like_proxy(bytes, n, V2_SIGNATURE, V2_SIGNATURE_BYTES))
		answer = n < V2_SIGNATURE_BYTES ? PARSE_MORE : read_header_v2(&hdr, bytes, n);
	else
		answer = proxyhdr_bad(&hdr, PROXYHDR_SIGNATURE);
	if (answer == PARSE_DONE)
		*ret_hdr = hdr;
	else if (answer == PARSE_BAD)
		ret_hdr->fault = hdr.fault;
	return answer;
}
