/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_REVOCATION_LIST_H
#define X509_REVOCATION_LIST_H

/*
 * What the library does not look at in a certificate revocation list (RFC
 * 5280, 5), or has no words for. Pure; for this floor.
 */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * Why the list must not be used, in words; NULL: for nothing that is looked at here. One that
 * says that it leaves something out would let in who is revoked, and what a critical extension
 * means, also an entry's, must be known (RFC 5280, 5.2 and 5.3).
 */
const char *revocation_list_fault(const uint8_t *der, size_t bytes, time_t now);

#endif
