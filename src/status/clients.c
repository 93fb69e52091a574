/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status/clients.h"

#include <string.h>
#include <sys/socket.h>

#define for_each_client(clients, c) \
	for (struct client *c = (clients)->all; c < (clients)->all + ARRAY_LEN((clients)->all); c++)

void clients_init(struct clients *clients)
{
	for_each_client(clients, c)
	{
		c->fd = -1;
	}
}

static bool is_here(const struct client *c)
{
	return c->fd >= 0 && !c->is_going;
}

static void let_go(struct client *c)
{
	c->is_going = true;
	(void)shutdown(c->fd, SHUT_RDWR);
}

/* Who comes through a unix socket has none. */
static bool is_of_one_address(const struct client *a, const struct client *b)
{
	uint8_t of_a[16], of_b[16];

	return addr_bytes(&a->addr, of_a) && addr_bytes(&b->addr, of_b) &&
	       memcmp(of_a, of_b, sizeof(of_a)) == 0;
}

static bool is_older(const struct client *c, const struct client *than)
{
	return !than || c->active_ms < than->active_ms;
}

/* @newest is one of them, and the last to go. */
static void make_room(struct clients *clients, const struct client *newest)
{
	struct client *oldest = NULL, *oldest_of_it = NULL;
	unsigned all_n = 1, of_it_n = 1;

	for_each_client(clients, c)
	{
		if (!is_here(c) || c == newest)
			continue;
		all_n++;
		if (is_older(c, oldest))
			oldest = c;
		if (!is_of_one_address(c, newest))
			continue;
		of_it_n++;
		if (is_older(c, oldest_of_it))
			oldest_of_it = c;
	}
	if (of_it_n > CLIENTS_OF_ONE_MAX)
		let_go(oldest_of_it);
	else if (all_n > CLIENTS_MAX)
		let_go(oldest);
}

struct client *clients_add(struct clients *clients, int fd, const struct addr *addr,
			   uint64_t now_ms)
{
	for_each_client(clients, c)
	{
		if (c->fd >= 0)
			continue;
		*c = (struct client){ .fd = fd, .addr = *addr, .active_ms = now_ms };
		make_room(clients, c);
		return c;
	}
	return NULL;
}

void client_remove(struct client *client)
{
	client->fd = -1;
}

void client_asks(struct client *client, uint64_t now_ms)
{
	client->is_asking = true;
	client->active_ms = now_ms;
}

void client_has_answer(struct client *client, uint64_t now_ms)
{
	client->is_asking = false;
	client->active_ms = now_ms;
}

void clients_tick(struct clients *clients, uint64_t now_ms)
{
	for_each_client(clients, c)
	{
		if (is_here(c) && !c->is_asking && now_ms - c->active_ms >= CLIENT_HEAD_MS)
			let_go(c);
	}
}

void clients_recheck(struct clients *clients, client_may_fn *may, const void *owner)
{
	for_each_client(clients, c)
	{
		if (is_here(c) && !may(owner, &c->addr))
			let_go(c);
	}
}
