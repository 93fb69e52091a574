/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_ERROR_TEXT_H
#define X509_ERROR_TEXT_H

/*
 * The library's codes and the protocol's alerts in words that an operator can
 * use. Texts are constant. For this floor.
 */

#include <stdint.h>

#include "proto/tlsrec.h"

/* "unknown CA" for one of the library's error codes. */
const char *error_text_of_code(int code);

/* What to tell the peer of a code that the library has told it nothing of. */
enum tlsrec_alert error_alert_of_code(int code);

/* "certificate expired" for an alert that the peer sent. */
const char *error_text_of_alert(int alert);

/* "TLS 1.0" for a version's number on the wire. */
const char *error_text_of_version(uint16_t version);

#endif
