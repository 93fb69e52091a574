/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/admin_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "admin/command.h"
#include "io/loop.h"

/* Lines of one client in one turn of the loop: others want their turn, too. */
#define LINES_PER_TURN 16

/* Of one client: a line that is coming in, and the answer to the one before. */
struct admin_client {
	struct list node;
	struct admin_clients *clients;
	int fd;
	struct io_op readable, writable;
	struct io_op cancel_readable, cancel_writable;
	struct timer turn; /* for lines that are left over for the next turn */
	struct reply reply;
	struct call call;
	size_t in_n;
	bool has_ended; /* its stream: it says nothing more, and may still read */
	bool is_closing;
	bool is_going_on; /* client_go_on() has it, and sees for itself what is new */
	char in[REQUEST_BYTES_MAX];
};

static void client_go_on(struct admin_client *c);

static struct loop *loop_of(const struct admin_client *c)
{
	return c->clients->context->loop;
}

/* ---- the end ------------------------------------------------------------- */

static bool client_is_idle(const struct admin_client *c)
{
	return !c->readable.in_kernel && !c->writable.in_kernel && !c->cancel_readable.in_kernel &&
	       !c->cancel_writable.in_kernel;
}

static void client_free_if_idle(struct admin_client *c)
{
	if (!c->is_closing || !client_is_idle(c))
		return;
	list_remove(&c->node);
	c->clients->n--;
	close(c->fd);
	reply_finish(&c->reply);
	free(c);
}

static void client_cancel(struct admin_client *c, struct io_op *op, struct io_op *cancel)
{
	if (op->in_kernel && !cancel->in_kernel)
		io_cancel(loop_of(c)->ring, cancel, op);
}

/* The client may be gone afterwards. */
static void client_close(struct admin_client *c)
{
	if (!c->is_closing) {
		c->is_closing = true;
		timer_stop(&loop_of(c)->timers, &c->turn);
		call_abandon(&c->call);
		client_cancel(c, &c->readable, &c->cancel_readable);
		client_cancel(c, &c->writable, &c->cancel_writable);
	}
	client_free_if_idle(c);
}

static void client_on_cancelled_readable(struct io_op *op, int res, unsigned flags)
{
	(void)res;
	(void)flags;
	client_free_if_idle(container_of(op, struct admin_client, cancel_readable));
}

static void client_on_cancelled_writable(struct io_op *op, int res, unsigned flags)
{
	(void)res;
	(void)flags;
	client_free_if_idle(container_of(op, struct admin_client, cancel_writable));
}

/* ---- out ----------------------------------------------------------------- */

/* False when the client is not there any more. */
static bool client_send(struct admin_client *c)
{
	while (reply_waiting(&c->reply) > 0 && !c->writable.in_kernel) {
		ssize_t n = send(c->fd, c->reply.bytes + c->reply.start, reply_waiting(&c->reply),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n < 0)
			io_poll(loop_of(c)->ring, &c->writable, c->fd, POLLOUT);
		else
			reply_sent(&c->reply, (size_t)n);
	}
	return true;
}

static void client_on_writable(struct io_op *op, int res, unsigned flags)
{
	struct admin_client *c = container_of(op, struct admin_client, writable);

	(void)flags;
	if (c->is_closing || res < 0)
		client_close(c);
	else
		client_go_on(c);
}

/* ---- in ------------------------------------------------------------------ */

static bool client_may_read(const struct admin_client *c)
{
	return !c->has_ended && c->in_n < sizeof(c->in);
}

/* False when the client is not there any more. */
static bool client_receive(struct admin_client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_n, sizeof(c->in) - c->in_n, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->has_ended = n == 0;
	c->in_n += (size_t)n;
	return true;
}

static void client_on_readable(struct io_op *op, int res, unsigned flags)
{
	struct admin_client *c = container_of(op, struct admin_client, readable);

	(void)flags;
	if (c->is_closing || res < 0 || !client_receive(c)) {
		client_close(c);
		return;
	}
	list_remove(&c->node);
	list_append(&c->clients->all, &c->node);
	client_go_on(c);
}

static void client_on_turn(struct timer *timer)
{
	client_go_on(container_of(timer, struct admin_client, turn));
}

/* ---- commands ------------------------------------------------------------ */

static void client_go_on_later(struct admin_client *c)
{
	if (!timer_is_set(&c->turn))
		timer_set(&loop_of(c)->timers, &c->turn, loop_of(c)->now_ms + 1);
}

/* Sends nothing and frees no client: callers hold one. */
static void client_on_wrote(struct call *call)
{
	struct admin_client *c = container_of(call, struct admin_client, call);

	if (!c->is_going_on && !c->is_closing)
		client_go_on_later(c);
}

