/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H

/*
 * The TLS library itself. The main thread starts it before anything else of
 * this floor is used and stops it at the end.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

/* Returns 0 or -EIO. Every start needs its stop. */
MUST_CHECK int tls_library_start(void);
void tls_library_stop(void);

/* Gives back what the library keeps for the calling thread; call at the end of each worker. */
void tls_library_leave_thread(void);

/* "wolfSSL 5.7.2". */
const char *tls_library_version(void);

/*
 * Was the library built with this processor's instructions for cryptography,
 * as ours is? Without, TLS is tens of times slower.
 */
bool tls_library_is_fast(void);

/* What a library that is not ours costs, to be said by -V, -t and at start-up; NULL: it is ours. */
const char *tls_library_cost(void);

/* Does the processor have instructions for AES? Without, ChaCha20 goes first. */
bool tls_cpu_has_aes(void);

/* The longest ticket that the library can look at when a client offers it. */
size_t tls_library_ticket_bytes_max(void);

/*
 * Does it take the messages of TLS 1.2 in their order alone? One that does not lets everybody in
 * with the certificate of whom he likes (CVE-2026-2645).
 */
bool tls_library_keeps_order(void);

#endif
