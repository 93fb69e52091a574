/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_CONTROL_BED_H
#define UNIT_CONTROL_BED_H

/* A main thread beside the bed: its loop, a control socket, and who connects to it. */

#include "unit/runtime_bed.h"

#include <stdio.h>
#include <sys/un.h>

#include "base/text.h"
#include "admin/admin.h"
#include "commands/cmd.h"
#include "commands/commands.h"
#include "process/sockets.h"

struct office {
	struct bed *st;
	struct loop loop;
	struct sockets sockets;
	struct control_context context;
	struct admin *admin;
	struct control_config config;
	struct addr addr;
};

static struct office office;

static inline void office_open(void **state, const struct bed_options *options)
{
	struct office *o = &office;
	int err = -1;

	*o = (struct office){ .st = bed_with(state, options) };
	o->loop =
		(struct loop){ .ring = bed_engine(o->st)->host.loop.ring, .now_ms = o->st->now_ms };
	timers_init(&o->loop.timers, o->loop.now_ms);
	o->context = (struct control_context){
		.commands = commands,
		.runs = command_runs,
		.commands_n = COMMANDS,
		.loop = &o->loop,
		.runtime = o->st->runtime,
		.sockets = &o->sockets,
		.state = "running",
		.is_accepting = true,
	};
	overrides_init(&o->context.overrides, &o->loop, o->st->runtime, &o->context.drains);
	cmd_deny_init(&o->context);
	cmd_follow_init(&o->context);
	assert_int_equal(walks_init(&o->context.walks, &o->loop, o->st->runtime), 0);
	walks_start(&o->context.walks);
	drains_init(&o->context.drains, &o->loop, &o->context.walks);
	o->config.at.spec.is_unix = true;
	snprintf(o->config.at.spec.host, sizeof(o->config.at.spec.host), "/tmp/ringmain-test-%d",
		 getpid());
	o->admin = admin_create(&o->config, &o->context, &err);
	assert_non_null(o->admin);
	admin_start(o->admin);
}

/* Lets requests complete and the loop turn, @ms later. */
static inline void office_pass(uint64_t ms)
{
	struct office *o = &office;

	o->loop.now_ms += ms;
	while (fake_run() > 0)
		continue;
	timers_run(&o->loop.timers, o->loop.now_ms);
	while (fake_run() > 0)
		continue;
}

static inline int office_connect(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(text_copy(un.sun_path, sizeof(un.sun_path), office.config.at.spec.host));
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return bed_keep(office.st, fd);
}

/* Says it, lets time pass, gives what came back; valid until the next call. */
static inline const char *office_ask(int fd, const char *text)
{
	static char said[1 << 16];
	long n;

	if (text[0])
		peer_send(fd, text, strlen(text));
	office_pass(0);
	for (int i = 0; i < 3; i++)
		office_pass(1);
	n = peer_recv(fd, said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	return said;
}

static inline void office_close(void)
{
	struct office *o = &office;

	admin_stop(o->admin);
	drains_stop(&o->context.drains);
	walks_stop(&o->context.walks);
	bed_run(o->st); /* workers give back what they have */
	fake_run_cancels();
	assert_true(admin_is_idle(o->admin));
	assert_true(walks_are_idle(&o->context.walks));
	admin_destroy(o->admin);
	walks_finish(&o->context.walks);
	timer_stop(&o->loop.timers, &o->context.bans_timer);
	overrides_finish(&o->context.overrides);
	assert_int_equal(o->loop.timers.armed, 0);
}

#define OK_LINE "{\"row\":\"end\",\"code\":\"ok\"}\n"

#endif
