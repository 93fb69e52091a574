/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_CLIENTS_H
#define STATUS_CLIENTS_H

/*
 * Who is connected to the status page: so many, of which one address may have
 * a part. Where there is one too many, who has asked nothing for the longest
 * time is let go, not who has just come: a health script is always answered.
 * To be let go is to have the connection shut down; the library then finds its
 * end, and forgets it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "net/addr.h"

#define CLIENTS_MAX 256
#define CLIENTS_OF_ONE_MAX 128
/* The library is to take so many more, until it finds that the others have been let go. */
#define CLIENTS_GOING_MAX 64

/* For a request's head, from the connection or the answer before on. */
#define CLIENT_HEAD_MS 10000

struct client {
	int fd; /* borrowed from the library; -1: nobody is here */
	struct addr addr;
	uint64_t active_ms; /* when it came, asked, or had its answer */
	bool is_asking;     /* its head is whole; it has not had all of its answer */
	bool is_going;
};

struct clients {
	struct client all[CLIENTS_MAX + CLIENTS_GOING_MAX];
};

typedef bool client_may_fn(const void *owner, const struct addr *addr);

void clients_init(struct clients *clients);
/* Somebody has come; another one may have to go. NULL: there is no room at all. */
struct client *clients_add(struct clients *clients, int fd, const struct addr *addr,
			   uint64_t now_ms);
/* The connection is about to be closed. */
void client_remove(struct client *client);
void client_asks(struct client *client, uint64_t now_ms);
void client_has_answer(struct client *client, uint64_t now_ms);

/* Lets those go that have taken too long for a head. */
void clients_tick(struct clients *clients, uint64_t now_ms);
/* Lets those go that may not ask any more. */
void clients_recheck(struct clients *clients, client_may_fn *may, const void *owner);

#endif
