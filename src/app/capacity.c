/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/capacity.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include "base/log.h"
#include "io/buf.h"
#include "proxy/proxy.h"

/* Two sockets for a session. */
#define FILES_PER_SESSION 2

/* For each worker: ring, mailbox, and pipes for the streams of the moment. */
#define FILES_PER_WORKER 160

/* The standard ones, the log, certificates at reload, whatever the C library opens. */
#define FILES_RESERVED 64

/* With fewer sessions than this nobody wants to run at all. */
#define SESSIONS_MIN 1

static unsigned cpus_allowed(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return MIN((unsigned)CPU_COUNT(&set), WORKERS_MAX);
}

static uint64_t listening_sockets(const struct config *config, unsigned workers)
{
	uint64_t n = 0;

	for (size_t l = 0; l < config->listeners_n; l++) {
		for (size_t b = 0; b < config->listeners[l].binds_n; b++) {
			const struct bind_config *bind = &config->listeners[l].binds[b];

			n += bind->addrs_n * (bind->spec.port_last - bind->spec.port_first + 1u);
		}
	}
	return n * workers;
}

/* Gives the soft limit, raised to @wanted or, failing that, as far as the hard one goes. */
static uint64_t raise_files(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_max < wanted) {
		struct rlimit more = { .rlim_cur = wanted, .rlim_max = wanted };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return wanted;
	}
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

static int say_too_few_files(uint64_t wanted, uint64_t files, unsigned sessions)
{
	log_say(LOG_ERROR,
		"max_sessions = %u needs %llu open files, the limit is %llu: raise it "
		"(LimitNOFILE= "
		"in the unit, or ulimit -n), or lower max_sessions",
		sessions, (unsigned long long)wanted, (unsigned long long)files);
	return -EMFILE;
}

static int find_sessions(const struct config *config, struct capacity *c)
{
	uint64_t fixed = FILES_RESERVED + (uint64_t)c->workers * FILES_PER_WORKER +
			 listening_sockets(config, c->workers);
	uint64_t asked = config->global.sessions_max;
	uint64_t wanted = fixed + MAX(asked, SESSIONS_MIN) * FILES_PER_SESSION;
	uint64_t files = raise_files(wanted), sessions;

	c->files_max = (unsigned)MIN(files, UINT32_MAX);
	if (asked > 0) {
		c->sessions_max = (unsigned)asked;
		return files < wanted ? say_too_few_files(wanted, files, c->sessions_max) : 0;
	}
	/* Never refuse to start over an estimate: accept(2) says when it really is too much. */
	if (files > wanted)
		sessions = (files - fixed) / FILES_PER_SESSION;
	else
		sessions = MAX(files / FILES_PER_SESSION, SESSIONS_MIN);
	c->sessions_max = (unsigned)MIN(sessions, CONFIG_SESSIONS_MAX);
	return 0;
}

int capacity_find(const struct config *config, struct capacity *c)
{
	uint64_t buffers;

	*c = (struct capacity){ .workers = config->global.workers };
	if (c->workers == 0)
		c->workers = cpus_allowed();
	buffers = config->global.buffer_memory_bytes / BUF_BYTES / c->workers;
	c->buffers_per_worker = (unsigned)MIN(MAX(buffers, BUF_COUNT_MIN), BUF_COUNT_MAX);
	return find_sessions(config, c);
}
