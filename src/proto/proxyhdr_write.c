/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The writers. */

#include "proto/proxyhdr.h"

#include "proxyhdr_v2.h"

#include "base/crc32c.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Two addresses as they go on the wire. */
enum pair_kind { PAIR_NONE, PAIR_IN4, PAIR_IN6, PAIR_UNIX };

struct pair {
	enum pair_kind kind;
	struct addr source, destination;
};

static bool is_inet(const struct addr *addr)
{
	return addr->len > 0 && (addr_family(addr) == AF_INET || addr_family(addr) == AF_INET6);
}

static struct pair pair_of(const struct proxyhdr *hdr)
{
	struct pair pair = { PAIR_NONE, hdr->source, hdr->destination };

	if (is_inet(&pair.source) && is_inet(&pair.destination)) {
		addr_unmap(&pair.source);
		addr_unmap(&pair.destination);
		pair.kind = addr_family(&pair.source) == AF_INET &&
					    addr_family(&pair.destination) == AF_INET
				    ? PAIR_IN4
				    : PAIR_IN6;
	} else if (pair.source.len > 0 && addr_is_unix(&pair.source) && pair.destination.len > 0 &&
		   addr_is_unix(&pair.destination)) {
		pair.kind = PAIR_UNIX;
	}
	return pair;
}

/* ---- version 1 ----------------------------------------------------------- */

static void host_text(const struct addr *addr, enum pair_kind kind, char text[INET6_ADDRSTRLEN])
{
	uint8_t bytes[16] = { 0 };

	/* Always true of these families. */
	if (addr_bytes(addr, bytes))
		inet_ntop(kind == PAIR_IN4 ? AF_INET : AF_INET6,
			  bytes + (kind == PAIR_IN4 ? 12 : 0), text, INET6_ADDRSTRLEN);
}

static size_t write_v1(const struct proxyhdr *hdr, uint8_t *out, size_t max)
{
	struct pair pair = pair_of(hdr);
	char source[INET6_ADDRSTRLEN] = "", destination[INET6_ADDRSTRLEN] = "";
	char line[PROXYHDR_V1_BYTES_MAX + 1];
	int n;

	if (pair.kind == PAIR_IN4 || pair.kind == PAIR_IN6) {
		host_text(&pair.source, pair.kind, source);
		host_text(&pair.destination, pair.kind, destination);
		n = snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n",
			     pair.kind == PAIR_IN4 ? "TCP4" : "TCP6", source, destination,
			     addr_port(&pair.source), addr_port(&pair.destination));
	} else {
		n = snprintf(line, sizeof(line), "PROXY UNKNOWN\r\n");
	}
	if (n < 0 || (size_t)n >= sizeof(line) || (size_t)n > max)
		return 0;
	memcpy(out, line, (size_t)n);
	return (size_t)n;
}

/* ---- version 2 ----------------------------------------------------------- */

/* Where bytes go; once they do not fit, all that follows is dropped. */
struct writer {
	uint8_t *out;
	size_t used, max;
	bool is_over;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
	if (w->is_over || n > w->max - w->used) {
		w->is_over = true;
		return;
	}
	if (n > 0)
		memcpy(w->out + w->used, bytes, n);
	w->used += n;
}

static void put_u8(struct writer *w, unsigned value)
{
	put(w, &(uint8_t){ (uint8_t)value }, 1);
}

static void set_u16(uint8_t *out, size_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

static void put_u16(struct writer *w, size_t value)
{
	uint8_t bytes[2];

	set_u16(bytes, value);
	put(w, bytes, sizeof(bytes));
}

static void put_header_text(struct writer *w, enum v2_type type, struct proxyhdr_text text,
			    size_t max)
{
	if (!text.bytes || text.n > max)
		return;
	put_u8(w, type);
	put_u16(w, text.n);
	put(w, text.bytes, text.n);
}

static void put_host(struct writer *w, const struct addr *addr, enum pair_kind kind)
{
	uint8_t bytes[16] = { 0 };

	/* Always true of these families. */
	if (addr_bytes(addr, bytes))
		put(w, bytes + (kind == PAIR_IN4 ? 12 : 0), kind == PAIR_IN4 ? 4 : 16);
}

static void put_path(struct writer *w, const struct addr *addr)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	uint8_t path[V2_UNIX_BYTES] = { 0 };

	if (addr->len > head)
		memcpy(path, addr->un.sun_path, MIN(addr->len - head, sizeof(path)));
	put(w, path, sizeof(path));
}

