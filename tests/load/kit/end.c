/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "end.h"

#include "kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WRITE_MAX_BYTES (256 * 1024)
#define READ_MAX_BYTES (64 * 1024)
#define COMPLAINTS_MAX 10

/* ---- streams ------------------------------------------------------------- */

static uint64_t stream_word(const struct end *e, uint64_t index)
{
	if (index == 0)
		return (uint64_t)e->role << 32 | e->number;
	return kit_mix(e->key + index);
}

static void stream_fill(const struct end *from, uint64_t offset, uint8_t *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		uint64_t word = stream_word(from, (offset + done) / sizeof(word));
		size_t skip = (offset + done) % sizeof(word);
		size_t part = MIN(sizeof(word) - skip, n - done);

		memcpy(bytes + done, (uint8_t *)&word + skip, part);
		done += part;
	}
}

/* ---- what is wrong ------------------------------------------------------- */

static void complain(struct end *e, const char *what)
{
	static const char *const role_names[] = { "client", "backend" };

	e->wrong = true;
	if (e->all->complaints++ >= COMPLAINTS_MAX)
		return;
	fprintf(stderr, "check: %s %u (the other end: %d): %s; sent %llu of %llu, received %llu\n",
		role_names[e->role], e->number, e->peer ? (int)e->peer->number : -1, what,
		(unsigned long long)e->sent, (unsigned long long)e->plan_bytes,
		(unsigned long long)e->received);
}

/* ---- an end's life ------------------------------------------------------- */

static struct end *end_init(struct ends *all, struct end *e, enum end_role role, uint32_t number)
{
	uint64_t key = kit_mix(all->seed * 2 + role) ^ kit_mix(number);

	*e = (struct end){
		.all = all,
		.role = role,
		.number = number,
		.fd = -1,
		.key = kit_mix(key),
		.seed = kit_mix(key + 1),
		.abort_at = END_NEVER,
	};
	e->plan_bytes = kit_random_size(&e->seed, END_HEAD_BYTES, all->bytes_max);
	e->may_speak_first = role == END_CLIENT || kit_random(&e->seed) % 2;
	return e;
}

/* Sooner or later, sometimes only when its own FIN is out; then the session may end before. */
static void end_plan_abort(struct end *e)
{
	e->abort_at = kit_random(&e->seed) % (e->plan_bytes + e->plan_bytes / 4 + 1);
}

/* Half of the aborts are the backend's, which can plan them only when it knows the session. */
static bool session_is_aborted_by(const struct ends *all, uint32_t number, enum end_role role)
{
	uint64_t dice = kit_mix(all->seed + kit_mix(number + 1));

	return dice % 100 < all->aborts_percent && (dice >> 32) % 2 == (unsigned)role;
}

static void end_watch(struct end *e, uint32_t interest)
{
	struct epoll_event event = { .events = interest, .data.ptr = e };

	if (interest == e->interest)
		return;
	if (epoll_ctl(e->all->poller, EPOLL_CTL_MOD, e->fd, &event) < 0)
		kit_die("epoll_ctl: %s", strerror(errno));
	e->interest = interest;
}

static void end_open(struct end *e, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = e };

	e->fd = fd;
	e->interest = event.events;
	if (epoll_ctl(e->all->poller, EPOLL_CTL_ADD, fd, &event) < 0)
		kit_die("epoll_ctl: %s", strerror(errno));
}

static void end_finish(struct end *e, bool with_reset)
{
	if (e->fd >= 0 && with_reset)
		net_abort(e->fd);
	else if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	e->finished = true;
	*(e->role == END_CLIENT ? &e->all->clients_open : &e->all->backends_open) -= 1;
}

static void end_abort(struct end *e)
{
	e->aborted = true;
	end_finish(e, true);
}

/* The session's style and fate come from the client's number. */
static void backend_learn(struct end *e)
{
	e->style = e->peer->style;
	if (session_is_aborted_by(e->all, e->peer->number, END_BACKEND))
		end_plan_abort(e);
}

/* Both learn of each other from the head that arrives first; the second one must agree. */
static bool end_pair(struct end *e)
{
	struct ends *all = e->all;
	struct end *peer;
	uint64_t who;

	memcpy(&who, e->head, sizeof(who));
	if (who >> 32 == e->role || who >> 32 > END_BACKEND)
		return false;
	if ((uint32_t)who >= (e->role == END_CLIENT ? all->backends_known : all->clients_known))
		return false;
	peer = (e->role == END_CLIENT ? all->backends : all->clients) + (uint32_t)who;
	if ((e->peer && e->peer != peer) || (peer->peer && peer->peer != e))
		return false;
	if (e->peer)
		return true;

	e->peer = peer;
	peer->peer = e;
	backend_learn(e->role == END_CLIENT ? peer : e);
	return true;
}

