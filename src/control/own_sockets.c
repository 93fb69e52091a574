/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control/own_sockets.h"

#include <errno.h>
#include <string.h>

#include "admin/context.h"
#include "config/directive.h"
#include "config/late_diag.h"
#include "io/loop.h"

/* How soon after a move it is looked whether the kernel has given everything back. */
#define RETIRE_MS 10

static struct runtime *runtime_of(const struct own_sockets *own)
{
	return own->context->runtime;
}

/* ---- another one --------------------------------------------------------- */

/* Which one it is, for whom, and who is told if it cannot be had. */
struct wanted {
	const struct global_config *then;
	struct reload_report *report;
	const char *key;
};

static void cannot_listen(const struct wanted *w, const struct addr *addr, const char *step,
			  int err)
{
	char text[ADDR_TEXT_BYTES];

	late_diag_error(directive_location(w->then->set_at, SECTION_GLOBAL, w->key), report_line,
			w->report, "[global] %s: cannot listen on %s: %s: %s", w->key,
			addr_format(addr, text), step, strerror(-err));
}

static bool prepare_admin(struct own_sockets *own, const struct global_config *then,
			  struct reload_report *report)
{
	const struct wanted wanted = { then, report, "control" };
	const char *step;
	struct addr addr;
	int err = admin_prepare(own->admin, &then->control, &addr, &step);

	if (err < 0)
		cannot_listen(&wanted, &addr, step, err);
	return err == 0;
}

static bool prepare_status(struct own_sockets *own, const struct global_config *global,
			   struct reload_report *report)
{
	const struct wanted wanted = { global, report, "status" };
	const struct status_config *then = &global->status;
	int err = -EBUSY;

	if (status_is_at(own->status, then))
		return true;
	if (!own->old)
		own->next = status_create(then, own->context, &err);
	if (own->next && !status_is_waiting(own->next))
		return true;
	cannot_listen(&wanted, &then->at.addrs[0], "bind", own->next ? -EADDRINUSE : err);
	status_destroy(own->next);
	own->next = NULL;
	return false;
}

bool own_sockets_prepare(struct own_sockets *own, const struct global_config *then,
			 struct reload_report *report)
{
	const bool has_admin = prepare_admin(own, then, report);
	const bool has_status = prepare_status(own, then, report);

	if (!has_admin || !has_status)
		own_sockets_abandon(own);
	return has_admin && has_status;
}

static void on_retire(struct timer *timer)
{
	struct own_sockets *own = container_of(timer, struct own_sockets, retire);
	struct loop *loop = own->context->loop;

	if (!status_is_idle(own->old)) {
		timer_set(&loop->timers, timer, loop->now_ms + RETIRE_MS);
		return;
	}
	status_destroy(own->old);
	own->old = NULL;
}

static void move_status(struct own_sockets *own)
{
	struct loop *loop = own->context->loop;

	own->old = own->status;
	own->status = own->next;
	own->next = NULL;
	status_start(own->status);
	status_stop(own->old);
	timer_set(&loop->timers, &own->retire, loop->now_ms + 1);
}

void own_sockets_commit(struct own_sockets *own)
{
	const struct global_config *now = &runtime_config(runtime_of(own))->global;

	admin_commit(own->admin);
	if (admin_is_on(own->admin))
		runtime_of(own)->needs_clients = true;
	if (own->next)
		move_status(own);
	else
		status_set_access(own->status, &now->status.at.access);
}

void own_sockets_abandon(struct own_sockets *own)
{
	admin_abandon(own->admin);
	status_destroy(own->next);
	own->next = NULL;
}

/* ---- their life ---------------------------------------------------------- */

int own_sockets_open(struct own_sockets *own, struct control_context *context,
		     const char **ret_step)
{
	const struct global_config *global = &runtime_config(context->runtime)->global;
	int err;

	*own = (struct own_sockets){ .context = context };
	timer_init(&own->retire, on_retire);
	*ret_step = "control";
	own->admin = admin_create(&global->control, context, &err);
	if (!own->admin)
		return err;
	*ret_step = "status";
	own->status = status_create(&global->status, context, &err);
	if (!own->status) {
		admin_destroy(own->admin);
		return err;
	}
	if (admin_is_on(own->admin))
		context->runtime->needs_clients = true;
	return 0;
}

void own_sockets_start(struct own_sockets *own)
{
	admin_start(own->admin);
	status_start(own->status);
}

void own_sockets_stop(struct own_sockets *own)
{
	admin_stop(own->admin);
	status_stop(own->status);
}

bool own_sockets_are_idle(const struct own_sockets *own)
{
	return admin_is_idle(own->admin) && status_is_idle(own->status) &&
	       (!own->old || status_is_idle(own->old));
}

void own_sockets_close(struct own_sockets *own)
{
	timer_stop(&own->context->loop->timers, &own->retire);
	status_destroy(own->old);
	status_destroy(own->status);
	admin_destroy(own->admin);
}
