/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * load: both ends of a benchmark. `load serve` is the backend; the other
 * tasks are clients that keep a relay busy for a while, or hold sessions
 * open, and print what they saw as one line of JSON.
 *
 *      load pingpong --to RELAY          RELAY -> load serve --work answer
 *
 * One thread per process, so that it can be pinned to a processor.
 */

#include "kit/flow.h"
#include "kit/histogram.h"
#include "kit/kit.h"
#include "kit/net.h"
#include "kit/secure.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define PIDS_MAX 64
#define DIALING_MAX 64     /* connections under way at once: less than any relay's backlog */
#define FAILURES_MAX 10000 /* then the relay is no use */
#define SETUP_MAX_S 60
#define TICK_MS 20

enum task { TASK_NONE, TASK_SERVE, TASK_PINGPONG, TASK_EXCHANGE, TASK_DOWN, TASK_UP, TASK_HOLD };
static const char *const task_names[] = {
	[TASK_SERVE] = "serve",
	[TASK_PINGPONG] = "pingpong",
	[TASK_EXCHANGE] = "exchange",
	[TASK_DOWN] = "down",
	[TASK_UP] = "up",
	[TASK_HOLD] = "hold",
};

enum work { WORK_ANSWER, WORK_ECHO, WORK_SOURCE, WORK_SINK, WORKS };
static const char *const work_names[WORKS] = { "answer", "echo", "source", "sink" };

static struct options {
	enum task task;
	enum work work;
	struct net_addr to, listen;
	uint32_t connections;
	uint64_t request_bytes, answer_bytes;
	double seconds, warmup_s;
	unsigned lifetime_s;
	bool verify, resumes;
	const char *tls;    /* version; NULL: in clear */
	const char *groups; /* NULL: the default */
	clockid_t cpu_clocks[PIDS_MAX];
	size_t pids;
} opt = {
	.connections = 64,
	.request_bytes = 128,
	.answer_bytes = 1024,
	.seconds = 3,
	.warmup_s = 0.5,
	.lifetime_s = 3600,
};

/* ---- backend ------------------------------------------------------------- */

static void serve_accept(int listener)
{
	int fd;

	while ((fd = net_accept(listener)) >= 0) {
		struct flow *f = kit_alloc(1, sizeof(*f));

		flow_open(f, fd);
		if (opt.work != WORK_SOURCE)
			continue;
		f->out_goal = FLOW_ENDLESS;
		(void)flow_send(f); /* an error comes back as an event */
	}
	if (fd != -EAGAIN)
		kit_die("accept: %s", strerror(-fd));
}

/* 0, or why the connection is over. */
static int serve_turn(struct flow *f, uint32_t events)
{
	ssize_t n = events & ~EPOLLOUT ? flow_receive(f) : -EAGAIN;

	if (n == -EBADMSG)
		kit_die("serve: a byte that was never sent, near %llu",
			(unsigned long long)f->in_bytes);
	if (n != -EAGAIN && n <= 0)
		return n ? (int)n : -EPIPE;
	if (opt.work == WORK_ANSWER)
		f->out_goal = f->in_bytes / opt.request_bytes * opt.answer_bytes;
	else if (opt.work == WORK_ECHO)
		f->out_goal = f->in_bytes;
	return flow_send(f);
}

static void serve(void)
{
	int listener = net_listen(&opt.listen);
	struct epoll_event events[EVENTS_MAX];

	flow_watch_listener(listener, &opt);
	for (;;) {
		int n = flow_wait(events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++) {
			struct flow *f = events[i].data.ptr;

			if (events[i].data.ptr == &opt) {
				serve_accept(listener);
			} else if (serve_turn(f, events[i].events) < 0) {
				flow_close(f);
				free(f);
			}
		}
	}
}

/* ---- clients ------------------------------------------------------------- */

struct conn {
	struct flow flow;
	uint64_t in_goal;  /* the end of the answer that is awaited */
	uint64_t since_ns; /* when its request, or the connection, began */
	bool is_up;        /* something came through */
};

enum phase { PHASE_SETUP, PHASE_WARMUP, PHASE_MEASURE, PHASE_DONE };

static struct {
	struct conn *conns;
	uint32_t dialled, dialing, open, up; /* up: ever, of the first connections */
	uint64_t now_ns, phase_ns;           /* when the phase began */
	enum phase phase;
	uint64_t failures, handshakes, resumed, in_bytes, out_bytes;
	double cpu_s; /* of the relay, at the beginning of the measurement */
	struct histogram latency;
} run;

