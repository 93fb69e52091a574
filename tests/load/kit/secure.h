/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOAD_KIT_SECURE_H
#define LOAD_KIT_SECURE_H

/*
 * The client's TLS, by OpenSSL: ringmain's own library must not judge itself.
 * All that could differ from relay to relay is fixed: one version, one cipher
 * suite (AES-128-GCM), one group (X25519 or one that is named). Whose certificate it is, nobody
 * asks; that the server has its key is proved as in every handshake.
 *
 * A flow owns one of these (flow_secure()) and goes through it instead of its
 * socket. Results are those of a non-blocking socket, and -EPROTO for what is
 * wrong with the TLS; the first such failure is told on stderr.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct secure;

/*
 * Before any other, once. @version is "1.2" or "1.3"; dies when it is neither.
 * @groups: as OpenSSL lists them; NULL: X25519.
 * @resumes: every connection shows the newest ticket that the process has got.
 */
void secure_init(const char *version, const char *groups, bool resumes);

/* Has a server given one yet? */
bool secure_has_ticket(void);

/* Gives a client's end of TLS over @fd, which stays the caller's. Nothing is sent. */
struct secure *secure_create(int fd);

/* Does what it can of the handshake: 0 when it is done, -EAGAIN or an error. */
int secure_shake(struct secure *s);

/* Bytes, 0 at the end (close_notify), or an error. @room: RECORD or more of them. */
#define SECURE_RECORD_BYTES 16384
ssize_t secure_receive(struct secure *s, uint8_t *bytes, size_t room);

/* Bytes sent, of @n; after -EAGAIN the next call must bring the same bytes, perhaps more. */
ssize_t secure_send(struct secure *s, const uint8_t *bytes, size_t n);

/* Did the last call stop because the socket was full? Else it waits for what comes. */
bool secure_wants_out(const struct secure *s);

/* After the handshake: did the server take the ticket? */
bool secure_is_resumed(const struct secure *s);

/* Takes @s; says close_notify when the handshake was done. The caller closes the socket. */
void secure_destroy(struct secure *s);

#endif
