/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_DIAL_H
#define DIAL_DIAL_H

/*
 * From a pool to a connected backend socket: chooses, connects with a
 * deadline, says what the backend is to hear first, and on failure tries
 * another backend, each once, within the pool's connect_total. No byte of the
 * client is sent before the connection stands, so a new try never repeats one.
 */

#include "session/session.h"

extern const struct phase_handlers dial_handlers;

/* A slot at a backend has become free for a session in the queue, in whatever phase it is. */
void dial_served(struct session *s);

/* Gives the session's slot at its backend back, if it holds one. */
void dial_release(struct session *s);

#endif
