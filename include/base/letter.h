/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LETTER_H
#define BASE_LETTER_H

/* Letters beyond ASCII, and those of them that say more to a terminal than they show. */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

/*
 * How many bytes the letter beyond ASCII has that @text begins with, well-formed by table 3-7 of
 * the Unicode standard, and which it is; 0 when there is none. Looks no further than a NUL.
 */
MUST_CHECK unsigned letter_read(const char *text, uint32_t *ret_letter);

/*
 * Shows nothing itself, but what is beside it otherwise: the controls U+0080 to U+009F, which
 * terminals obey; what turns the direction of writing around, so that a name reads as another
 * one; what has no width, or breaks a line.
 */
MUST_CHECK bool letter_is_hidden(uint32_t letter);

#endif