static void put_addresses(struct writer *w, const struct pair *pair)
{
	switch (pair->kind) {
	case PAIR_NONE:
		break;
	case PAIR_IN4:
	case PAIR_IN6:
		put_host(w, &pair->source, pair->kind);
		put_host(w, &pair->destination, pair->kind);
		put_u16(w, addr_port(&pair->source));
		put_u16(w, addr_port(&pair->destination));
		break;
	case PAIR_UNIX:
		put_path(w, &pair->source);
		put_path(w, &pair->destination);
		break;
	}
}

static void put_tls(struct writer *w, const struct proxyhdr_tls *tls)
{
	size_t at = w->used + 1; /* of its length */
	unsigned flags = (tls->is_on ? V2_TLS_ON : 0u) | (tls->has_cert ? V2_TLS_CERT_CONN : 0u) |
			 (tls->has_cert_ever ? V2_TLS_CERT_SESS : 0u);

	if (!tls->is_said)
		return;
	put_u8(w, V2_TYPE_TLS);
	put_u16(w, 0);
	put_u8(w, flags);
	put_u16(w, 0);
	put_u16(w, tls->is_verified ? 0 : 1);
	put_header_text(w, V2_TYPE_TLS_VERSION, tls->version, PROXYHDR_TEXT_MAX);
	put_header_text(w, V2_TYPE_TLS_CN, tls->common_name, PROXYHDR_TEXT_MAX);
	put_header_text(w, V2_TYPE_TLS_CIPHER, tls->cipher, PROXYHDR_TEXT_MAX);
	if (!w->is_over)
		set_u16(w->out + at, w->used - at - 2);
}

static void put_tlvs(struct writer *w, const struct proxyhdr *hdr)
{
	put_header_text(w, V2_TYPE_ALPN, hdr->alpn, PROXYHDR_TEXT_MAX);
	put_header_text(w, V2_TYPE_AUTHORITY, hdr->authority, PROXYHDR_TEXT_MAX);
	put_header_text(w, V2_TYPE_UNIQUE_ID, hdr->unique_id, PROXYHDR_UNIQUE_ID_MAX);
	put_tls(w, &hdr->tls);
}

/* The length, and the checksum of all if there is one: its four bytes are the last. */
static void finish_header(struct writer *w, bool has_checksum)
{
	uint32_t crc;

	set_u16(w->out + V2_HEAD_BYTES - 2, w->used - V2_HEAD_BYTES);
	if (!has_checksum)
		return;
	crc = crc32c(0, w->out, w->used);
	set_u16(w->out + w->used - 4, crc >> 16);
	set_u16(w->out + w->used - 2, crc & 0xffff);
}

static size_t write_v2(const struct proxyhdr *hdr, uint8_t *out, size_t max)
{
	static const uint8_t families[] = {
		[PAIR_NONE] = V2_UNSPEC,
		[PAIR_IN4] = V2_TCP4,
		[PAIR_IN6] = V2_TCP6,
		[PAIR_UNIX] = V2_UNIX_STREAM,
	};
	struct writer w = { .out = out, .max = max };
	struct pair pair = { .kind = PAIR_NONE };

	if (!hdr->is_local)
		pair = pair_of(hdr);
	put(&w, V2_SIGNATURE, V2_SIGNATURE_BYTES);
	put_u8(&w, hdr->is_local ? V2_LOCAL : V2_PROXY);
	put_u8(&w, families[pair.kind]);
	put_u16(&w, 0);
	put_addresses(&w, &pair);
	if (!hdr->is_local)
		put_tlvs(&w, hdr);
	if (hdr->has_checksum)
		put(&w, (const uint8_t[]){ V2_TYPE_CRC32C, 0, V2_CRC_BYTES, 0, 0, 0, 0 },
		    V2_TLV_HEAD_BYTES + V2_CRC_BYTES);
	if (w.is_over)
		return 0;
	finish_header(&w, hdr->has_checksum);
	return w.used;
}

size_t proxyhdr_write(const struct proxyhdr *hdr, uint8_t *out, size_t max)
{
	return hdr->version == 1 ? write_v1(hdr, out, max) : write_v2(hdr, out, max);
}
