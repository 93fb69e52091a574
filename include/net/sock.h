/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_SOCK_H
#define NET_SOCK_H

/*
 * Sockets: open, set options, listen. Each function that can fail returns
 * -errno and names the call that failed in *ret_step, for the caller's log
 * line. File descriptors given here are the caller's to close(2).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "net/addr.h"
#include "net/sock_file.h"

/* When a peer that says nothing is asked whether it is there. Zero: the kernel's own. */
struct sock_keepalive {
	bool is_on;
	uint64_t idle_ms;     /* before the first probe; whole seconds count */
	uint64_t interval_ms; /* between two; the same */
	unsigned count;       /* unanswered ones after which it is dead */
};

/*
 * What both sides of a session want of TCP. Zero means: leave the kernel's.
 * TCP_USER_TIMEOUT is not among them: it ends healthy peers (see
 * ack_watch.h), and overrides the number of keepalive probes.
 */
struct sock_options {
	struct sock_keepalive keepalive;
	unsigned segment_bytes; /* no larger ones (TCP_MAXSEG): see sock_paced_segment() */
	bool nodelay;
	/*
	 * Whoever closes the socket resets the connection (SO_LINGER 0), be it the
	 * kernel after a crash; only sock_close_orderly() ends it. Nothing is set
	 * on a unix socket, whose family has no resets.
	 */
	bool resets;
};

/* Sets them on a TCP socket; does nothing to a unix one. */
MUST_CHECK int sock_set_options(int fd, const struct addr *addr, const struct sock_options *opts,
				const char **ret_step);

/*
 * Listening sockets for one address, one for each of @n workers, all on the
 * same port (SO_REUSEPORT), the first bound exclusively, so that an address
 * that somebody else has is -EADDRINUSE and not a silent sharing. With port 0
 * the kernel picks one for all; sock_local_addr() says which. A unix address
 * gives one socket, dup(2)ed; for its file see net/sock_file.h.
 * [::] takes IPv4 too when the address is_dual, and leaves it to others when
 * not. Options set here are inherited by the accepted sockets.
 *
 * An address that is still held by a process that was just killed is tried
 * again for up to @patience_ms, which blocks: for start-up and reload.
 */
struct sock_listen {
	struct addr addr;
	int backlog;
	unsigned patience_ms;
	bool is_joined;      /* a wildcard, beside which precise addresses will be opened */
	bool joins_wildcard; /* this is one of these, and the wildcard listens */
	bool is_free;        /* this machine need not have the address (IP_FREEBIND) */
	struct sock_options options;
	struct sock_access access;  /* of a unix socket's file */
	struct sock_file *ret_file; /* gives that file; NULL: it is never to be removed */
};

MUST_CHECK int sock_listen_many(const struct sock_listen *want, int *ret_fds, size_t n,
				const char **ret_step);

/*
 * The same of a socket that listens already, @fd, which is taken: all @n are
 * duplicates of it, and its file is somebody else's.
 */
MUST_CHECK int sock_listen_adopt(const struct sock_listen *want, int fd, int *ret_fds, size_t n,
				 const char **ret_step);

/* Lets others of ours join the port of a listening socket (SO_REUSEPORT). 0 or -errno. */
MUST_CHECK int sock_share_port(int fd);

/* The flag is of the open socket, which others may have, too. Best effort. */
void sock_set_nonblocking(int fd, bool is_nonblocking);

/* Where the socket is bound. Returns 0 or -errno. */
MUST_CHECK int sock_local_addr(int fd, struct addr *ret_addr);

/* A TCP or unix stream socket fit for connecting to @addr: close-on-exec, options set. */
MUST_CHECK int sock_dialer(const struct addr *addr, const struct sock_options *opts, int *ret_fd,
			   const char **ret_step);

/*
 * To be called before connect(2): our acknowledgement of the server's answer waits (for some
 * 40 ms), so that a reset may come in its place. Such a connection was made, and the server's
 * process never sees it. Best effort.
 */
