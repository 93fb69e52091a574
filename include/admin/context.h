/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_CONTEXT_H
#define ADMIN_CONTEXT_H

/* What commands work on: the main thread's. */

#include <stdbool.h>
#include <stddef.h>

#include "admin/drain.h"
#include "admin/overrides.h"
#include "admin/walk.h"

struct call;
struct command;
struct loop;
struct reload;
struct runtime;
struct sockets;

struct control_context {
	const struct command *commands; /* all there are */
	void (*const *runs)(struct call *call);
	size_t commands_n;
	struct loop *loop;
	struct runtime *runtime;
	const struct sockets *sockets;
	struct reload *reload;
	const char *state; /* of the process: "running", "draining" ... */
	bool is_accepting; /* also in the first time of draining, drain_delay */
	bool has_no_page;  /* that of status waits for its address */
	struct overrides overrides;
	struct walks walks;
	struct drains drains;
	struct timer bans_timer;
	struct list followers; /* of follow and trace */
	struct timer follow_timer;
};

#endif
