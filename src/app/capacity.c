/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/capacity.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include "app/cpu_quota.h"
#include "base/log.h"
#include "io/buf.h"
#include "state/runtime.h"

/* Two sockets for a session. */
#define FILES_PER_SESSION 2

#define FILES_PER_PIPE 2

/* Without them nothing runs: the standard ones, the main thread's ring and signals, some over. */
#define FILES_NEEDED 10
/* For each worker: ring, inbox, the spare one of session/fd_reserve.h. */
#define FILES_NEEDED_PER_WORKER 4
/* A listening socket, and one client that was accepted and who waits until a session ends. */
#define FILES_NEEDED_PER_SOCKET 2

/* With those of before, a worker's pipes for the streams of the moment. */
#define PIPES_PER_WORKER 64
#define FILES_PER_WORKER 160

/* With those needed, checks, certificates at reload, whatever the C library opens. */
#define FILES_RESERVED 64

/* Of many files the reserve is this part, of few it is at most that one. */
#define RESERVE_OF_MANY 16
#define RESERVE_OF_FEW 4

/* With fewer sessions than this nobody wants to run at all. */
#define SESSIONS_MIN 1

/* More threads than a quota has processors would only use it up together, and then all wait. */
static unsigned cpus_allowed(void)
{
	unsigned quota = cpu_quota(""), cpus = 1;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		cpus = (unsigned)CPU_COUNT(&set);
	if (quota > 0)
		cpus = MIN(cpus, quota);
	return MIN(cpus, WORKERS_MAX);
}

static uint64_t listening_sockets(const struct config *config, uint64_t workers)
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

static unsigned pipes_of(uint64_t files, unsigned workers)
{
	return (unsigned)MIN(files / FILES_PER_PIPE / workers, UINT32_MAX);
}

/* What was asked for, or nothing. What is left over is for pipes. */
static int promise_sessions(struct capacity *c, uint64_t asked, uint64_t files, uint64_t wanted)
{
	uint64_t spare = files > wanted ? files - wanted : 0;

	c->sessions_max = (unsigned)asked;
	c->pipes_per_worker =
		(unsigned)MIN(PIPES_PER_WORKER + pipes_of(spare, c->workers), UINT32_MAX);
	return files < wanted ? say_too_few_files(wanted, files, c->sessions_max) : 0;
}

/* As many as there are files for. Never refuse to start over an estimate. */
static void estimate_sessions(struct capacity *c, uint64_t files, uint64_t sockets)
{
	uint64_t needed = FILES_NEEDED + (uint64_t)c->workers * FILES_NEEDED_PER_WORKER +
			  sockets * FILES_NEEDED_PER_SOCKET;
	uint64_t rest = files > needed ? files - needed : 0;
	uint64_t comfort =
		FILES_RESERVED + (uint64_t)c->workers * PIPES_PER_WORKER * FILES_PER_PIPE;
	uint64_t reserve = MIN(MAX(comfort, rest / RESERVE_OF_MANY), rest / RESERVE_OF_FEW);
	uint64_t sessions = MAX((rest - reserve) / FILES_PER_SESSION, SESSIONS_MIN);

	c->sessions_max = (unsigned)MIN(sessions, CONFIG_SESSIONS_MAX);
	rest -= MIN(rest, (uint64_t)c->sessions_max * FILES_PER_SESSION);
	c->pipes_per_worker = pipes_of(rest - MIN(FILES_RESERVED, rest / 2), c->workers);
}

static int find_sessions(const struct config *config, struct capacity *c)
{
	uint64_t sockets = listening_sockets(config, c->workers);
	uint64_t fixed = FILES_RESERVED + (uint64_t)c->workers * FILES_PER_WORKER + sockets;
	uint64_t asked = config->global.sessions_max;
	uint64_t wanted = fixed + MAX(asked, SESSIONS_MIN) * FILES_PER_SESSION;
	uint64_t files = raise_files(wanted);

	c->files_max = (unsigned)MIN(files, UINT32_MAX);
	if (asked > 0)
		return promise_sessions(c, asked, files, wanted);
	estimate_sessions(c, files, sockets);
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
