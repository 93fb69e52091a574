/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics/metrics.h"

#include <assert.h>
#include <stdio.h>

#include "base/def.h"
#include "state/reason.h"

const char *const metric_scope_labels[METRIC_SCOPES] = {
	[METRIC_PROCESS] = "",
	[METRIC_WORKER] = "worker",
	[METRIC_LISTENER] = "listener",
	[METRIC_POOL] = "pool",
	[METRIC_BACKEND] = "pool,backend",
	[METRIC_BUILD] = "",
	[METRIC_CIPHER] = "listener",
	[METRIC_DETAIL] = "listener,reason",
	[METRIC_CERTIFICATE] = "listener",
};

const char *const metric_kind_names[METRIC_KINDS] = {
	[METRIC_GAUGE] = "gauge",
	[METRIC_COUNTER] = "counter",
	[METRIC_HISTOGRAM] = "histogram",
};

static const char *const directions[LANES] = { [LANE_UP] = "up", [LANE_DOWN] = "down" };
static const char *const bytes_keys[LANES] = { [LANE_UP] = "bytes_up", [LANE_DOWN] = "bytes_down" };
static const char *const versions[] = { "1.2", "1.3" };
static const char *const version_keys[] = { "tls1_2", "tls1_3" };
/* What a try can end with: see reason_of_connect(). */
static const char *const try_keys[CLOSE_REASONS] = {
	[CLOSE_CONNECT_REFUSED] = "connect_refused", [CLOSE_CONNECT_TIMEOUT] = "connect_timeout",
	[CLOSE_CONNECT_FAILED] = "connect_failed",   [CLOSE_BACKEND_TLS] = "backend_tls_error",
	[CLOSE_LOGIN_REFUSED] = "login_refused",     [CLOSE_NO_RESOURCES] = "no_resources",
};
static const char *const results[] = { "passed", "failed" };
static const char *const result_keys[] = { "checks_passed", "checks_failed" };

static_assert(offsetof(struct listener_counters, handshakes_tls13) ==
		      offsetof(struct listener_counters, handshakes_tls12) + sizeof(uint64_t),
	      "the versions stand side by side");
static_assert(offsetof(struct backend_values, checks_failed) ==
		      offsetof(struct backend_values, checks_passed) + sizeof(uint64_t),
	      "the results stand side by side");

/* Where a counter of a worker is, its sum is in the values. */
#define OF(scope_, values, field) .scope = scope_, .offset = offsetof(struct values, field)
#define OF_PROCESS(field) OF(METRIC_PROCESS, process_values, field)
#define OF_WORKER(field) OF(METRIC_WORKER, worker_values, field)
#define OF_LISTENER(field) OF(METRIC_LISTENER, listener_values, field)
#define OF_LISTENER_COUNTER(field) OF(METRIC_LISTENER, listener_counters, field)
#define OF_POOL(field) OF(METRIC_POOL, pool_values, field)
#define OF_POOL_COUNTER(field) OF(METRIC_POOL, pool_counters, field)
#define OF_BACKEND(field) OF(METRIC_BACKEND, backend_values, field)

#define WORDS(label_, names, names_for_keys) \
	.label = label_, .words = names, .words_n = ARRAY_LEN(names), .keys = names_for_keys
/* All but the first, which stands for none. */
#define WORDS_BUT_FIRST(label_, names) WORDS(label_, names, names), .words_from = 1

