/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/mail.h"

enum control_state { CONTROL_RUNNING, CONTROL_DRAINING, CONTROL_STOPPING };

struct control {
	struct proxy *proxy;
	enum control_state state;
	uint64_t drain_until_ms; /* 0: for as long as it takes */
	unsigned ended;		 /* workers */
	int signal_fd;
};

static void our_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGHUP);
}

int control_init(void)
{
	sigset_t set;

	our_signals(&set);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void tell_workers(struct control *c, enum mail_kind kind)
{
	const struct mail mail = { .kind = kind };

	for (unsigned n = 0; n < c->proxy->workers_n; n++)
		while (mail_send(c->proxy->peers[n].mail_fd, &mail) == -EAGAIN)
			(void)poll(NULL, 0, 1); /* it has 4096 letters to open first */
}

static void start_draining(struct control *c)
{
	uint64_t timeout_ms = c->proxy->config->global.drain_timeout_ms;
	struct log_line line;

	c->state = CONTROL_DRAINING;
	c->drain_until_ms = timeout_ms > 0 ? clock_now_ms() + timeout_ms : 0;
	if (log_begin(&line, LOG_INFO, "draining")) {
		log_u64(&line, "sessions", atomic_load(&c->proxy->sessions));
		log_u64(&line, "drain_timeout_ms", timeout_ms);
		log_end(&line);
	}
	tell_workers(c, MAIL_DRAIN);
}

static void stop_now(struct control *c, enum mail_kind kind)
{
	struct log_line line;

	c->state = CONTROL_STOPPING;
	if (log_begin(&line, LOG_INFO, "ending all sessions")) {
		log_u64(&line, "sessions", atomic_load(&c->proxy->sessions));
		log_text(&line, "why", kind == MAIL_STOP ? "second signal" : "drain_timeout");
		log_end(&line);
	}
	tell_workers(c, kind);
}

static void on_signal(struct control *c)
{
	struct signalfd_siginfo info;

	if (read(c->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		log_say(LOG_WARN, "SIGHUP: there is no reload yet, nothing has changed; restart to "
				  "read the configuration again");
	else if (c->state == CONTROL_RUNNING)
		start_draining(c);
	else if (c->state == CONTROL_DRAINING)
		stop_now(c, MAIL_STOP);
}

static void on_ended(struct control *c, int ended_fd)
{
	eventfd_t n;

	if (eventfd_read(ended_fd, &n) == 0)
		c->ended += (unsigned)n;
}

static int wait_allowed_ms(const struct control *c)
{
	uint64_t now_ms = clock_now_ms();

	if (c->state != CONTROL_DRAINING || c->drain_until_ms == 0)
		return -1;
	return now_ms >= c->drain_until_ms ? 0 : (int)MIN(c->drain_until_ms - now_ms, 1u << 30);
}

static bool drain_is_late(const struct control *c)
{
	return c->state == CONTROL_DRAINING && c->drain_until_ms > 0 &&
	       clock_now_ms() >= c->drain_until_ms;
}

int control_run(struct proxy *proxy, int ended_fd)
{
	struct control c = { .proxy = proxy };
	struct pollfd fds[2];
	sigset_t set;

	our_signals(&set);
	c.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c.signal_fd < 0)
		return -errno;
	fds[0] = (struct pollfd){ .fd = c.signal_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = ended_fd, .events = POLLIN };
	while (c.ended < proxy->workers_n) {
		(void)poll(fds, ARRAY_LEN(fds), wait_allowed_ms(&c));
		if (fds[0].revents)
			on_signal(&c);
		if (fds[1].revents)
			on_ended(&c, ended_fd);
		if (drain_is_late(&c))
			stop_now(&c, MAIL_DRAIN_TIMEOUT);
	}
	close(c.signal_fd);
	return 0;
}