void sock_delay_ack(int fd);

/* connect(2) to a unix address that does not wait: 0 or -errno, -EAGAIN for a full backlog. */
MUST_CHECK int sock_connect_unix(int fd, const struct addr *addr);

/*
 * Is this TCP connection, to @addr, one with itself? That is what becomes of a
 * connect to a port of this machine where nobody listens, when the kernel
 * picks that very port to connect from: both ends open at once (RFC 9293,
 * 3.5), and what is sent comes back. Costs a system call, and not even that
 * where the port is below those that the kernel picks from, as they were
 * when this was first asked (ip_local_port_range).
 */
bool sock_is_self_connected(int fd, const struct addr *addr);

/*
 * Lets the socket connect from @source, whose port should be 0: with
 * IP_BIND_ADDRESS_NO_PORT each destination has the whole range of ports.
 * @is_transparent: the address need not be this machine's (IP_TRANSPARENT,
 * wants CAP_NET_ADMIN and routing to match, see the kernel's tproxy.rst).
 */
MUST_CHECK int sock_set_source(int fd, const struct addr *source, bool is_transparent,
			       const char **ret_step);

/*
 * The kernel sends no faster than this (SO_MAX_PACING_RATE), but for the first
 * ten segments of a connection, which it never paces. 0 or -errno.
 */
MUST_CHECK int sock_set_pacing(int fd, uint64_t bytes_per_s);

/*
 * How large segments may be for ten of them to be little at this speed, to be
 * set before the connection is made: on loopback they have up to 64 kB. 0: as
 * large as may be; so fast, ten of any size are over in some milliseconds.
 */
unsigned sock_paced_segment(uint64_t bytes_per_s);

/*
 * Closes a socket with the option `resets`: the peer sees a reset, and what is
 * not sent yet is dropped. Others are closed as by close(2).
 */
void sock_close_abort(int fd);

/* Closes so that the kernel goes on delivering what was sent, and then the end of the stream. */
void sock_close_orderly(int fd);

/*
 * Closes without telling the peer, which will find out by itself some day.
 * Wants CAP_NET_ADMIN (TCP_REPAIR); without, it is sock_close_abort().
 */
void sock_close_silent(int fd);

/* Bytes that the peer's kernel may still acknowledge (SIOCOUTQ); 0 when unknown. */
int sock_unsent_bytes(int fd);

/* Reads what is there, without waiting: bytes, 0 at the end of the stream, or -errno. */
MUST_CHECK int sock_read(int fd, void *ret_bytes, size_t n);

/*
 * Has the peer ended the stream, or the connection, and is nothing left to be
 * read? Where there is, that is not known yet.
 */
bool sock_has_ended(int fd);

/*
 * A listening socket of TCP begins no more handshakes, without a word, and ends those that it has
 * begun; or begins again. 0 or -errno.
 */
MUST_CHECK int sock_ignore_syns(int fd, bool ignores);

/*
 * A listening socket of TCP leaves what begins from now on to others at its address, or to nobody,
 * and ends the handshakes that it has begun: for good. 0 or -errno.
 */
MUST_CHECK int sock_leave_syns(int fd);

/*
 * It listens no more and stays bound: listen(2) makes it listen again. Who is
 * still in its queues is reset. May be called again, also by others who have the same socket.
 */
void sock_stop_listening(int fd);

/* Bytes that came and were not received yet (SIOCINQ); 0 when unknown. */
int sock_unread_bytes(int fd);

/* The pending error of the socket (SO_ERROR), taken off: 0 or a positive errno. */
int sock_take_error(int fd);

/*
 * Is the TCP connection gone, as a reset leaves it? The end of a stream alone
 * does not make it so, unless this end has shut down too.
 */
bool sock_is_gone(int fd);

/* Has the peer ended its stream, or the connection, whatever of it is still to be read? */
bool sock_says_no_more(int fd);

#endif