/* ---- receiving ----------------------------------------------------------- */

static void end_compare(struct end *e, const uint8_t *bytes, uint64_t offset, size_t n)
{
	static uint8_t expected[READ_MAX_BYTES];

	stream_fill(e->peer, offset, expected, n);
	if (memcmp(expected, bytes, n) != 0)
		complain(e, "bytes that were not sent, or not in this order");
	else if (offset + n > e->peer->sent)
		complain(e, "more bytes than were sent");
}

static void end_take(struct end *e, const uint8_t *bytes, size_t n)
{
	size_t part = 0;

	if (e->received < END_HEAD_BYTES) {
		part = MIN(n, (size_t)(END_HEAD_BYTES - e->received));
		memcpy(e->head + e->received, bytes, part);
		e->received += part;
		if (e->received < END_HEAD_BYTES)
			return;
		if (!end_pair(e)) {
			complain(e, "a stream of nobody, or of another session");
			return;
		}
		end_compare(e, e->head, 0, END_HEAD_BYTES);
	}
	end_compare(e, bytes + part, e->received, n - part);
	e->received += n - part;
}

/*
 * A backend end that got no byte may belong to nobody. One that got less than
 * a head was cut off there by an abort: every whole stream has one.
 */
static void end_take_fin(struct end *e)
{
	const struct end *peer = e->peer;

	e->got_fin = true;
	if (!peer && e->role == END_BACKEND && e->received == 0)
		return;
	if (peer && peer->sent_fin && e->received == peer->plan_bytes)
		return;
	if (peer ? peer->aborted : e->role == END_BACKEND && e->all->aborts_percent)
		e->got_fin_for_abort = true;
	else
		complain(e, "a FIN before the end of the stream");
}

/* Gives the end of a pause, 0 for none; there is one with a chance of one in @odds. */
static uint64_t end_pause(struct end *e, unsigned odds)
{
	const struct ends *all = e->all;

	if (!all->pause_ms || kit_random(&e->seed) % odds)
		return 0;
	return all->now_ns + kit_random(&e->seed) % (all->pause_ms * 1000000);
}

