/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "admin/admin_client.h"
#include "io/loop.h"
#include "net/sock.h"

#define BACKLOG 64

/* Two processes may use the same path one after the other. */
#define BIND_PATIENCE_MS 2000

/* After an accept that failed, for want of files. */
#define ACCEPT_PAUSE_MS 200

struct admin {
	struct control_context *context;
	struct addr addr;
	struct sock_file file;
	int fd; /* -1: it is off */
	struct io_op accept, cancel;
	struct timer retry;
	bool is_stopped;
	struct admin_clients clients;
};

/* ---- accepting ----------------------------------------------------------- */

static void admin_accept(struct admin *a)
{
	io_accept(a->context->loop->ring, &a->accept, a->fd, false);
}

static void admin_on_retry(struct timer *timer)
{
	admin_accept(container_of(timer, struct admin, retry));
}

static void admin_on_accept(struct io_op *op, int res, unsigned flags)
{
	struct admin *a = container_of(op, struct admin, accept);
	struct loop *loop = a->context->loop;

	(void)flags;
	if (res >= 0 && !a->is_stopped)
		admin_clients_add(&a->clients, res);
	else if (res >= 0)
		close(res);
	if (a->is_stopped)
		return;
	if (res < 0 && res != -EINTR && res != -ECONNABORTED)
		timer_set(&loop->timers, &a->retry, loop->now_ms + ACCEPT_PAUSE_MS);
	else
		admin_accept(a);
}

static void admin_on_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)op;
	(void)res;
	(void)flags;
}

/* ---- the socket ---------------------------------------------------------- */

/* Where it is to be; len 0: nowhere. -ENAMETOOLONG when RUNTIME_DIRECTORY is. */
static int find_place(const struct control_config *config, struct addr *ret_addr)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");
	char text[ADDR_TEXT_BYTES];
	int n;

	*ret_addr = (struct addr){ 0 };
	if (config->is_off || (!config->at.spec.host[0] && (!dir || !dir[0])))
		return 0;
	if (config->at.spec.host[0])
		n = snprintf(text, sizeof(text), "unix:%s", config->at.spec.host);
	else /* there may be several, with colons between */
		n = snprintf(text, sizeof(text), "unix:%.*s/control.sock", (int)strcspn(dir, ":"),
			     dir);
	return (size_t)n < sizeof(text) && addr_parse(text, ret_addr) ? 0 : -ENAMETOOLONG;
}

static void log_failed(const struct addr *addr, const char *step, int err)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, "cannot listen"))
		return;
	log_text(&line, "section", "global");
	log_text(&line, "directive", "control");
	log_text(&line, "addr", addr_format(addr, text));
	log_text(&line, "call", step);
	log_errno(&line, "error", err);
	log_end(&line);
}

static int open_socket(struct admin *a, const struct control_config *config)
{
	struct sock_listen wanted = {
		.backlog = BACKLOG,
		.patience_ms = BIND_PATIENCE_MS,
		.access = config->at.access,
		.ret_file = &a->file,
	};
	const char *step = "path";
	int err = find_place(config, &a->addr);

	if (err == 0 && a->addr.len == 0)
		return 0;
	if (wanted.access.mode == 0)
		wanted.access.mode = 0600;
	wanted.addr = a->addr;
	if (err == 0)
		err = sock_listen_many(&wanted, &a->fd, 1, &step);
	if (err < 0) {
		a->fd = -1;
		log_failed(&a->addr, step, err);
	}
	return err;
}

struct admin *admin_create(const struct control_config *config, struct control_context *context,
			   int *ret_err)
{
	struct admin *a = calloc(1, sizeof(*a));

	*ret_err = -ENOMEM;
	if (!a)
		return NULL;
	a->context = context;
	a->fd = -1;
	io_op_init(&a->accept, admin_on_accept);
	io_op_init(&a->cancel, admin_on_cancelled);
	timer_init(&a->retry, admin_on_retry);
	admin_clients_init(&a->clients, context);
	*ret_err = open_socket(a, config);
	if (*ret_err == 0)
		return a;
	free(a);
	return NULL;
}

bool admin_is_on(const struct admin *a)
{
	return a->fd >= 0;
}

void admin_start(struct admin *a)
{
	if (a->fd >= 0)
		admin_accept(a);
}

/* Where the longer name does not fit, it is gone. */
void admin_make_way(struct admin *a)
{
	char text[ADDR_TEXT_BYTES + sizeof(".draining")];
	struct addr other;

	if (a->fd < 0)
		return;
	snprintf(text, sizeof(text), "unix:%s.draining", a->addr.un.sun_path);
	if (!addr_parse(text, &other) || rename(a->addr.un.sun_path, other.un.sun_path) < 0) {
		sock_file_remove(&a->addr, &a->file);
		return;
	}
	a->addr = other;
}

void admin_stop(struct admin *a)
{
	struct loop *loop = a->context->loop;

	a->is_stopped = true;
	timer_stop(&loop->timers, &a->retry);
	if (a->accept.in_kernel && !a->cancel.in_kernel)
		io_cancel(loop->ring, &a->cancel, &a->accept);
	admin_clients_stop(&a->clients);
}

bool admin_is_idle(const struct admin *a)
{
	return !a->accept.in_kernel && !a->cancel.in_kernel && list_is_empty(&a->clients.all);
}

void admin_destroy(struct admin *a)
{
	if (!a)
		return;
	sock_file_remove(&a->addr, &a->file);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}
