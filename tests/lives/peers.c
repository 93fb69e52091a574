/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "life.h"

#include <netinet/tcp.h>

#include "net/sock.h"

/* What fits into a tight socket, and what is sent through it in all: it takes its time. */
#define TIGHT_BYTES 8192
#define TIGHT_SENT_MAX (128 * 1024)

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

/* The backend was told who the client is. */
static void check_source(const struct life *l, const struct peer *client,
			 const struct peer *backend)
{
	char told[ADDR_TEXT_BYTES], right[ADDR_TEXT_BYTES];
	struct addr own = client->wire->source;

	if (l->proxy_out == 0 || (l->is_unix && own.len == 0))
		return;
	if (own.len == 0)
		assert_int_equal(sock_local_addr(client->fd, &own), 0);
	assert_string_equal(addr_format(&backend->wire->source, told), addr_format(&own, right));
}

static void pair(struct life *l, struct peer *p, struct peer *sender)
{
	assert_int_not_equal(sender->is_client, p->is_client);
	if (!p->other)
		p->other = sender;
	assert_ptr_equal(p->other, sender);
	if (!sender->other)
		sender->other = p;
	assert_ptr_equal(sender->other, p);
	if (!p->is_client && sender->fd >= 0)
		check_source(l, sender, p);
}

/* Whose bytes they are is in the first of them; the two stay together. */
static void check_bytes(struct life *l, struct peer *p, const char *bytes, size_t n)
{
	static char right[1 << 16];

	for (size_t i = 0; i < n && p->came + i < HEAD_BYTES; i++)
		p->from |= (uint32_t)(unsigned char)bytes[i] << 8 * (p->came + i);
	if (p->came + n >= HEAD_BYTES) {
		if (!p->other || p->came < HEAD_BYTES)
			pair(l, p, sender_of(l, p));
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
	if ((l->is_unix && !l->is_gentle) || p->wire->is_cancel)
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
	p->wire = wire_create(fd, is_client, &l->ways[is_client ? 0 : 1]);
	p->wire->key.process = l->peers_n;
	memcpy(p->wire->key.secret, "key!", 4);
	return p;
}

void peers_finish(struct life *l)
{
	for (unsigned n = 0; n < l->peers_n; n++)
		wire_destroy(l->peers[n].wire);
}

void peer_sends(struct life *l, struct peer *p)
{
	static char bytes[1 << 16];
	size_t n = one_in(l, 3) ? 1 + below(l, sizeof(bytes)) : 1 + below(l, 2000);
	long took;

	wire_pump(p->wire);
	if (p->has_ended || p->wire->is_cancel || (l->is_tight && p->sent > TIGHT_SENT_MAX))
		return;
	fill(bytes, n, (uint32_t)(p - l->peers), p->sent);
	took = wire_write(p->wire, bytes, n);
	if (took > 0)
		p->sent += (uint64_t)took;
	p->has_died |= took < 0; /* a receive will not tell it again */
}

/* Once it has hung up nobody cares how the connection ends. */
bool peer_was_asked_to_cancel(const struct peer *p)
{
	return p->wire->is_cancel && !p->is_client;
}

void peer_reads(struct life *l, struct peer *p, size_t most)
{
	static char bytes[1 << 16];
	long n = wire_read(p->wire, bytes, MIN(most, sizeof(bytes)));

	if (n > 0)
		check_bytes(l, p, bytes, (size_t)n);
	p->has_died |= n < 0 && n != -EAGAIN;
	if (n == 0 && !p->has_seen_end && !p->has_died) {
		check_end(l, p);
		p->has_seen_end = true;
	}
	if (l->is_gentle && p->has_died && !peer_was_asked_to_cancel(p))
		fail_msg("peer %td: %s; %s", p - l->peers, strerrorname_np(-(int)n),
			 p->wire->tls ? tls_stream_reason(p->wire->tls) : "");
}

void peer_ends(struct peer *p)
{
	if (!wire_has_begun(p->wire) || p->has_ended)
		return;
	p->has_ended = true;
	wire_end(p->wire);
}

/* In TLS a connection that ends without a word is no end of the stream. */
static void peer_leaves(struct life *l, struct peer *p)
{
	if (!p->wire->tls)
		p->has_ended = true;
	if (one_in(l, 2))
		stage_reset(l->st, p->fd);
	else
		stage_close(l->st, p->fd);
	p->fd = -1;
}

void a_peer_does_something(struct life *l)
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

/* Windows are to hold several segments. */
void make_tight(const struct life *l, int fd)
{
	const int bytes = TIGHT_BYTES, segment = 1000;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	if (!l->is_unix)
		assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment)),
				 0);
}

struct addr claimed_source(unsigned number)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(0x0a000001 + number % 4),
				  .sin_port = htons((uint16_t)(1024 + number)) };
	struct addr addr;

	addr_from_sockaddr(&addr, (struct sockaddr *)&in, sizeof(in));
	return addr;
}

void a_client_comes(struct life *l)
{
	struct peer *p;

	if (l->peers_n >= PEERS_MAX / 2 || l->clients_max == 0 || l->is_stopped)
		return;
	l->clients_max--;
	p = add_peer(l, stage_client(l->st), true);
	if (l->is_tight)
		make_tight(l, p->fd);
	if (l->ways[0].proxy > 0)
		p->wire->source = claimed_source(l->peers_n);
	if (l->ways[0].is_postgres && one_in(l, 6)) {
		p->wire->is_cancel = true;
		p->wire->is_in_clear = l->is_through;
		p->wire->key.process = 1 + below(l, l->peers_n);
	}
}

void backends_accept(struct life *l)
{
	for (unsigned n = 0; n < l->st->servers_n; n++) {
		int fd = l->st->servers[n] >= 0 ? stage_accept_at(l->st, n) : -1;

		if (fd >= 0)
			add_peer(l, fd, false);
	}
}
