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

/* Where it listens; fd -1: nowhere. */
struct admin_socket {
	struct addr addr;
	struct sock_file file;
	struct sock_access access;
	int fd;
};

struct admin {
	struct control_context *context;
	struct admin_socket now, next;
	struct sock_access next_access;
	bool is_mode_said; /* in the configuration */
	bool is_prepared;  /* next is another one, opened or off */
	bool is_moving;    /* to next, as soon as nobody is being accepted any more */
	struct io_op accept, cancel;
	struct timer retry;
	bool is_stopped;
	struct admin_clients clients;
};

/* ---- accepting ----------------------------------------------------------- */

static void admin_accept(struct admin *a)
{
	io_accept(a->context->loop->ring, &a->accept, a->now.fd, false);
}

static void admin_go_to_next(struct admin *a)
{
	if (a->now.fd >= 0)
		close(a->now.fd);
	a->now = a->next;
	a->is_moving = false;
	if (a->now.fd >= 0)
		admin_accept(a);
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
	if (a->is_moving)
		admin_go_to_next(a);
	else if (res < 0 && res != -EINTR && res != -ECONNABORTED)
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

static struct sock_access access_of(const struct control_config *config)
{
	struct sock_access access = config->at.access;

	if (access.mode == 0)
		access.mode = 0600;
	return access;
}

/* At addr, if that is somewhere. */
static int open_socket(struct admin_socket *s, unsigned patience_ms, const char **ret_step)
{
	const struct sock_listen wanted = {
		.addr = s->addr,
		.backlog = BACKLOG,
		.patience_ms = patience_ms,
		.access = s->access,
		.ret_file = &s->file,
	};
	int err = 0;

	s->fd = -1;
	if (s->addr.len > 0)
		err = sock_listen_many(&wanted, &s->fd, 1, ret_step);
	if (err < 0)
		s->fd = -1;
	return err;
}

static int open_first(struct admin *a, const struct control_config *config)
{
	const char *step = "path";
	int err = find_place(config, &a->now.addr);

	a->now.access = access_of(config);
	if (err == 0)
		err = open_socket(&a->now, BIND_PATIENCE_MS, &step);
	if (err < 0)
		log_failed(&a->now.addr, step, err);
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
	a->now.fd = -1;
	io_op_init(&a->accept, admin_on_accept);
	io_op_init(&a->cancel, admin_on_cancelled);
	timer_init(&a->retry, admin_on_retry);
	admin_clients_init(&a->clients, context);
	*ret_err = open_first(a, config);
	if (*ret_err == 0)
		return a;
	free(a);
	return NULL;
}

/* The one that it has, or is about to have. */
static struct admin_socket *newest_socket(struct admin *a)
{
	return a->is_moving ? &a->next : &a->now;
}

bool admin_is_on(struct admin *a)
{
	return newest_socket(a)->fd >= 0;
}

/* ---- another one --------------------------------------------------------- */

static bool is_same_place(const struct addr *a, const struct addr *b)
{
	return a->len == 0 || b->len == 0 ? a->len == b->len : addr_is_equal(a, b);
}

int admin_prepare(struct admin *a, const struct control_config *config, struct addr *ret_addr,
		  const char **ret_step)
{
	int err;

	*ret_step = "path";
	err = find_place(config, ret_addr);
	a->next_access = access_of(config);
	a->is_mode_said = config->at.access.mode != 0;
	if (err < 0 || (is_same_place(ret_addr, &newest_socket(a)->addr) &&
			!sock_file_is_gone(ret_addr, &newest_socket(a)->file)))
		return err;
	*ret_step = "accept";
	if (a->is_moving)
		return -EBUSY;
	a->next = (struct admin_socket){ .addr = *ret_addr, .access = a->next_access };
	err = open_socket(&a->next, 0, ret_step);
	a->is_prepared = err == 0;
	return err;
}

void admin_abandon(struct admin *a)
{
	if (!a->is_prepared)
		return;
	a->is_prepared = false;
	sock_file_remove(&a->next.addr, &a->next.file);
	if (a->next.fd >= 0)
		close(a->next.fd);
}

/* What the file says is so afterwards; what it leaves open may have been changed by hand. */
static void change_access(struct admin_socket *s, const struct sock_access *access, bool is_said)
{
	int err = 0;

	if (s->fd >= 0 && (is_said || !sock_access_is_equal(&s->access, access)))
		err = sock_file_change(&s->addr, &s->file, access);
	if (err < 0)
		log_say(LOG_WARN, "%s: who may connect is as before: %s", s->addr.un.sun_path,
			strerror(-err));
	s->access = *access;
}

void admin_commit(struct admin *a)
{
	struct loop *loop = a->context->loop;

	if (!a->is_prepared) {
		change_access(newest_socket(a), &a->next_access, a->is_mode_said);
		return;
	}
	a->is_prepared = false;
	a->is_moving = true;
	sock_file_remove(&a->now.addr, &a->now.file);
	timer_stop(&loop->timers, &a->retry);
	if (!a->accept.in_kernel)
		admin_go_to_next(a);
	else if (!a->cancel.in_kernel)
		io_cancel(loop->ring, &a->cancel, &a->accept);
}

/* ---- its life ------------------------------------------------------------ */

void admin_start(struct admin *a)
{
	if (a->now.fd >= 0)
		admin_accept(a);
}

/* Where the longer name does not fit, it is gone. */
void admin_make_way(struct admin *a)
{
	char text[ADDR_TEXT_BYTES + sizeof(".draining")];
	struct admin_socket *s = newest_socket(a);
	struct addr other;

	if (s->fd < 0)
		return;
	snprintf(text, sizeof(text), "unix:%s.draining", s->addr.un.sun_path);
	if (!addr_parse(text, &other) || rename(s->addr.un.sun_path, other.un.sun_path) < 0) {
		sock_file_remove(&s->addr, &s->file);
		return;
	}
	s->addr = other;
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
	admin_abandon(a);
	for (struct admin_socket *s = newest_socket(a); s; s = s == &a->next ? &a->now : NULL) {
		sock_file_remove(&s->addr, &s->file);
		if (s->fd >= 0)
			close(s->fd);
	}
	free(a);
}