/* CPU time of the relay's processes, all their threads included, dead ones too. */
static double relay_cpu_s(void)
{
	struct timespec ts;
	double sum = 0;

	for (size_t i = 0; i < opt.pids; i++) {
		if (clock_gettime(opt.cpu_clocks[i], &ts) < 0)
			kit_die("--cpu-of: a process is gone");
		sum += (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	}
	return sum;
}

static bool is_asking(void)
{
	return opt.task != TASK_DOWN && opt.task != TASK_UP;
}

static void conn_failed(struct conn *c)
{
	run.failures++;
	run.dialing -= !c->is_up;
	run.open--;
	if (c->flow.fd >= 0)
		flow_close(&c->flow);
	if (run.failures > FAILURES_MAX)
		kit_die("more than %d connections failed", FAILURES_MAX);
}

static bool conn_send(struct conn *c)
{
	uint64_t before = c->flow.out_bytes;

	if (flow_send(&c->flow) < 0)
		return false;
	run.out_bytes += c->flow.out_bytes - before;
	return true;
}

static bool conn_ask(struct conn *c)
{
	c->flow.out_goal += opt.request_bytes;
	c->in_goal += opt.answer_bytes;
	return conn_send(c);
}

static void conn_dial(struct conn *c)
{
	int fd = net_dial(&opt.to);

	c->is_up = false;
	c->in_goal = 0;
	c->since_ns = kit_now_ns();
	run.dialing++;
	run.open++;
	if (fd < 0) {
		c->flow.fd = -1;
		conn_failed(c);
		return;
	}
	flow_open(&c->flow, fd);
	if (opt.tls)
		flow_secure(&c->flow);
	if (opt.task == TASK_UP)
		c->flow.out_goal = FLOW_ENDLESS;
	if (!(is_asking() ? conn_ask(c) : conn_send(c)))
		conn_failed(c);
}

static void conn_came_up(struct conn *c)
{
	if (c->is_up)
		return;
	c->is_up = true;
	run.dialing--;
	run.up++;
	if (!c->flow.secure)
		return;
	run.handshakes++;
	run.resumed += secure_is_resumed(c->flow.secure);
}

/* An answer is whole: the next exchange, on this connection or on a new one, or none. */
static bool conn_next(struct conn *c)
{
	uint64_t now_ns = kit_now_ns();

	histogram_add(&run.latency, now_ns - c->since_ns);
	if (opt.task == TASK_HOLD)
		return true;
	if (opt.task == TASK_EXCHANGE) {
		flow_close(&c->flow);
		run.open--;
		conn_dial(c);
		return true;
	}
	c->since_ns = now_ns;
	return conn_ask(c);
}

/* False when the connection failed. */
static bool conn_receive(struct conn *c)
{
	ssize_t n = flow_receive(&c->flow);

	if (n == -EAGAIN)
		return conn_send(c);
	if (n == -EBADMSG)
		kit_die("a byte that was never sent, near %llu",
			(unsigned long long)c->flow.in_bytes);
	if (n <= 0)
		return false;
	run.in_bytes += (uint64_t)n;
	conn_came_up(c);
	if (is_asking() && c->flow.in_bytes >= c->in_goal)
		return conn_next(c);
	return true;
}

static void conn_on_event(struct conn *c, uint32_t events)
{
	bool is_fine = true;

	if (events & EPOLLOUT) {
		is_fine = conn_send(c);
		if (is_fine && opt.task == TASK_UP && c->flow.out_bytes)
			conn_came_up(c);
	}
	if (is_fine && (events & ~EPOLLOUT))
		is_fine = conn_receive(c);
	if (!is_fine)
		conn_failed(c);
}

static void enter(enum phase phase)
{
	run.phase = phase;
	run.phase_ns = run.now_ns;
}

static void begin_measuring(void)
{
	enter(PHASE_MEASURE);
	histogram_reset(&run.latency);
	run.handshakes = 0;
	run.resumed = 0;
	run.in_bytes = 0;
	run.out_bytes = 0;
	run.cpu_s = relay_cpu_s();
}

static void end_measuring(void)
{
	run.cpu_s = relay_cpu_s() - run.cpu_s;
	opt.seconds = (double)(run.now_ns - run.phase_ns) / 1e9;
	enter(PHASE_DONE);
}

static void tick(void)
{
	double passed_s = (double)(run.now_ns - run.phase_ns) / 1e9;

	if (run.phase == PHASE_SETUP && run.up >= opt.connections)
		enter(PHASE_WARMUP);
	else if (run.phase == PHASE_SETUP && passed_s > SETUP_MAX_S)
		kit_die("only %u of %u connections came up", run.up, opt.connections);
	else if (run.phase == PHASE_WARMUP && passed_s >= opt.warmup_s)
		begin_measuring();
	else if (run.phase == PHASE_MEASURE && passed_s >= opt.seconds)
		end_measuring();
	if (!run.open && run.dialled == opt.connections && opt.task != TASK_EXCHANGE)
		kit_die("every connection failed");
}

static void redial_failed(void)
{
	for (uint32_t i = 0; i < run.dialled; i++)
		if (run.conns[i].flow.fd < 0)
			conn_dial(&run.conns[i]);
}

/* Who resumes needs one whole handshake before the others. */
static uint32_t dialing_max(void)
{
	return opt.resumes && !secure_has_ticket() ? 1 : DIALING_MAX;
}

static void turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	if (opt.task == TASK_EXCHANGE && run.open < run.dialled)
		redial_failed();
	while (run.dialled < opt.connections && run.dialing < dialing_max())
		conn_dial(&run.conns[run.dialled++]);
	n = flow_wait(events, EVENTS_MAX, TICK_MS);
	for (int i = 0; i < n; i++)
		conn_on_event(events[i].data.ptr, events[i].events);
	run.now_ns = kit_now_ns();
	tick();
}

