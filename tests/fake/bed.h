/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_BED_H
#define FAKE_BED_H

/*
 * A test bed: engines on the fake ring, with one listener and one pool of backends, and
 * real sockets on loopback at both ends, so that what shutdown(2), close(2),
 * splice(2) and SO_LINGER do can be seen where it matters: at the peers.
 *
 *	client (peer fd) -- listener -- session -- backend (peer fd)
 *
 * Nothing happens by itself: completions come by bed_run() or, one by one,
 * from fake_ring.h; time passes by bed_pass(). Trouble of the bed itself
 * ends the program; what a test expects, it asserts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_ring.h"
#include "session/exit.h"
#include "worker/engine.h"

#define BED_BACKENDS_MAX 8
#define BED_WORKERS_MAX 4
#define BED_PEERS_MAX 4096

/* Zero means: one, one, 64, 64, nothing more, TCP. */
struct bed_options {
	unsigned workers;
	unsigned backends;
	unsigned buffers; /* of each worker */
	unsigned sessions_max;
	const char *listener_keys; /* lines of the configuration, beside bind and pool */
	const char *pool_keys;
	const char *backend_keys;              /* behind each backend's address */
	const char *listener_name, *pool_name; /* l, p */
	unsigned absent;                       /* bits: servers that are no backends */
	unsigned turned; /* bK is the server number K + turned, after the last comes the first */
	bool is_unix;    /* clients and backends */
	bool without_credit;
	bool without_pipes;
};

struct bed {
	struct config *config; /* the newest */
	struct tls_contexts *tls;
	struct runtime *runtime;
	struct engine engines[BED_WORKERS_MAX];
	unsigned workers_n;
	bool is_up[BED_WORKERS_MAX];
	struct addr addr; /* of the listener */
	struct addr server_addrs[BED_BACKENDS_MAX];
	int servers[BED_BACKENDS_MAX]; /* the backends' listening sockets; -1: closed */
	unsigned servers_n;
	int inbox_fds[BED_WORKERS_MAX]; /* the ends that are written to */
	uint64_t now_ms;
	unsigned fds_before;
	int log_fd;
	int peers[BED_PEERS_MAX]; /* that the test holds */
	unsigned peers_n;
};

/* A session and the other ends of its two sockets. */
struct pair {
	struct session *s;
	int client, backend;
};

struct bed *bed_create(const struct bed_options *options);
/* Ends what still runs and gives NULL, or in a static text what did not come back. */
const char *bed_destroy(struct bed *st);

static inline struct engine *bed_engine(struct bed *st)
{
	return &st->engines[0];
}

/* ---- another configuration (bed_reload.c) ------------------------------ */

/* Reads the file that @options stand for, and takes certificates along of the one there is. */
void bed_load(const struct bed *st, const struct bed_options *options, struct config **ret_config,
	      struct tls_contexts **ret_tls);
/* May there be one now? Workers have passed to the last one. */
bool bed_may_reload(const struct bed *st);
/* As the main thread does it; @options have the number of servers, and TCP or not, as before. */
void bed_reload(struct bed *st, const struct bed_options *options);
/* What older configurations have left behind is freed. Gives whether all has been. */
bool bed_collect(struct bed *st);
/* Of the newest configuration. */
struct listener *bed_listener(const struct bed *st);
struct pool *bed_pool(const struct bed *st);

/* ---- what happens -------------------------------------------------------- */

/* Lets requests complete and turns end, at this moment, until all wait for something. */
void bed_run(struct bed *st);
/* The end of a turn alone: timers, sides that wait for a buffer, reaping. */
void bed_turn(struct bed *st);
/* Then @ms later, as one turn. */
void bed_pass(struct bed *st, uint64_t ms);
/*
 * bed_run() and a little real time, with as much of the bed's, again and
 * again, up to a second, until @cond.
 */
#define bed_run_until(st, cond)                                                   \
	do {                                                                      \
		for (int bed_tries = 0; !(cond) && bed_tries < 1000; bed_tries++) \
			bed_run_for_a_moment(st);                                 \
	} while (0)
void bed_run_for_a_moment(struct bed *st);

/* ---- sessions ------------------------------------------------------------ */

/* A client that has connected to the listener; nothing was accepted yet. */
int bed_client(struct bed *st);
/* Accepts at the backend's end; -1: there is nobody. */
int bed_accept_at(struct bed *st, unsigned backend);
/* The backend does not listen any more, and refuses. */
void bed_stop_server(struct bed *st, unsigned backend);

/* Nothing but the accept has happened: the session dials. backend is -1. */
struct pair bed_dialing(struct bed *st);
/* The session relays; nothing was sent yet. */
struct pair bed_relaying(struct bed *st);

/* The one that began last and is not over, of any worker; or NULL. */
struct session *bed_newest(struct bed *st);
unsigned bed_sessions(const struct bed *st);
struct backend *bed_backend(struct bed *st, unsigned n);
uint64_t bed_ended(const struct bed *st, enum close_reason why);
/* Open descriptors that the engines and the bed hold, without the peers. */
unsigned bed_fds(const struct bed *st);
/* All that was logged since the last call; valid until then. */
const char *bed_log(struct bed *st);

/* ---- the peers ----------------------------------------------------------- */

/* Remembers a descriptor of the test's, to be closed with the bed. */
int bed_keep(struct bed *st, int fd);
/* Closes a peer cleanly, or with a reset. */
void bed_close(struct bed *st, int fd);
void bed_reset(struct bed *st, int fd);

/* Sends all of it; whoever tests with more than the kernel takes, sends by himself. */
void peer_send(int fd, const void *bytes, size_t n);
/* What is there, without waiting: bytes, 0 at the end of the stream, or -errno. */
long peer_recv(int fd, void *ret_bytes, size_t n);

/* A stream of bytes that tells every offset: byte @at of stream number @seed. */
unsigned char stream_byte(uint64_t seed, uint64_t at);
void stream_fill(void *ret_bytes, size_t n, uint64_t seed, uint64_t at);
/* Sends of the stream what the kernel takes, at most @n; gives how many, 0 for none. */
size_t stream_send(int fd, uint64_t seed, uint64_t at, size_t n);
/*
 * Reads what is there, at most @n, and counts it in *at: true when all of it
 * is the stream's. *ret_end is what peer_recv() said last: 0, or -errno.
 */
bool stream_recv(int fd, uint64_t seed, uint64_t *at, size_t n, long *ret_end);

#endif