/* @n: of the line; its newline may be missing at the end of the stream. */
static void client_take_line(struct admin_client *c, size_t n)
{
	const size_t all = MIN(n + 1, c->in_n);
	char line[REQUEST_BYTES_MAX];

	memcpy(line, c->in, n);
	c->in_n -= all;
	memmove(c->in, c->in + all, c->in_n);
	call_begin(&c->call, line, n);
}

/* A line that is longer than all there is room for: what comes behind it cannot be known. */
static void client_refuse_line(struct admin_client *c)
{
	reply_fail(&c->reply, REPLY_USAGE, NULL, "a line has more than %d bytes",
		   REQUEST_BYTES_MAX - 1);
	c->in_n = 0;
	c->has_ended = true;
}

/*
 * It says no more, and may still read an answer that goes on; is it there at all? The ring cannot
 * wait for that: its polls end with the stream.
 */
static bool client_is_gone(const struct admin_client *c)
{
	struct pollfd look = { .fd = c->fd };

	return c->has_ended && poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR));
}

/* Its last line may lack a newline. Of one that was cut off in the middle of it that is no line. */
static bool client_has_said_last(const struct admin_client *c)
{
	return c->has_ended && c->in_n > 0 && !client_is_gone(c);
}

/* False when there is nothing more to begin now. */
static bool client_run_line(struct admin_client *c)
{
	const char *newline = memchr(c->in, '\n', c->in_n);

	if (!c->call.is_over || reply_waiting(&c->reply) > 0)
		return false;
	if (newline)
		client_take_line(c, (size_t)(newline - c->in));
	else if (c->in_n == sizeof(c->in))
		client_refuse_line(c);
	else if (client_has_said_last(c))
		client_take_line(c, c->in_n);
	else
		return false;
	return true;
}

/* Has it said and heard all? */
static bool client_is_done(const struct admin_client *c)
{
	return c->has_ended && c->call.is_over && reply_waiting(&c->reply) == 0 && c->in_n == 0;
}

/* Sends what waits, begins what it may, and waits for what comes next. May free the client. */
static void client_go_on(struct admin_client *c)
{
	bool is_there = client_send(c), has_more = true;

	c->is_going_on = true;
	for (int n = 0; is_there && has_more && n < LINES_PER_TURN; n++) {
		has_more = client_run_line(c);
		is_there = client_send(c);
	}
	c->is_going_on = false;
	if (!is_there || client_is_done(c) || client_is_gone(c)) {
		client_close(c);
		return;
	}
	if (has_more)
		client_go_on_later(c);
	if (!c->readable.in_kernel && client_may_read(c))
		io_poll(loop_of(c)->ring, &c->readable, c->fd, POLLIN | POLLRDHUP);
}

/* ---- clients ------------------------------------------------------------- */

void admin_clients_init(struct admin_clients *clients, struct control_context *context)
{
	*clients = (struct admin_clients){ .context = context };
	list_init(&clients->all);
}

/* The one that has been silent longest and waits for nothing, or else the one silent longest. */
static void evict(struct admin_clients *clients)
{
	struct admin_client *victim = NULL;

	list_for_each(node, &clients->all) {
		struct admin_client *c = container_of(node, struct admin_client, node);

		if (c->is_closing)
			continue;
		victim = victim ? victim : c;
		if (c->call.is_over && reply_waiting(&c->reply) == 0) {
			victim = c;
			break;
		}
	}
	if (victim)
		client_close(victim);
}

void admin_clients_add(struct admin_clients *clients, int fd)
{
	struct admin_client *c = calloc(1, sizeof(*c));
	socklen_t n = sizeof(c->call.peer);

	if (!c) {
		close(fd);
		return;
	}
	if (clients->n >= ADMIN_CLIENTS_MAX)
		evict(clients);
	c->clients = clients;
	c->fd = fd;
	io_op_init(&c->readable, client_on_readable);
	io_op_init(&c->writable, client_on_writable);
	io_op_init(&c->cancel_readable, client_on_cancelled_readable);
	io_op_init(&c->cancel_writable, client_on_cancelled_writable);
	timer_init(&c->turn, client_on_turn);
	reply_init(&c->reply, &clients->reply_bytes);
	c->call.context = clients->context;
	c->call.reply = &c->reply;
	c->call.wrote = client_on_wrote;
	c->call.is_over = true;
	(void)!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->call.peer, &n);
	list_append(&clients->all, &c->node);
	clients->n++;
	client_go_on(c);
}

/* An answer that has just become ready is not lost, if there is room for it. */
static void client_say_last(struct admin_client *c)
{
	if (!c->is_closing && c->call.is_over)
		(void)!client_send(c);
}

void admin_clients_stop(struct admin_clients *clients)
{
	struct list *next;

	for (struct list *node = clients->all.next; node != &clients->all; node = next) {
		next = node->next;
		client_say_last(container_of(node, struct admin_client, node));
		client_close(container_of(node, struct admin_client, node));
	}
}
