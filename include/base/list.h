/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LIST_H
#define BASE_LIST_H

/*
 * A doubly linked ring of nodes embedded in whatever is listed. An empty
 * list, and a node that is on no list, points to itself; both must be set up
 * with list_init(). Nothing is allocated; the owner of a node keeps it.
 */

#include <stdbool.h>

#include "base/def.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts @node, which is on no list, before @at: at the end when @at is the head. */
static inline void list_append(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

/* Takes @node off its list; harmless when it is on none. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Gives the first node, taken off, or NULL when the list is empty. */
static inline struct list *list_take_first(struct list *l)
{
	struct list *first = l->next;

	if (first == l)
		return NULL;
	list_remove(first);
	return first;
}

/* Moves all nodes of @from to the empty list @to, in order. */
static inline void list_move_all(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

#endif
