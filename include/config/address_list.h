/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_ADDRESS_LIST_H
#define CONFIG_ADDRESS_LIST_H

/*
 * Addresses in a file of their own, one to a line, which a value names:
 *
 *	allow = file:/etc/ringmain/office.list
 *
 * They are read as words of the value, each with its own place in messages.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"
#include "config/setting.h"

#define ADDRESS_LIST_MAX 65536u /* of one file: each new connection may be compared with all */

typedef void address_list_fn(const struct setting *entry, void *section);

/* Is this word the name of a file? */
MUST_CHECK bool address_list_is_named(const struct setting *word);

/*
 * Calls @read for each address in the file that @word names, in order. Keeps
 * the file's name in @lists. Reports what cannot be read, and a file without
 * an address unless it @may_be_empty.
 */
void address_list_read(const struct setting *word, struct address_lists *lists, bool may_be_empty,
		       address_list_fn *read, void *section);

/* Where an entry stands: in a file of its own, or with the directive. */
struct list_origin address_list_origin(const struct setting *entry);

/* What came from there must not be asked for its origin afterwards. */
void address_lists_release(struct address_lists *lists);

#endif
