/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "simulation.h"

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

static struct peer *sender_of(struct simulation *sim, const struct peer *p)
{
	assert_true(p->from < sim->peers_n);
	return &sim->peers[p->from];
}

/* The backend was told who the client is. */
static void check_source(const struct simulation *sim, const struct peer *client,
			 const struct peer *backend)
{
	char told[ADDR_TEXT_BYTES], right[ADDR_TEXT_BYTES];
	struct addr own = client->wire->source;

	if (sim->proxy_out == 0 || (sim->is_unix && own.len == 0))
		return;
	if (own.len == 0)
		assert_int_equal(sock_local_addr(client->fd, &own), 0);
	assert_string_equal(addr_format(&backend->wire->source, told), addr_format(&own, right));
}

static void match_peers(struct simulation *sim, struct peer *p, struct peer *sender)
{
	assert_int_not_equal(sender->is_client, p->is_client);
	if (!p->other)
		p->other = sender;
	assert_ptr_equal(p->other, sender);
	if (!sender->other)
		sender->other = p;
	assert_ptr_equal(sender->other, p);
	if (!p->is_client && sender->fd >= 0)
		check_source(sim, sender, p);
}

/* An idle session of PostgreSQL ends with words: an error, and Terminate to the backend. */
static bool is_parted(const struct simulation *sim, struct peer *p, char first)
{
	if (p->came == 0 && !sim->is_gentle && p->wire->way->is_postgres)
		p->is_parted |= first == (p->is_client ? 'E' : 'X');
	return p->is_parted;
}

/* Whose bytes they are is in the first of them; the two stay together. */
static void check_bytes(struct simulation *sim, struct peer *p, const char *bytes, size_t n)
{
	static char right[1 << 16];

	if (is_parted(sim, p, bytes[0]))
		return;
	for (size_t i = 0; i < n && p->came + i < HEAD_BYTES; i++)
		p->from |= (uint32_t)(unsigned char)bytes[i] << 8 * (p->came + i);
	if (p->came + n >= HEAD_BYTES) {
		if (!p->other || p->came < HEAD_BYTES)
			match_peers(sim, p, sender_of(sim, p));
		fill(right, n, p->from, p->came);
		assert_memory_equal(bytes, right, n);
	}
	p->came += n;
	if (p->other)
		assert_true(p->came <= p->other->sent);
}

/* A unix socket knows no resets: there an end may be one. */
static void check_end(const struct simulation *sim, const struct peer *p)
{
	if ((sim->is_unix && !sim->is_gentle) || p->wire->is_cancel || p->is_parted)
		return;
	if (!p->other) {
		assert_true(p->came < HEAD_BYTES);
		return;
	}
	assert_true(p->other->has_ended);
	assert_int_equal(p->came, p->other->sent);
}

/* ---- what peers do ------------------------------------------------------- */

static struct peer *add_peer(struct simulation *sim, int fd, bool is_client)
{
	struct peer *p = &sim->peers[sim->peers_n++];

	assert_true(sim->peers_n <= PEERS_MAX);
	*p = (struct peer){ .fd = fd, .is_client = is_client };
	p->wire = wire_create(fd, is_client, &sim->ways[is_client ? 0 : 1]);
	p->wire->key.process = sim->peers_n;
	memcpy(p->wire->key.secret, "key!", 4);
	return p;
}

void peers_finish(struct simulation *sim)
{
	for (unsigned n = 0; n < sim->peers_n; n++)
		wire_destroy(sim->peers[n].wire);
}

void peer_sends(struct simulation *sim, struct peer *p)
{
	static char bytes[1 << 16];
	size_t n = one_in(sim, 3) ? 1 + below(sim, sizeof(bytes)) : 1 + below(sim, 2000);
	long took;

	wire_pump(p->wire);
	if (p->has_ended || p->wire->is_cancel || (sim->is_tight && p->sent > TIGHT_SENT_MAX))
		return;
	fill(bytes, n, (uint32_t)(p - sim->peers), p->sent);
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

void peer_reads(struct simulation *sim, struct peer *p, size_t most)
{
	static char bytes[1 << 16];
	long n = wire_read(p->wire, bytes, MIN(most, sizeof(bytes)));

	if (n > 0)
		check_bytes(sim, p, bytes, (size_t)n);
	p->has_died |= n < 0 && n != -EAGAIN;
	if (n == 0 && !p->has_seen_end && !p->has_died) {
		check_end(sim, p);
		p->has_seen_end = true;
	}
	if (sim->is_gentle && p->has_died && !peer_was_asked_to_cancel(p))
		fail_msg("peer %td: %s; %s", p - sim->peers, strerrorname_np(-(int)n),
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
static void peer_leaves(struct simulation *sim, struct peer *p)
{
	if (!p->wire->tls)
		p->has_ended = true;
	if (one_in(sim, 2))
		bed_reset(sim->st, p->fd);
	else
		bed_close(sim->st, p->fd);
	p->fd = -1;
}

void a_peer_does_something(struct simulation *sim)
{
	struct peer *p;

	if (sim->peers_n == 0)
		return;
	p = &sim->peers[below(sim, sim->peers_n)];
	if (p->fd < 0)
		return;
	switch (below(sim, 40)) {
	case 0:
		peer_ends(p);
		break;
	case 1:
		if (!sim->is_gentle)
			peer_leaves(sim, p);
		break;
	default:
		if (one_in(sim, 2))
			peer_sends(sim, p);
		else
			peer_reads(sim, p, 1 + below(sim, 1 << 16));
	}
}

/* Windows are to hold several segments. */
void make_tight(const struct simulation *sim, int fd)
{
	const int bytes = TIGHT_BYTES, segment = 1000;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	if (!sim->is_unix)
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

void a_client_comes(struct simulation *sim)
{
	struct peer *p;

	if (sim->peers_n >= PEERS_MAX / 2 || sim->clients_max == 0 || !may_clients_come(sim))
		return;
	sim->clients_max--;
	p = add_peer(sim, bed_client(sim->st), true);
	if (sim->is_tight)
		make_tight(sim, p->fd);
	if (sim->ways[0].proxy > 0)
		p->wire->source = claimed_source(sim->peers_n);
	if (sim->ways[0].is_postgres && one_in(sim, 6)) {
		p->wire->is_cancel = true;
		p->wire->is_in_clear = sim->is_through;
		p->wire->key.process = 1 + below(sim, sim->peers_n);
	}
}

void backends_accept(struct simulation *sim)
{
	for (unsigned n = 0; n < sim->st->servers_n; n++) {
		int fd = sim->st->servers[n] >= 0 ? bed_accept_at(sim->st, n) : -1;

		if (fd >= 0)
			add_peer(sim, fd, false);
	}
}
