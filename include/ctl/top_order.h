/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_TOP_ORDER_H
#define CTL_TOP_ORDER_H

/* In which order ringmainctl top shows rows: by their tables, and there by a number. */

#include <jansson.h>

#include "base/def.h"
#include "ctl/top_screen.h"

struct top_order {
	char key;
	const char *name;
	const char *of_backend, *of_session; /* the number, the largest first; NULL: as they come */
	const char *asked;                   /* of ringmain's own orders */
};

/* That of a key, or NULL; of 0 the one to begin with. */
const struct top_order *top_order_of(int key);

void top_order_apply(const struct top_order *order, json_t *rows, const struct top_table *tables,
		     size_t tables_n);

#endif
