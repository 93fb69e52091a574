/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMANDS_CMD_H
#define COMMANDS_CMD_H

/*
 * The functions that run commands: see commands.c for what each is called and
 * takes, etc/ringmainctl.8 for what it does. And what several of them need.
 */

#include <stdbool.h>

#include "base/def.h"
#include "state/runtime.h"

struct backend;
struct call;
struct control_context;
struct listener;
struct pool;
struct session_filter;

void cmd_help(struct call *call);
void cmd_complete(struct call *call);
void cmd_status(struct call *call);
void cmd_backend(struct call *call);
void cmd_sessions(struct call *call);
void cmd_errors(struct call *call);
void cmd_kill(struct call *call);
void cmd_log(struct call *call);
void cmd_reload(struct call *call);
void cmd_plan(struct call *call);
void cmd_history(struct call *call);
void cmd_deny(struct call *call);
void cmd_listener(struct call *call);
void cmd_certs(struct call *call);
void cmd_route(struct call *call);
void cmd_follow(struct call *call);
void cmd_trace(struct call *call);
/* Before the first command. */
void cmd_deny_init(struct control_context *context);
void cmd_follow_init(struct control_context *context);

/* Rows of what certs tells; @wholly: and whose they are. */
void cmd_tell_certificates(struct call *call, bool wholly);

/* A row of each older configuration that is alive, and who has it; ends the call. */
void cmd_tell_configurations(struct call *call);

/* The sessions of a backend. */
void cmd_backend_sessions(const struct pool *pool, const struct backend *backend,
			  struct session_filter *ret);

/* And of a listener. */
void cmd_listener_sessions(const struct listener *listener, struct session_filter *ret);

/* What a word names; false: the call has failed, with what was probably meant. */
MUST_CHECK bool cmd_find_pool(struct call *call, const char *typed, struct pool **ret_pool);
MUST_CHECK bool cmd_find_listener(struct call *call, const char *typed,
				  struct listener **ret_listener);
/* "POOL/NAME" */
MUST_CHECK bool cmd_find_backend(struct call *call, const char *typed, struct pool **ret_pool,
				 struct backend **ret_backend);
/* Also one that a reload has taken away, and which may have sessions still. */
MUST_CHECK bool cmd_find_any_backend(struct call *call, const char *typed, struct pool **ret_pool,
				     struct backend **ret_backend);

#endif