/* Reads until there is nothing for now, end or error; a pause stops it before. */
static void end_read(struct end *e)
{
	static uint8_t bytes[READ_MAX_BYTES];

	while (!e->got_fin && !e->wrong && e->all->now_ns >= e->read_after_ns) {
		size_t room = kit_random_size(&e->seed, READ_MAX_BYTES / 64, READ_MAX_BYTES);
		ssize_t n = recv(e->fd, bytes, room, 0);

		if (n > 0) {
			end_take(e, bytes, (size_t)n);
			e->read_after_ns = e->got_reset ? 0 : end_pause(e, 16);
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else if (n < 0) {
			e->got_reset = true;
			return;
		} else if (e->got_reset) {
			return; /* the error was told before; this is no FIN */
		} else {
			end_take_fin(e);
		}
	}
}

/* ---- sending ------------------------------------------------------------- */

/* How far the stream may go for now. */
static uint64_t end_send_limit(const struct end *e)
{
	enum end_style holds = e->role == END_CLIENT ? END_CLIENT_HOLDS : END_BACKEND_HOLDS;

	if (e->peer || e->role == END_CLIENT) {
		if (e->style != holds || e->got_fin)
			return e->plan_bytes;
		return e->role == END_CLIENT ? END_HEAD_BYTES : 0;
	}
	return e->may_speak_first ? e->plan_bytes : 0;
}

/* Ends the current write: the next one gets a size of its own, and perhaps a pause before it. */
static void end_wrote(struct end *e)
{
	e->write_left = 0;
	e->send_after_ns = end_pause(e, 4);
}

/* One send. False when the end must wait, for whatever reason. */
static bool end_send_some(struct end *e, uint64_t limit)
{
	static uint8_t bytes[WRITE_MAX_BYTES];
	size_t n;
	ssize_t sent;

	if (e->write_left == 0)
		e->write_left = kit_random_size(&e->seed, 1, WRITE_MAX_BYTES);
	n = MIN(e->write_left, limit - e->sent);
	stream_fill(e, e->sent, bytes, n);
	sent = send(e->fd, bytes, n, MSG_NOSIGNAL);
	if (sent < 0) {
		e->send_blocked = errno == EAGAIN;
		e->got_reset |= errno != EAGAIN;
		return false;
	}
	e->sent += (uint64_t)sent;
	e->write_left -= (uint64_t)sent;
	e->send_blocked = (size_t)sent < n;
	if (e->write_left == 0)
		end_wrote(e);
	return !e->send_blocked;
}

static void end_send(struct end *e)
{
	uint64_t limit = end_send_limit(e);

	if (e->abort_at != END_NEVER)
		limit = MIN(limit, MAX(e->abort_at, e->sent));
	while (e->sent < limit && e->all->now_ns >= e->send_after_ns)
		if (!end_send_some(e, limit))
			return;
	if (e->sent < e->plan_bytes || e->sent_fin || e->all->now_ns < e->send_after_ns)
		return;
	e->sent_fin = true;
	if (shutdown(e->fd, SHUT_WR) < 0)
		e->got_reset = true;
}

/* ---- turning ------------------------------------------------------------- */

static bool end_wants_to_send(const struct end *e)
{
	return !e->sent_fin && e->sent < end_send_limit(e) && e->all->now_ns >= e->send_after_ns;
}

/* A backend end that never learns whose it is has nobody to talk to. */
static bool end_is_through(const struct end *e)
{
	return e->got_fin && (e->sent_fin || (e->role == END_BACKEND && !e->peer));
}

static void end_step(struct end *e)
{
	uint32_t interest = 0;

	end_read(e);
	if (!e->got_reset && !e->wrong)
		end_send(e);
	if (e->got_reset) {
		e->read_after_ns = 0;
		end_read(e); /* what came before the reset still counts */
	}
	if (!e->got_reset && e->sent + e->received >= e->abort_at)
		end_abort(e);
	else if (e->wrong)
		end_finish(e, true);
	else if (e->got_reset || end_is_through(e))
		end_finish(e, false);
	if (e->finished)
		return;

	if (!e->got_fin && e->all->now_ns >= e->read_after_ns)
		interest |= EPOLLIN;
	if (e->send_blocked && end_wants_to_send(e))
		interest |= EPOLLOUT;
	end_watch(e, interest);
}

/* EPOLLERR is reported whether one listens or not: it ends every pause. */
void end_on_event(struct end *e, uint32_t events)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (e->finished)
		return;
	if (events & EPOLLOUT)
		e->send_blocked = false;
	if (events & (EPOLLERR | EPOLLHUP))
		e->read_after_ns = 0;
	end_read(e);
	/* Behind a FIN recv(2) does not tell of a RST any more. */
	if (e->got_fin && (events & EPOLLERR) &&
	    getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err)
		e->got_reset = true;
	end_step(e);
}

void end_dial(struct ends *all, const struct net_addr *to)
{
	uint32_t number = all->clients_known++;
	struct end *e = end_init(all, &all->clients[number], END_CLIENT, number);
	uint64_t dice = kit_random(&e->seed) % 6;
	int fd = net_dial(to);

	e->style = dice < 2 ? END_BACKEND_HOLDS : dice < 3 ? END_CLIENT_HOLDS : END_BOTH_TALK;
	if (session_is_aborted_by(all, number, END_CLIENT))
		end_plan_abort(e);
	all->clients_open++;
	if (fd >= 0) {
		end_open(e, fd);
	} else {
		e->got_reset = true;
		end_finish(e, false);
	}
}

void end_accept(struct ends *all, int fd)
{
	uint32_t number = all->backends_known++;

	if (number >= all->backends_max)
		kit_die("more than %u connections reached the backend", number);
	all->backends_open++;
	end_open(end_init(all, &all->backends[number], END_BACKEND, number), fd);
}

uint64_t end_resume(struct end *e, uint64_t wait_ns)
{
	bool is_due = !e->send_blocked && end_wants_to_send(e);

	if (e->read_after_ns && e->all->now_ns >= e->read_after_ns) {
		e->read_after_ns = 0;
		is_due = true;
	}
	if (e->send_after_ns && e->all->now_ns >= e->send_after_ns) {
		e->send_after_ns = 0;
		is_due = true;
	}
	if (is_due)
		end_step(e);
	if (e->read_after_ns > e->all->now_ns)
		wait_ns = MIN(wait_ns, e->read_after_ns - e->all->now_ns);
	if (e->send_after_ns > e->all->now_ns)
		wait_ns = MIN(wait_ns, e->send_after_ns - e->all->now_ns);
	return wait_ns;
}
