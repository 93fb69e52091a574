/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_ALERT_H
#define TLS_ALERT_H

/* The one thing that is said in the library's place. For this floor. */

#include <stdbool.h>

#include "proto/tlsrec.h"

struct WOLFSSL;

/* Sends a fatal alert with what keys there are. False: this library offers no way to. */
bool alert_send(struct WOLFSSL *ssl, enum tlsrec_alert alert);

#endif
