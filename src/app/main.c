/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the command line to running workers and back. The order matters:
 * everything that can be wrong is found before the first socket is opened,
 * all sockets are open before the first worker starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/capacity.h"
#include "control/control.h"
#include "app/options.h"
#include "app/no_io_uring.h"
#include "app/route_explain.h"
#include "process/sockets.h"
#include "state/generation.h"
#include "state/inbox.h"
#include "metrics/metrics.h"
#include "state/peers.h"
#include "state/runtime_life.h"
#include "worker/workers.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config_file.h"
#include "config/directive.h"
#include "config/dump.h"
#include "config/load.h"
#include "state/tls_contexts.h"
#include "tls/library.h"

/* Requests between two turns, and completions: enough for every session to move at once. */
#define RING_ENTRIES 4096
#define COMPLETIONS_PER_ENTRY 4

/* What workers that work have to end their sessions in while the process fails. */
#define LAST_MOMENT_MS 500

/* Of a worker's buffers, lent to the kernel at a time, at most. */
#define BUFFERS_OFFERED 256

/* A configuration and what was made of it. */
struct loaded {
	struct config *config;
	struct tls_contexts *tls;
};

static bool load(const char *path, struct loaded *l)
{
	struct diag diag;

	*l = (struct loaded){ 0 };
	diag_init(&diag);
	l->config = config_load(path, &diag, tls_contexts_check, &l->tls);
	diag_write(&diag, stderr);
	diag_finish(&diag);
	if (!l->config)
		tls_contexts_destroy(l->tls);
	return l->config;
}

/* ---- run ----------------------------------------------------------------- */

static struct ring_features without(struct ring_features found, const struct ring_features *less)
{
	found.defer_taskrun &= !less->defer_taskrun;
	found.accept_multishot &= !less->accept_multishot;
	found.recv_credit &= !less->recv_credit;
	found.no_iowait &= !less->no_iowait;
	return found;
}

/* The largest power of two that leaves as many buffers to the sessions as to the kernel. */
static unsigned buffers_offered(unsigned buffers)
{
	unsigned n = BUFFERS_OFFERED;

	while (n > buffers / 2)
		n /= 2;
	return n;
}

static void log_ready(const struct runtime *runtime, const struct capacity *c,
		      const struct ring_features *f)
{
	char digest_text[2 * sizeof(uint64_t) + 1];
	struct log_line line;
	uint64_t digest;

	if (!log_begin(&line, LOG_INFO, "ready"))
		return;
	log_text(&line, "version", RINGMAIN_VERSION);
	log_u64(&line, "workers", c->workers);
	log_u64(&line, "max_sessions", c->sessions_max);
	log_u64(&line, "files", c->files_max);
	log_u64(&line, "buffers", (uint64_t)c->buffers_per_worker * c->workers);
	log_flag(&line, "defer_taskrun", f->defer_taskrun);
	log_flag(&line, "accept_multishot", f->accept_multishot);
	log_flag(&line, "recv_credit", f->recv_credit);
	log_flag(&line, "no_iowait", f->no_iowait);
	if (runtime_digest(runtime, &digest)) {
		snprintf(digest_text, sizeof(digest_text), "%016" PRIx64, digest);
		log_text(&line, "digest", digest_text);
	}
	log_end(&line);
}

static void fill_engine_options(struct engine_options *all, struct runtime *runtime,
				const struct sockets *sockets, const struct capacity *capacity,
				const struct ring_options *ring)
{
	const struct generation *g = runtime->generation;

	for (unsigned n = 0; n < runtime->workers_n; n++) {
		all[n].runtime = runtime;
		all[n].worker = n;
		all[n].ring = *ring;
		all[n].buffers = capacity->buffers_per_worker;
		all[n].pipes = capacity->pipes_per_worker;
		all[n].sockets = g->sockets + n * g->sockets_n;
		all[n].sockets_n = g->sockets_n;
		all[n].sockets_max = sockets->max;
	}
}

static int open_inboxes(struct runtime *runtime, struct engine_options *all)
{
	struct log_line line;

	for (unsigned n = 0; n < runtime->workers_n; n++) {
		int err = inbox_open(&all[n].inbox_fd, &runtime->peers[n].inbox_fd);

		if (err == 0)
			continue;
		if (log_begin(&line, LOG_ERROR, "the workers cannot start")) {
			log_text(&line, "call", "pipe2");
			log_errno(&line, "error", err);
			log_end(&line);
		}
		return err;
	}
	return 0;
}

