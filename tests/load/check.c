/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * check: is a relay true to its bytes? The program is both the clients in
 * front of the relay and the backend behind it:
 *
 *      client ends --(--to)--> the relay --(--listen)--> backend ends
 *
 * Every end sends a stream of its own, known byte by byte from the seed, in
 * writes of random sizes with pauses, and ends it with a FIN or, for a share
 * of them, with a RST. The first sixteen bytes of a stream say whose it is;
 * that is how the two ends of a session find each other. What must hold:
 *
 *   - what arrives is an exact prefix of what the other end sent;
 *   - a FIN arrives only after a FIN was sent, and after all the bytes;
 *   - a RST arrives as a RST, and only where one was sent;
 *   - no session reaches two backend ends; none is forgotten.
 */

#include "kit/end.h"
#include "kit/kit.h"
#include "kit/net.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define LISTENERS_MAX 8
#define EVENTS_MAX 256
#define STRAYS_MAX 1024            /* connections to the backend that bring no stream of ours */
#define STRAY_GRACE_NS 5000000000u /* how long the relay may take to drop them at the end */
#define TURN_MAX_NS 20000000u

static struct options {
	struct net_addr to, listen[LISTENERS_MAX];
	size_t listeners;
	uint32_t sessions, concurrency;
	double timeout_s;
	bool aborts_as_fin, faults;
} opt = { .sessions = 300, .concurrency = 100, .timeout_s = 60 };

static struct ends ends = { .seed = 1, .bytes_max = 1 << 20, .pause_ms = 5 };
static int listeners[LISTENERS_MAX];

/* ---- the run ------------------------------------------------------------- */

/* All before *@first are finished and not looked at again. */
static uint64_t resume(struct end *list, uint32_t count, uint32_t *first, uint64_t wait_ns)
{
	while (*first < count && list[*first].finished)
		++*first;
	for (uint32_t i = *first; i < count; i++)
		if (!list[i].finished)
			wait_ns = end_resume(&list[i], wait_ns);
	return wait_ns;
}

static void accept_all(int listener)
{
	int fd;

	while ((fd = net_accept(listener)) >= 0)
		end_accept(&ends, fd);
	if (fd != -EAGAIN)
		kit_die("accept: %s", strerror(-fd));
}

static bool is_listener(const void *what)
{
	return (const int *)what >= listeners && (const int *)what < listeners + LISTENERS_MAX;
}

static void turn(void)
{
	static uint32_t first_client, first_backend;
	struct epoll_event events[EVENTS_MAX];
	uint64_t wait_ns = TURN_MAX_NS;
	int n;

	ends.now_ns = kit_now_ns();
	while (ends.clients_known < opt.sessions && ends.clients_open < opt.concurrency)
		end_dial(&ends, &opt.to);
	wait_ns = resume(ends.clients, ends.clients_known, &first_client, wait_ns);
	wait_ns = resume(ends.backends, ends.backends_known, &first_backend, wait_ns);
	n = epoll_wait(ends.poller, events, EVENTS_MAX, (int)(wait_ns / 1000000));
	ends.now_ns = kit_now_ns();
	for (int i = 0; i < n; i++) {
		if (is_listener(events[i].data.ptr))
			accept_all(*(int *)events[i].data.ptr);
		else
			end_on_event(events[i].data.ptr, events[i].events);
	}
}

/* Backend ends that belong to a session and are not through with it. */
static bool has_paired_backend(void)
{
	for (uint32_t i = 0; i < ends.backends_known; i++)
		if (!ends.backends[i].finished && ends.backends[i].peer)
			return true;
	return false;
}

static void run(uint64_t deadline_ns)
{
	uint64_t grace_ns;

	do {
		turn();
	} while (ends.now_ns < deadline_ns &&
		 (ends.clients_known < opt.sessions || ends.clients_open || has_paired_backend()));
	grace_ns = MIN(deadline_ns, ends.now_ns + STRAY_GRACE_NS);
	while (ends.backends_open && ends.now_ns < grace_ns)
		turn();
}

/* ---- the verdict --------------------------------------------------------- */

struct totals {
	unsigned complete, refused, reset, aborted, wrong, stuck, strays, strays_with_fin;
	unsigned aborts_seen_as_reset, aborts_seen_as_fin;
	uint64_t bytes_up, bytes_down;
};

