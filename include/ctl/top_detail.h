/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_TOP_DETAIL_H
#define CTL_TOP_DETAIL_H

/* All that is known of a row, in a sentence, for ringmainctl top. */

#include <jansson.h>

#define TOP_DETAIL_BYTES 800

/* "": there is nothing to say. */
void top_detail_write(const json_t *row, char detail[TOP_DETAIL_BYTES]);
/* What needs attention, the gravest with two marks. */
void top_detail_note(const json_t *row, char text[TOP_DETAIL_BYTES]);

#endif