static int end_with(int err)
{
	if (err < 0)
		log_say(LOG_ERROR, "ringmain ends: %s",
			err == -ETIMEDOUT ? "a thread is stuck" : strerror(-err));
	else
		log_say(LOG_INFO, "ended");
	log_stop();
	return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * A ring broke or a thread is stuck. Those that can end their sessions have a
 * moment to do so; then the process goes as it is, and the kernel closes what
 * is left of it.
 */
static NORETURN void end_at_once(struct runtime *runtime, struct sockets *sockets,
				 struct workers *workers, int err)
{
	peers_abandon(runtime);
	(void)!workers_join(workers, clock_now_ms() + LAST_MOMENT_MS);
	sockets_finish(sockets);
	_exit(end_with(err));
}

static int run_workers(struct runtime *runtime, struct sockets *sockets,
		       const struct engine_options *all, struct control *control,
		       const struct capacity *capacity)
{
	struct workers workers;
	int err = workers_start(&workers, all, runtime->workers_n);

	if (err < 0)
		return err;
	log_ready(runtime, capacity, &all[0].ring.features);
	err = control_run(control, &workers);
	if (err == 0)
		err = workers_join(&workers, clock_now_ms() + LAST_MOMENT_MS);
	if (err < 0)
		end_at_once(runtime, sockets, &workers, err);
	return 0;
}

static int prepare_and_run(struct runtime *runtime, struct sockets *sockets,
			   const struct capacity *capacity, const struct ring_options *ring,
			   const char *config_path)
{
	const struct control_options options = { ring->features, config_path };
	static struct engine_options all[WORKERS_MAX];
	struct control *control;
	int err;

	fill_engine_options(all, runtime, sockets, capacity, ring);
	err = open_inboxes(runtime, all);
	if (err < 0)
		return err;
	control = control_create(runtime, sockets, &options, &err);
	if (!control)
		return err;
	err = run_workers(runtime, sockets, all, control, capacity);
	if (!control_destroy(control)) {
		sockets_finish(sockets);
		_exit(end_with(err));
	}
	for (unsigned n = 0; n < runtime->workers_n; n++)
		close(runtime->peers[n].inbox_fd);
	return err;
}

/* Takes what was loaded. */
static int serve(struct loaded *l, const struct ring_options *ring, const char *config_path)
{
	struct capacity capacity;
	struct sockets sockets;
	struct ring_options options = *ring;
	struct runtime *runtime;
	int err;

	err = capacity_find(l->config, &capacity);
	if (err < 0)
		return err;
	options.buffers_offered = buffers_offered(capacity.buffers_per_worker);
	runtime = runtime_create(l->config, l->tls, capacity.workers, capacity.sessions_max);
	*l = (struct loaded){ 0 };
	if (!runtime)
		return -ENOMEM;
	err = sockets_open(&sockets, runtime);
	if (err < 0)
		goto done;
	err = prepare_and_run(runtime, &sockets, &capacity, &options, config_path);
	sockets_finish(&sockets);
done:
	runtime_destroy(runtime);
	return err;
}

static int start_log(void)
{
	int err = log_start();

	if (err < 0)
		log_say(LOG_ERROR, "the thread of the log cannot start: %s", strerror(-err));
	return err;
}

/* Says why it cannot. A daemon that is not there may come. */
static int direct_log(const struct log_config *log)
{
	int err = log_sink_check(log->target, log->path);

	if (err < 0 && log_target_takes_datagrams(log->target))
		log_say(LOG_WARN, "the daemon of the log is not there: %s", strerror(-err));
	err = log_direct(log->target, log->path, &log->addr.sa, log->addr.len);
	if (err < 0)
		log_say(LOG_ERROR, "the log cannot go to %s: %s",
			log->path ? log->path : "its socket", strerror(-err));
	return err;
}

static int run(struct loaded *l, const struct options *options)
{
	const struct global_config *global = &l->config->global;
	struct ring_options ring = {
		.entries = options->ring_entries ? options->ring_entries : RING_ENTRIES,
	};
	struct ring_features found;
	int err;

	log_configure(global->log_level, global->log_format, STDERR_FILENO);
	err = direct_log(&global->log);
	if (err < 0)
		return EXIT_FAILURE;
	err = ring_probe(&found);
	if (err < 0)
		return no_io_uring_explain(err);
	ring.features = without(found, &options->without);
	ring.completions = ring.entries * COMPLETIONS_PER_ENTRY;
	err = control_init();
	if (err == 0)
		err = start_log();
	if (err == 0)
		err = serve(l, &ring, options->config_path);
	return end_with(err);
}

static int explain(const struct config *config, const struct options *options)
{
	int err = options->action == ACTION_DIGEST
			  ? route_digest(config, stdout)
			  : route_explain(config, options->route_key, stdout);

	if (err == -ENOENT)
		fprintf(stderr,
			"ringmain: --route: nothing depends on '%s' here: no [pool NAME] with "
			"balance = maglev knows clients by that, no listener routes it\n",
			options->route_key);
	else if (err == -EINVAL)
		fprintf(stderr,
			"ringmain: --route: '%s' is neither an address, a host name, "
			"nor database=NAME or user=NAME\n",
			options->route_key);
	else if (err < 0)
		fprintf(stderr, "ringmain: %s\n", strerror(-err));
	return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * A supervisor may start us with some of the standard descriptors closed. The
 * next socket would get such a number, and what is meant for the standard
 * error would go to whoever is at its other end.
 */
static bool fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

/* Nothing is wrong with that, but it should be meant: check = none says so. */
static void print_unchecked(const struct config *config)
{
	for (size_t i = 0; i < config->pools_n; i++) {
		const struct pool_config *pool = &config->pools[i];

		if (pool->check.kind != CHECK_NONE ||
		    directive_location(pool->set_at, SECTION_POOL, "check")->line > 0)
			continue;
		printf("[pool %s] no check: only sessions find out which of its backends serve "
		       "(check = tcp asks them, check = none is silent)\n",
		       pool->name);
	}
}

static void print_bad_log(const struct log_config *log, const struct config_location *at, int err)
{
	struct diag diag;

	diag_init(&diag);
	if (log->target == LOG_TO_FILE)
		diag_error(&diag, at, "[global] log: '%.200s' cannot be written: %s", log->path,
			   strerror(-err));
	else
		diag_warning(&diag, at, "[global] log: the daemon is not there: %s%s%s",
			     log->path ? log->path : "", log->path ? ": " : "", strerror(-err));
	diag_write(&diag, stderr);
	diag_finish(&diag);
}

/* A log that cannot be written is a mistake, for it would not start; a daemon may come yet. */
static int test(const struct config *config)
{
	const struct log_config *log = &config->global.log;
	const struct config_location *at =
		directive_location(config->global.set_at, SECTION_GLOBAL, "log");
	const bool is_file = log->target == LOG_TO_FILE;
	int err = log_sink_check(log->target, log->path);

	print_unchecked(config);
	if (err == 0)
		return EXIT_SUCCESS;
	print_bad_log(log, at, err);
	return is_file ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options;
	struct loaded loaded;
	int status = EXIT_SUCCESS;

	if (!fill_standard_descriptors()) {
		fprintf(stderr, "ringmain: /dev/null: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	if (!options_read(&options, argc, argv))
		return EXIT_FAILURE;
	if (options.action == ACTION_HELP) {
		options_print_help();
		return EXIT_SUCCESS;
	}
	if (options.action == ACTION_VERSION) {
		options_print_version();
		return EXIT_SUCCESS;
	}
	if (options.action == ACTION_DIRECTIVES) {
		config_print_directives(stdout);
		return EXIT_SUCCESS;
	}

	if (options.action == ACTION_METRICS) {
		metrics_print(stdout);
		return EXIT_SUCCESS;
	}

	if (tls_library_start() < 0) {
		fprintf(stderr, "ringmain: the TLS library does not start\n");
		return EXIT_FAILURE;
	}
	if (!load(options.config_path, &loaded))
		return EXIT_FAILURE;
	if (options.action == ACTION_DUMP)
		config_dump(loaded.config, stdout);
	else if (options.action == ACTION_ROUTE || options.action == ACTION_DIGEST)
		status = explain(loaded.config, &options);
	else if (options.action == ACTION_TEST)
		status = test(loaded.config);
	else if (options.action == ACTION_RUN)
		status = run(&loaded, &options);
	tls_contexts_destroy(loaded.tls);
	config_destroy(loaded.config);
	tls_library_stop();
	return status;
}
