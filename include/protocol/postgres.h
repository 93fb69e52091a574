/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTOCOL_POSTGRES_H
#define PROTOCOL_POSTGRES_H

/*
 * PostgreSQL (its manual, "Frontend/Backend Protocol"): requests for
 * encryption, the start-up packet, requests to cancel, and the key that a
 * server gives to a session and a cancel request names.
 */

#include "protocol/protocol.h"

extern const struct protocol protocol_postgres;

#endif
