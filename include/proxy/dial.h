/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_DIAL_H
#define PROXY_DIAL_H

/*
 * From a pool to a connected backend socket: picks, connects with a
 * deadline, and on failure tries another backend, each once, within the
 * pool's connect_total. No byte of the client is sent before the connection
 * stands, so a new try never repeats one.
 */

#include "proxy/session.h"

/* The session enters the dialing phase; ends in session_relay() or session_close(). */
void dial_start(struct session *s);
/* The session's timer fired while dialing. */
void dial_on_deadline(struct session *s);
/* A place has become free for a session in the queue. */
void dial_called(struct session *s);
/* There may be a file again for the socket that could not be opened: see files.h. */
void dial_resume(struct session *s);
/* The session closes. */
void dial_leave_queue(struct session *s);
/* The client has ended its stream; one that waits and has said nothing is gone. */
void dial_on_client_end(struct session *s);

/* The backend's next word of a TLS handshake is there: for the engine, as greet_work(). */
void dial_work(struct session *s);

/* ---- between dial.c, dial_preamble.c and ask_around.c ---- */

/* The backend's socket is connected. Ends in dial_done() or dial_failed(). */
void dial_preamble(struct session *s);
void dial_done(struct session *s);
/* This try is over, with @err, a negative errno; -EPROTO is a failed TLS handshake. */
void dial_failed(struct session *s, int err);
/* It is over with this backend, for 0 after all went well. On to the next. */
void dial_leave(struct session *s, int err);
/* Chooses a backend and connects to it, or closes the session. */
void dial_next(struct session *s);
/* The try that goes on may take until then. */
void dial_extend(struct session *s, uint64_t until_ms);
/* Sends what waits in side.out, while dialing. */
void dial_push(struct session *s);
/* Why, in words, for the log; copied. */
void dial_note_detail(struct session *s, const char *why);
/*
 * At the beginning of each callback of the backend's ops while dialing: true
 * when the try, or the session, is over and nothing is left to do.
 */
bool dial_op_returned(struct session *s);

/*
 * The session has lasted a while: sets the socket options by which the death
 * of a silent backend is noticed. Short sessions, of which there may be many
 * in a second, are spared the calls.
 */
void dial_settle(struct session *s);

/* Gives the session's place at its backend back, if it holds one. */
void dial_release(struct session *s);

#endif