/* How an abort looked from the other end; it may have been through before, or never begun. */
static void totals_abort(struct totals *t, const struct end *e)
{
	if (!e || !e->aborted || !e->peer)
		return;
	if (e->peer->got_fin_for_abort)
		t->aborts_seen_as_fin++;
	else if (e->peer->got_reset)
		t->aborts_seen_as_reset++;
}

static void totals_session(struct totals *t, const struct end *client)
{
	const struct end *backend = client->peer;

	t->bytes_down += client->received;
	t->bytes_up += backend ? backend->received : 0;
	totals_abort(t, client);
	totals_abort(t, backend);
	if (client->wrong || (backend && backend->wrong))
		t->wrong++;
	else if (!client->finished || (backend && !backend->finished))
		t->stuck++;
	else if (client->aborted || (backend && backend->aborted))
		t->aborted++;
	else if (!backend && client->got_reset)
		t->refused++;
	else if (client->got_reset || backend->got_reset)
		t->reset++;
	else
		t->complete++;
}

static void totals_all(struct totals *t)
{
	for (uint32_t i = 0; i < ends.clients_known; i++)
		totals_session(t, &ends.clients[i]);
	t->stuck += opt.sessions - ends.clients_known;
	for (uint32_t i = 0; i < ends.backends_known; i++) {
		const struct end *e = &ends.backends[i];

		if (e->peer)
			continue;
		t->strays++;
		t->strays_with_fin += e->got_fin && !e->received;
		t->aborts_seen_as_fin += e->got_fin_for_abort;
		t->wrong += e->wrong;
		t->stuck += !e->finished;
	}
}

static bool totals_holds(const struct totals *t)
{
	if (t->wrong || t->stuck)
		return false;
	if (!opt.faults && (t->refused || t->reset))
		return false;
	return opt.aborts_as_fin || !t->aborts_seen_as_fin;
}

static void totals_print(const struct totals *t, double seconds)
{
	printf("{\"verdict\": \"%s\", \"sessions\": %u, \"complete\": %u, \"aborted\": %u, "
	       "\"refused\": %u, \"reset\": %u, \"wrong\": %u, \"stuck\": %u, "
	       "\"aborts_seen_as_reset\": %u, \"aborts_seen_as_fin\": %u, \"strays\": %u, "
	       "\"strays_with_fin\": %u, "
	       "\"bytes_up\": %llu, \"bytes_down\": %llu, \"seconds\": %.3f, \"seed\": %llu}\n",
	       totals_holds(t) ? "holds" : "broken", opt.sessions, t->complete, t->aborted,
	       t->refused, t->reset, t->wrong, t->stuck, t->aborts_seen_as_reset,
	       t->aborts_seen_as_fin, t->strays, t->strays_with_fin,
	       (unsigned long long)t->bytes_up, (unsigned long long)t->bytes_down, seconds,
	       (unsigned long long)ends.seed);
}

/* ---- command line -------------------------------------------------------- */

static const char usage[] =
	"usage: check --to ADDRESS --listen ADDRESS [--listen ADDRESS ...] [options]\n"
	"\n"
	"Sends seeded sessions through a relay to its own backend and compares every byte.\n"
	"ADDRESS: 127.0.0.1:80, [::1]:80 or unix:/path. --to is the relay, --listen the\n"
	"backend (repeat it for a pool); a relay must be running before check starts, so\n"
	"--listen wants a port that its configuration names.\n"
	"\n"
	"  --sessions N        in all (300)\n"
	"  --concurrency N     at the same time (100)\n"
	"  --bytes-max N       of one direction of a session; sizes from 16, small ones\n"
	"                      as likely as big ones (1048576)\n"
	"  --aborts PERCENT    of the sessions one end of which sends a RST (0)\n"
	"  --aborts-as-fin     a FIN in place of a RST is counted but not held against the relay\n"
	"  --faults            somebody breaks things meanwhile: refused and reset sessions are\n"
	"                      no offence, wrong bytes are\n"
	"  --pause MS          the longest of the random pauses between reads and writes (5)\n"
	"  --seed N            of everything random (1)\n"
	"  --timeout SECONDS   what is not through by then is stuck (60)\n"
	"\n"
	"Prints \"listening ADDRESS\" for each backend address, at the end one line of JSON.\n"
	"Of every session one thing is true: complete (both streams whole, both FINs in their\n"
	"place), aborted (one of our ends sent a RST), refused (closed before the first byte),\n"
	"reset (cut off later), wrong (a byte, a FIN or a connection that must not be; the first\n"
	"ten are explained on stderr) or stuck. aborts_seen_as_reset and _as_fin tell what the\n"
	"other end saw of an abort; the rest were over before or never reached the backend.\n"
	"strays are connections to the backend that brought no stream: the rest of an early\n"
	"abort, or a health check; strays_with_fin of them ended with a FIN.\n"
	"Exit 0: no session is wrong or stuck, none refused or reset (but see --faults), and no\n"
	"RST became a FIN (but see --aborts-as-fin). Exit 1: not so. Exit 2: check cannot work.\n";

