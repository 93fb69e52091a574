/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_QUOTE_H
#define BASE_QUOTE_H

/*
 * Texts that clients and backends send, made harmless for a log or a status page: bytes
 * that would break out of their place, control a terminal or are no UTF-8 are
 * escaped, as are letters that show nothing themselves (base/letter.h).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

#define QUOTE_ROOM_MIN 2 /* two quotes */

/*
 * Write @text as a JSON string (RFC 8259), as a label of Prometheus, or as a
 * logfmt value, which has quotes only when it needs them. They write at most @room bytes, no less
 * than QUOTE_ROOM_MIN, and no NUL; return how many, and set *ret_is_cut when
 * the text did not fit whole, which otherwise they leave alone.
 *
 * A byte that is no UTF-8 becomes \xNN in logfmt and labels, and \u00NN in JSON; a letter that
 * shows nothing the same, byte by byte, and its number in JSON.
 */
size_t quote_json(char *at, size_t room, const char *text, bool *ret_is_cut);
size_t quote_label(char *at, size_t room, const char *text, bool *ret_is_cut);
size_t quote_logfmt(char *at, size_t room, const char *text, bool *ret_is_cut);
/* As logfmt, in quotes whether it needs them or not. */
size_t quote_always(char *at, size_t room, const char *text, bool *ret_is_cut);

#endif