static void print_result(void)
{
	const struct histogram *h = &run.latency;

	printf("{\"task\": \"%s\", \"connections\": %u, \"seconds\": %.6f, \"exchanges\": %llu, "
	       "\"handshakes\": %llu, \"resumed\": %llu, \"in_bytes\": %llu, \"out_bytes\": %llu, "
	       "\"failures\": %llu, \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, "
	       "\"mean_us\": %.2f, \"cpu_s\": %.9f}\n",
	       task_names[opt.task], opt.connections, opt.seconds,
	       (unsigned long long)(is_asking() ? h->count : 0), (unsigned long long)run.handshakes,
	       (unsigned long long)run.resumed, (unsigned long long)run.in_bytes,
	       (unsigned long long)run.out_bytes, (unsigned long long)run.failures,
	       (double)histogram_quantile_ns(h, 0.5) / 1e3,
	       (double)histogram_quantile_ns(h, 0.99) / 1e3, (double)h->max_ns / 1e3,
	       h->count ? (double)h->sum_ns / (double)h->count / 1e3 : 0.0, run.cpu_s);
	fflush(stdout);
}

static bool stdin_ended(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* Everything is up and has had its exchange: say so, then stay until told to go. */
static void hold(void)
{
	while (run.phase == PHASE_SETUP)
		turn();
	printf("holding %u\n", run.up);
	fflush(stdout);
	enter(PHASE_DONE);
	while (!stdin_ended())
		turn();
	opt.seconds = 0;
	print_result();
}

static void measure(void)
{
	while (run.phase != PHASE_DONE)
		turn();
	print_result();
}

/* ---- command line -------------------------------------------------------- */

static const char usage[] =
	"usage: load serve --listen ADDRESS [--work answer|echo|source|sink] [options]\n"
	"       load pingpong|exchange|down|up|hold --to ADDRESS [options]\n"
	"\n"
	"ADDRESS: 127.0.0.1:80, [::1]:80 or unix:/path; port 0 lets the kernel choose. serve\n"
	"prints \"listening ADDRESS\" and runs until it is stopped. What it does:\n"
	"  answer    --answer bytes for each --request bytes (the default)\n"
	"  echo      as many bytes as come\n"
	"  source    bytes without end         sink      swallows bytes\n"
	"\n"
	"The clients, all of them a closed loop:\n"
	"  pingpong  request, answer, request ... on connections that stay (to answer)\n"
	"  exchange  one request and answer, close, a new connection (to answer)\n"
	"  down      receive all one can (from source)\n"
	"  up        send all one can (to sink)\n"
	"  hold      one exchange on each connection, then print \"holding N\" and stay idle\n"
	"            until stdin ends (to answer)\n"
	"\n"
	"  --tls VERSION      speak TLS 1.2 or 1.3: AES-128-GCM, X25519, any certificate; bytes\n"
	"                     are those inside, and close_notify goes before a close\n"
	"  --groups LIST      of key exchange, as OpenSSL names them, instead of X25519\n"
	"  --resume           every connection but the first resumes, with the newest ticket\n"
	"  --connections N    at the same time (64)\n"
	"  --request BYTES    (128)         --answer BYTES     (1024)\n"
	"  --seconds S        to measure (3), after\n"
	"  --warmup S         of the same with every connection up (0.5)\n"
	"  --cpu-of PID,...   processes whose CPU time is read at both ends of the measurement\n"
	"  --verify           compare every byte received; serve ends at the first wrong one\n"
	"  --lifetime S       end by SIGALRM after so long, whatever happens (3600)\n"
	"\n"
	"Prints one line of JSON: seconds as measured; exchanges and bytes within them;\n"
	"handshakes of TLS, counted when something comes through, and those that resumed;\n"
	"times in microseconds from the request (exchange: from connect) to the last byte of\n"
	"the answer, p50, p99, max and mean; cpu_s, the CPU time of --cpu-of, all threads,\n"
	"kernel workers of io_uring included; failures, connections that broke, from the\n"
	"start on.\n"
	"Exit 0: measured. Exit 2: it could not be.\n";

static const struct option long_options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "work", required_argument, NULL, 'k' },
	{ "to", required_argument, NULL, 't' },
	{ "connections", required_argument, NULL, 'c' },
	{ "request", required_argument, NULL, 'q' },
	{ "answer", required_argument, NULL, 'a' },
	{ "seconds", required_argument, NULL, 's' },
	{ "warmup", required_argument, NULL, 'w' },
	{ "tls", required_argument, NULL, 'T' },
	{ "groups", required_argument, NULL, 'g' },
	{ "resume", no_argument, NULL, 'r' },
	{ "cpu-of", required_argument, NULL, 'p' },
	{ "verify", no_argument, NULL, 'v' },
	{ "lifetime", required_argument, NULL, 'L' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

NORETURN static void print_usage(FILE *to)
{
	fputs(usage, to);
	exit(to == stdout ? 0 : KIT_EXIT_TROUBLE);
}

static unsigned find_name(const char *what, const char *name, const char *const *names,
			  unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (names[i] && strcmp(name, names[i]) == 0)
			return i;
	kit_die("%s: no such %s; see --help", name, what);
}

static void add_pids(char *list)
{
	const char *pid;

	while ((pid = strsep(&list, ","))) {
		uint64_t n = kit_number("cpu-of", pid, 1, 1 << 30);

		if (opt.pids == PIDS_MAX)
			kit_die("--cpu-of: %d at most", PIDS_MAX);
		if (clock_getcpuclockid((pid_t)n, &opt.cpu_clocks[opt.pids]) != 0)
			kit_die("--cpu-of %s: no such process", pid);
		opt.pids++;
	}
}

static void set_option(int c)
{
	switch (c) {
	case 'l':
		opt.listen = net_parse(optarg);
		break;
	case 'k':
		opt.work = find_name("work", optarg, work_names, WORKS);
		break;
	case 't':
		opt.to = net_parse(optarg);
		break;
	case 'c':
		opt.connections = (uint32_t)kit_number("connections", optarg, 1, 1000000);
		break;
	case 'q':
		opt.request_bytes = kit_number("request", optarg, 1, 1 << 30);
		break;
	case 'a':
		opt.answer_bytes = kit_number("answer", optarg, 1, 1 << 30);
		break;
	case 's':
		opt.seconds = kit_seconds("seconds", optarg);
		break;
	case 'w':
		opt.warmup_s = kit_seconds("warmup", optarg);
		break;
	case 'T':
		opt.tls = optarg;
		break;
	case 'g':
		opt.groups = optarg;
		break;
	case 'r':
		opt.resumes = true;
		break;
	case 'p':
		add_pids(optarg);
		break;
	case 'v':
		opt.verify = true;
		break;
	case 'L':
		opt.lifetime_s = (unsigned)kit_number("lifetime", optarg, 1, 1000000);
		break;
	default:
		print_usage(c == 'h' ? stdout : stderr);
	}
}

static void read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		set_option(c);
	if (optind != argc - 1)
		print_usage(stderr);
	opt.task = find_name("task", argv[optind], task_names, ARRAY_LEN(task_names));
	if (opt.task == TASK_SERVE && opt.tls)
		kit_die("--tls is for clients");
	if (!(opt.task == TASK_SERVE ? opt.listen.len : opt.to.len))
		kit_die("%s: where? (%s)", task_names[opt.task],
			opt.task == TASK_SERVE ? "--listen" : "--to");
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	alarm(opt.lifetime_s);
	kit_raise_nofile();
	flow_init(opt.verify);
	if (opt.tls)
		secure_init(opt.tls, opt.groups, opt.resumes);
	if (opt.task == TASK_SERVE)
		serve();
	run.conns = kit_alloc(opt.connections, sizeof(*run.conns));
	run.now_ns = kit_now_ns();
	enter(PHASE_SETUP);
	if (opt.task == TASK_HOLD)
		hold();
	else
		measure();
	return 0;
}