static const struct option long_options[] = {
	{ "to", required_argument, NULL, 't' },
	{ "listen", required_argument, NULL, 'l' },
	{ "sessions", required_argument, NULL, 'n' },
	{ "concurrency", required_argument, NULL, 'c' },
	{ "bytes-max", required_argument, NULL, 'b' },
	{ "aborts", required_argument, NULL, 'a' },
	{ "aborts-as-fin", no_argument, NULL, 'A' },
	{ "faults", no_argument, NULL, 'f' },
	{ "pause", required_argument, NULL, 'p' },
	{ "seed", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void add_listener(const char *text)
{
	if (opt.listeners == LISTENERS_MAX)
		kit_die("--listen: %d at most", LISTENERS_MAX);
	opt.listen[opt.listeners++] = net_parse(text);
}

static void set_option(int c)
{
	switch (c) {
	case 't':
		opt.to = net_parse(optarg);
		break;
	case 'l':
		add_listener(optarg);
		break;
	case 'n':
		opt.sessions = (uint32_t)kit_number("sessions", optarg, 1, 10000000);
		break;
	case 'c':
		opt.concurrency = (uint32_t)kit_number("concurrency", optarg, 1, 100000);
		break;
	case 'b':
		ends.bytes_max = kit_number("bytes-max", optarg, END_HEAD_BYTES, 1ull << 40);
		break;
	case 'a':
		ends.aborts_percent = (unsigned)kit_number("aborts", optarg, 0, 100);
		break;
	case 'A':
		opt.aborts_as_fin = true;
		break;
	case 'f':
		opt.faults = true;
		break;
	case 'p':
		ends.pause_ms = kit_number("pause", optarg, 0, 60000);
		break;
	case 's':
		ends.seed = kit_number("seed", optarg, 0, UINT64_MAX);
		break;
	case 'T':
		opt.timeout_s = kit_seconds("timeout", optarg);
		break;
	default:
		fputs(usage, c == 'h' ? stdout : stderr);
		exit(c == 'h' ? 0 : KIT_EXIT_TROUBLE);
	}
}

static void read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		set_option(c);
	if (optind < argc || !opt.to.len || !opt.listeners)
		set_option('?');
	if (!ends.aborts_percent)
		return;
	/* A unix socket knows no RST: neither could be told from a FIN. */
	for (size_t i = 0; i < opt.listeners; i++)
		if (net_is_unix(&opt.to) || net_is_unix(&opt.listen[i]))
			kit_die("--aborts: not with unix sockets");
}

int main(int argc, char **argv)
{
	struct totals totals = { .complete = 0 };
	uint64_t start_ns;

	read_options(argc, argv);
	kit_raise_nofile();
	ends.clients_max = opt.sessions;
	ends.backends_max = opt.sessions + STRAYS_MAX;
	ends.clients = kit_alloc(ends.clients_max, sizeof(struct end));
	ends.backends = kit_alloc(ends.backends_max, sizeof(struct end));
	ends.poller = epoll_create1(EPOLL_CLOEXEC);
	if (ends.poller < 0)
		kit_die("epoll_create1: %s", strerror(errno));
	for (size_t i = 0; i < opt.listeners; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listeners[i] };

		listeners[i] = net_listen(&opt.listen[i]);
		if (epoll_ctl(ends.poller, EPOLL_CTL_ADD, listeners[i], &event) < 0)
			kit_die("epoll_ctl: %s", strerror(errno));
	}

	start_ns = kit_now_ns();
	run(start_ns + (uint64_t)(opt.timeout_s * 1e9));
	totals_all(&totals);
	totals_print(&totals, (double)(kit_now_ns() - start_ns) / 1e9);
	return totals_holds(&totals) ? 0 : 1;
}
