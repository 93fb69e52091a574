/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FAKE_RING */
/*
 * Any bytes on the control socket of a process with a session: whole commands,
 * which are carried out. Each row of an answer is a line of JSON, no line has
 * two answers, and when the client has gone nothing is left of what it began.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/context.h"
#include "base/check.h"
#include "commands/cmd.h"
#include "commands/commands.h"
#include "fake/bed.h"
#include "process/sockets.h"
#include "reload/reload.h"

#define ANSWER_BYTES (4u << 20)
#define LOOKS_MS 1100 /* the longest that a command takes by itself: sessions looks twice */

/* The main thread. */
struct office {
	struct bed *st;
	struct loop loop;
	struct sockets sockets;
	struct reload reload;
	struct control_context context;
	struct control_config config;
	struct admin *admin;
};

static void open_context(struct office *o)
{
	o->reload = (struct reload){
		.loop = &o->loop,
		.runtime = o->st->runtime,
		.closed = "there is no file",
	};
	o->context = (struct control_context){
		.commands = commands,
		.runs = command_runs,
		.commands_n = COMMANDS,
		.loop = &o->loop,
		.runtime = o->st->runtime,
		.sockets = &o->sockets,
		.reload = &o->reload,
		.state = "running",
	};
	overrides_init(&o->context.overrides, &o->loop, o->st->runtime, &o->context.drains);
	cmd_deny_init(&o->context);
	cmd_follow_init(&o->context);
	CHECK(walks_init(&o->context.walks, &o->loop, o->st->runtime) == 0);
	walks_start(&o->context.walks);
	drains_init(&o->context.drains, &o->loop, &o->context.walks);
}

static void open_office(struct office *o)
{
	int err = -1;

	*o = (struct office){
		.st = bed_create(&(struct bed_options){ .backends = 2, .is_unix = true }),
	};
	o->loop =
		(struct loop){ .ring = bed_engine(o->st)->host.loop.ring, .now_ms = o->st->now_ms };
	timers_init(&o->loop.timers, o->loop.now_ms);
	open_context(o);
	o->config.at.spec.is_unix = true;
	snprintf(o->config.at.spec.host, sizeof(o->config.at.spec.host), "/tmp/ringmain-fuzz-%d",
		 getpid());
	o->admin = admin_create(&o->config, &o->context, &err);
	CHECK(o->admin);
	admin_start(o->admin);
}

static void pass(struct office *o, uint64_t ms)
{
	o->loop.now_ms += ms;
	bed_pass(o->st, ms);
	for (int n = 0; n < 100 && fake_run() > 0; n++)
		bed_turn(o->st);
	timers_run(&o->loop.timers, o->loop.now_ms);
	for (int n = 0; n < 100 && fake_run() > 0; n++)
		bed_turn(o->st);
}

static void close_office(struct office *o)
{
	admin_stop(o->admin);
	drains_stop(&o->context.drains);
	walks_stop(&o->context.walks);
	bed_run(o->st);
	fake_run_cancels();
	CHECK(admin_is_idle(o->admin));
	CHECK(walks_are_idle(&o->context.walks));
	admin_destroy(o->admin);
	walks_finish(&o->context.walks);
	timer_stop(&o->loop.timers, &o->context.bans_timer);
	overrides_finish(&o->context.overrides);
	CHECK(o->loop.timers.armed == 0);
	CHECK(!bed_destroy(o->st));
}

static int connect_to(const struct office *o)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", o->config.at.spec.host);
	CHECK(connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	return bed_keep(o->st, fd);
}

/* What has come, as far as there is room for it; -1 when the connection has ended. */
static long hear(int fd, char *to, size_t room)
{
	ssize_t n = recv(fd, to, room, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return 0;
	return n > 0 ? n : -1;
}

static void check_answer(const char *text, size_t lines)
{
	size_t ends = 0;

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (text[n] == '\0')
			break; /* the rest did not come */
		CHECK(strncmp(text, "{\"row\":\"", 8) == 0);
		CHECK(text[n - 1] == '}');
		ends += strncmp(text, "{\"row\":\"end\"", 12) == 0;
		text += n + 1;
	}
	CHECK(ends <= lines + 1); /* what is no line to its end may be refused, too */
}

static size_t count_lines(const uint8_t *data, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

static void talk(struct office *o, const uint8_t *data, size_t size)
{
	static char answer[ANSWER_BYTES];
	int fd = connect_to(o);
	size_t sent = 0, n = 0;
	long more = 0;

	for (int turns = 0; turns < 200 && more >= 0; turns++) {
		ssize_t took = 0;

		if (sent < size)
			took = send(fd, data + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += took > 0 ? (size_t)took : 0;
		pass(o, sent < size ? 0 : LOOKS_MS / 10);
		more = hear(fd, answer + n, sizeof(answer) - 1 - n);
		n += more > 0 ? (size_t)more : 0;
		if (more == 0 && sent == size && turns > 25)
			break;
	}
	answer[n] = '\0';
	check_answer(answer, count_lines(data, size));
	bed_close(o->st, fd);
	pass(o, 1);
}

/* What is logged is not looked at. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct office office;

	open_office(&office);
	(void)bed_relaying(office.st);
	talk(&office, data, size);
	close_office(&office);
	return 0;
}