/* Rows stand in the order in which they are shown. */
/* clang-format off */
const struct metric metrics[] = {
	{ OF_PROCESS(is_draining), .kind = METRIC_GAUGE,
	  .name = "ringmain_draining",
	  .key = "draining",
	  .help = "1 while sessions may end and none begins" },
	{ OF_PROCESS(start_time_ms), .kind = METRIC_GAUGE,
	  .name = "ringmain_start_time_seconds", .is_ms = true,
	  .help = "When it was started, in seconds since 1970" },
	{ OF_PROCESS(uptime_ms), .kind = METRIC_GAUGE,
	  .name = "ringmain_uptime_seconds", .is_ms = true,
	  .key = "uptime_ms",
	  .help = "How long it has been running" },
	{ OF_PROCESS(workers), .kind = METRIC_GAUGE,
	  .name = "ringmain_workers",
	  .key = "workers",
	  .help = "Threads that relay" },
	{ OF_PROCESS(begun), .kind = METRIC_COUNTER,
	  .name = "ringmain_sessions_total",
	  .key = "begun", .line = "counters",
	  .help = "Sessions that have begun" },
	{ OF_PROCESS(ended), .kind = METRIC_COUNTER,
	  .name = "ringmain_sessions_ended_total",
	  .key = "ended", .line = "counters",
	  .help = "Sessions that have ended" },
	{ OF_PROCESS(sessions), .kind = METRIC_GAUGE,
	  .name = "ringmain_sessions",
	  .key = "open", .line = "counters",
	  .help = "Sessions now" },
	{ OF_PROCESS(sessions_max), .kind = METRIC_GAUGE,
	  .name = "ringmain_sessions_max",
	  .key = "sessions_max",
	  .help = "Sessions that there may be, of all listeners together" },
	{ OF_PROCESS(bytes), .kind = METRIC_COUNTER,
	  .name = "ringmain_bytes_total",
	  WORDS("direction", directions, bytes_keys),
	  .line = "counters",
	  .help = "Bytes from clients to backends (up) and back (down)" },
	{ OF_PROCESS(admissions), .kind = METRIC_COUNTER,
	  .name = "ringmain_rejected_total",
	  WORDS_BUT_FIRST("reason", admission_names),
	  .line = "counters",
	  .help = "Connections that were not let in" },
	{ OF_PROCESS(bytes_copied), .kind = METRIC_COUNTER,
	  .name = "ringmain_copied_bytes_total",
	  .key = "bytes_copied", .line = "counters",
	  .help = "Bytes sent from buffers" },
	{ OF_PROCESS(bytes_spliced), .kind = METRIC_COUNTER,
	  .name = "ringmain_spliced_bytes_total",
	  .key = "bytes_spliced", .line = "counters",
	  .help = "Bytes sent from pipes, which the process never sees" },
	{ OF_PROCESS(splices_started), .kind = METRIC_COUNTER,
	  .name = "ringmain_splices_started_total",
	  .key = "splices_started", .line = "counters",
	  .help = "Directions of sessions that changed to pipes" },
	{ OF_PROCESS(buffer_waits), .kind = METRIC_COUNTER,
	  .name = "ringmain_buffer_waits_total",
	  .key = "buffer_waits", .line = "counters",
	  .help = "Waits for a buffer when there was none" },
	{ OF_PROCESS(handed_over), .kind = METRIC_COUNTER,
	  .name = "ringmain_handed_over_total",
	  .key = "handed_over", .line = "counters",
	  .help = "Connections that another worker took" },
	{ OF_PROCESS(accept_pauses), .kind = METRIC_COUNTER,
	  .name = "ringmain_accept_pauses_total",
	  .key = "accept_pauses", .line = "counters",
	  .help = "Pauses of accepting, for want of files or because of a limit" },
	{ OF_PROCESS(open_fds), .kind = METRIC_GAUGE,
	  .name = "ringmain_open_fds",
	  .key = "open_fds",
	  .help = "Files that are open" },
	{ OF_PROCESS(fds_max), .kind = METRIC_GAUGE,
	  .name = "ringmain_max_fds",
	  .key = "max_fds",
	  .help = "Files that may be open" },
	{ OF_PROCESS(resident_bytes), .kind = METRIC_GAUGE,
	  .name = "ringmain_resident_memory_bytes",
	  .key = "resident_bytes",
	  .help = "Memory that it has" },
	{ OF_PROCESS(cpu_ms), .kind = METRIC_COUNTER,
	  .name = "ringmain_cpu_seconds_total", .is_ms = true,
	  .key = "cpu_ms",
	  .help = "CPU time of all threads" },
	{ OF_PROCESS(log_lost), .kind = METRIC_COUNTER,
	  .name = "ringmain_log_lines_dropped_total",
	  .key = "log_lines_dropped",
	  .help = "Lines of the log that were dropped" },
	{ OF_PROCESS(lines_left_out), .kind = METRIC_COUNTER,
	  .name = "ringmain_log_sessions_left_out_total",
	  .key = "log_sessions_left_out",
	  .help = "Lines of sessions that were left out of the log because of log_rate" },

	{ OF_WORKER(sessions), .kind = METRIC_GAUGE,
	  .name = "ringmain_worker_sessions",
	  .key = "sessions",
	  .help = "Sessions that the worker has" },
	{ OF_WORKER(turns), .kind = METRIC_COUNTER,
	  .name = "ringmain_worker_turns_total",
	  .key = "turns",
	  .help = "Turns of its loop, each one wait for the kernel" },
	{ OF_WORKER(bytes_copied), .kind = METRIC_COUNTER,
	  .name = "ringmain_worker_copied_bytes_total",
	  .key = "bytes_copied",
	  .help = "Bytes that it sent from buffers" },
	{ OF_WORKER(bytes_spliced), .kind = METRIC_COUNTER,
	  .name = "ringmain_worker_spliced_bytes_total",
	  .key = "bytes_spliced",
	  .help = "Bytes that it sent from pipes" },
	{ OF_WORKER(buffer_waits), .kind = METRIC_COUNTER,
	  .name = "ringmain_worker_buffer_waits_total",
	  .key = "buffer_waits",
	  .help = "Waits for one of its buffers" },
	{ OF_WORKER(accept_pauses), .kind = METRIC_COUNTER,
	  .name = "ringmain_worker_accept_pauses_total",
	  .key = "accept_pauses",
	  .help = "Pauses of its accepting" },
	{ OF_LISTENER_COUNTER(begun), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_sessions_total",
	  .key = "begun", .line = "counters_listener",
	  .help = "Sessions that have begun" },
	{ OF_LISTENER(ended), .kind = METRIC_COUNTER,
	  .key = "ended", .line = "counters_listener",
	  .help = "Sessions that have ended" },
	{ OF_LISTENER(sessions), .kind = METRIC_GAUGE,
	  .name = "ringmain_listener_sessions",
	  .key = "open", .line = "counters_listener",
	  .help = "Sessions now" },
	{ OF_LISTENER(sessions_max), .kind = METRIC_GAUGE,
	  .name = "ringmain_listener_sessions_max",
	  .key = "sessions_max",
	  .help = "Sessions that there may be; 0: only the limit of all listeners" },
	{ OF_LISTENER_COUNTER(bytes), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_bytes_total",
	  WORDS("direction", directions, bytes_keys),
	  .line = "counters_listener",
	  .help = "Bytes from clients to backends (up) and back (down)" },
	{ OF_LISTENER_COUNTER(admissions), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_rejected_total",
	  WORDS_BUT_FIRST("reason", admission_names),
	  .line = "counters_listener",
	  .help = "Connections that were not let in" },
	{ OF_LISTENER_COUNTER(ended), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_sessions_ended_total",
	  WORDS_BUT_FIRST("reason", close_reason_names),
	  .line = "counters_listener",
	  .help = "Sessions that have ended, by reason" },
	{ OF_LISTENER_COUNTER(session_length), .kind = METRIC_HISTOGRAM,
	  .name = "ringmain_listener_session_duration_seconds", .is_ms = true,
	  .key = "session_length", .line = "counters_listener",
	  .help = "How long sessions lasted" },
	{ OF_LISTENER_COUNTER(first_byte_time), .kind = METRIC_HISTOGRAM,
	  .name = "ringmain_listener_first_byte_seconds", .is_ms = true,
	  .key = "first_byte", .line = "counters_listener",
	  .help = "From connecting to a backend until its first byte was sent to the client" },
	{ OF_LISTENER_COUNTER(hellos), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_tls_hellos_total", .needs_hello = true,
	  .key = "hellos", .line = "counters_tls",
	  .help = "ClientHellos, whole and well-formed" },
	{ OF_LISTENER_COUNTER(hellos_with_name), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_tls_hellos_with_sni_total", .needs_hello = true,
	  .key = "with_sni", .line = "counters_tls",
	  .help = "ClientHellos that name a server" },
	{ OF_LISTENER_COUNTER(handshakes), .kind = METRIC_COUNTER, .needs_hello = true,
	  .key = "handshakes", .line = "counters_tls",
	  .help = "TLS handshakes that succeeded" },
	{ OF_LISTENER_COUNTER(handshakes_resumed), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_tls_handshakes_resumed_total", .needs_hello = true,
	  .key = "resumed", .line = "counters_tls",
	  .help = "TLS handshakes that resumed a session" },
	{ OF_LISTENER_COUNTER(handshakes_failed), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_tls_handshakes_failed_total", .needs_hello = true,
	  .key = "failed", .line = "counters_tls",
	  .help = "TLS handshakes that failed" },
	{ OF_LISTENER_COUNTER(handshakes_tls12), .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_tls_handshakes_total", .needs_hello = true,
	  WORDS("version", versions, version_keys),
	  .line = "counters_tls",
	  .help = "TLS handshakes that succeeded, by version" },
	{ OF_LISTENER_COUNTER(handshake_time), .kind = METRIC_HISTOGRAM,
	  .name = "ringmain_listener_tls_handshake_seconds", .needs_hello = true, .is_ms = true,
	  .key = "handshake", .line = "counters_tls",
	  .help = "From the accepted connection until the TLS handshake was done" },
	{ OF_POOL(backends), .kind = METRIC_GAUGE,
	  .name = "ringmain_pool_backends",
	  .key = "backends",
	  .help = "Backends that it has" },
	{ OF_POOL(ready), .kind = METRIC_GAUGE,
	  .name = "ringmain_pool_backends_ready",
	  .key = "ready",
	  .help = "Backends that are ready and have a weight" },
	{ OF_POOL(sessions), .kind = METRIC_GAUGE,
	  .name = "ringmain_pool_sessions",
	  .key = "open",
	  .help = "Sessions on its backends, and those that are connecting" },
	{ OF_POOL_COUNTER(connected), .kind = METRIC_COUNTER,
	  .name = "ringmain_pool_connects_total",
	  .key = "connected", .line = "counters_pool",
	  .help = "Connects to backends that succeeded" },
	{ OF_POOL_COUNTER(failed), .kind = METRIC_COUNTER,
	  .name = "ringmain_pool_connect_failures_total",
	  WORDS("reason", close_reason_names, try_keys),
	  .line = "counters_pool",
	  .help = "Connects to backends that failed, by reason" },
	{ OF_POOL_COUNTER(tls_resumed), .kind = METRIC_COUNTER,
	  .name = "ringmain_pool_tls_resumed_total",
	  .key = "tls_resumed", .line = "counters_pool",
	  .help = "Connects to backends that resumed a TLS session" },
	{ OF_POOL_COUNTER(connect_time), .kind = METRIC_HISTOGRAM,
	  .name = "ringmain_pool_connect_seconds", .is_ms = true,
	  .key = "connect", .line = "counters_pool",
	  .help = "From the first try until a backend had accepted the session" },
	{ OF_POOL(queued), .kind = METRIC_GAUGE,
	  .name = "ringmain_pool_queue_sessions",
	  .key = "queued", .line = "counters_pool",
	  .help = "Sessions that wait, as every backend is full" },
	{ OF_POOL(queued_most), .kind = METRIC_GAUGE,
	  .name = "ringmain_pool_queue_sessions_most",
	  .key = "queued_most",
	  .help = "The most that ever waited at a time" },
	{ OF_POOL(queue_served), .kind = METRIC_COUNTER,
	  .name = "ringmain_pool_queue_served_total",
	  .key = "queue_served", .line = "counters_pool",
	  .help = "Sessions that waited and got a backend" },
	{ OF_POOL(queue_abandoned), .kind = METRIC_COUNTER,
	  .name = "ringmain_pool_queue_abandoned_total",
	  .key = "queue_abandoned", .line = "counters_pool",
	  .help = "Sessions that waited in vain" },
	{ OF_POOL(queue_refused), .kind = METRIC_COUNTER,
	  .name = "ringmain_pool_queue_refused_total",
	  .key = "queue_refused", .line = "counters_pool",
	  .help = "Sessions that found the queue full" },
	{ OF_POOL(queue_wait), .kind = METRIC_HISTOGRAM,
	  .name = "ringmain_pool_queue_wait_seconds", .is_ms = true,
	  .key = "queue_wait",
	  .help = "How long those waited that got a backend" },
	{ OF_BACKEND(state), .kind = METRIC_GAUGE,
	  .name = "ringmain_backend_state",
	  WORDS("state", backend_state_names, NULL),
	  .help = "1 for the state that it is in, 0 for the others" },
	{ OF_BACKEND(since_ms), .kind = METRIC_GAUGE,
	  .name = "ringmain_backend_state_seconds", .is_ms = true,
	  .key = "since_ms",
	  .help = "How long it has been in it" },
	{ OF_BACKEND(weight), .kind = METRIC_GAUGE,
	  .name = "ringmain_backend_weight",
	  .key = "weight",
	  .help = "Its weight, as configured or set since" },
	{ OF_BACKEND(tier), .kind = METRIC_GAUGE,
	  .name = "ringmain_backend_tier",
	  .key = "tier",
	  .help = "0 serves first; a backup has a higher one" },
	{ OF_BACKEND(sessions), .kind = METRIC_GAUGE,
	  .name = "ringmain_backend_sessions",
	  .key = "open", .line = "counters_backend",
	  .help = "Sessions that it has or that are connecting to it" },
	{ OF_BACKEND(sessions_max), .kind = METRIC_GAUGE,
	  .name = "ringmain_backend_sessions_max",
	  .key = "sessions_max",
	  .help = "Sessions that it may have; 0: no limit" },
	{ OF_BACKEND(picked), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_picked_total",
	  .key = "picked", .line = "counters_backend",
	  .help = "How often it was chosen" },
	{ OF_BACKEND(connects), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_connects_total",
	  .key = "connected", .line = "counters_backend",
	  .help = "Connects that succeeded" },
	{ OF_BACKEND(connect_failures), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_connect_failures_total",
	  .key = "connect_failures", .line = "counters_backend",
	  .help = "Connects that failed by its fault" },
	{ OF_BACKEND(local_failures), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_no_resources_total",
	  .key = "no_resources", .line = "counters_backend",
	  .help = "Connects that failed by want of resources here" },
	{ OF_BACKEND(bytes), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_bytes_total",
	  WORDS("direction", directions, bytes_keys),
	  .help = "Bytes to it (up) and from it (down), of sessions that have ended" },
	{ OF_BACKEND(ejections), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_ejections_total",
	  .key = "ejections",
	  .help = "How often it was put out for failing sessions" },
	{ OF_BACKEND(checks_passed), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_checks_total",
	  WORDS("result", results, result_keys),
	  .help = "Health checks, by result" },
	{ OF_BACKEND(checks_ms), .kind = METRIC_COUNTER,
	  .name = "ringmain_backend_check_seconds_total", .is_ms = true,
	  .key = "checks_ms",
	  .help = "Time that all of its health checks took together" },

	{ .scope = METRIC_BUILD, .kind = METRIC_GAUGE, .name = "ringmain_build_info",
	  .label = "version",
	  .help = "1; what was built" },
	{ .scope = METRIC_CIPHER, .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_tls_ciphers_total", .label = "cipher",
	  .help = "TLS handshakes that succeeded, by cipher suite" },
	{ .scope = METRIC_DETAIL, .kind = METRIC_COUNTER,
	  .name = "ringmain_listener_session_details_total", .label = "detail",
	  .help = "Sessions that have ended, by reason and what is known beside it" },
	{ .scope = METRIC_CERTIFICATE, .kind = METRIC_GAUGE,
	  .name = "ringmain_listener_certificate_expiry_seconds", .label = "file",
	  .help = "When a certificate, or one of its chain, expires, in seconds since 1970" },
};
/* clang-format on */

const size_t metrics_n = ARRAY_LEN(metrics);

static void print_labels(const struct metric *m, FILE *to)
{
	const char *labels = metric_scope_labels[m->scope];
	const bool has_own = m->label != NULL;

	if (!labels[0] && !has_own)
		fputs("-", to);
	fprintf(to, "%s%s%s", labels, labels[0] && has_own ? "," : "", has_own ? m->label : "");
}

static void print_keys(const struct metric *m, FILE *to)
{
	const char *comma = "";

	for (size_t n = 0; n < metric_values_n(m); n++) {
		if (!metric_key(m, n))
			continue;
		fprintf(to, "%s%s", comma, metric_key(m, n));
		comma = ",";
	}
	if (!comma[0])
		fputs("-", to);
}

void metrics_print(FILE *to)
{
	for (size_t n = 0; n < metrics_n; n++) {
		const struct metric *m = &metrics[n];

		fprintf(to, "%s\t%s\t", m->name ? m->name : "-", metric_kind_names[m->kind]);
		print_labels(m, to);
		fputs("\t", to);
		print_keys(m, to);
		fprintf(to, "\t%s\t%s\n", m->line ? m->line : "-", m->help);
	}
}
