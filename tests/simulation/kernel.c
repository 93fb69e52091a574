/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "simulation.h"

#include <poll.h>
#include <sys/resource.h>

static void receive_fails(struct simulation *sim, struct io_op *op)
{
	const int gentle[] = { -EINTR, -EAGAIN, -ENOBUFS, -ECANCELED };
	const int rough[] = { -ECONNRESET, -ETIMEDOUT, -EPIPE };
	int err = gentle[below(sim, ARRAY_LEN(gentle))];

	if (!sim->is_gentle && one_in(sim, 20))
		err = rough[below(sim, ARRAY_LEN(rough))];
	fake_complete(op, err, 0);
}

static void send_fails(struct simulation *sim, struct io_op *op)
{
	const int rough[] = { -ECONNRESET, -ETIMEDOUT, -EPIPE };
	struct pollfd p = { .fd = fake_request_of(op).fd, .events = POLLOUT };

	if (!sim->is_gentle && one_in(sim, 20))
		fake_complete(op, rough[below(sim, ARRAY_LEN(rough))], 0);
	else if (one_in(sim, 2))
		fake_complete(op, one_in(sim, 2) ? -EINTR : 0, 0);
	else if (poll(&p, 1, 0) == 1 && p.revents == POLLOUT)
		fake_send_part(op, 1 + below(sim, 5000));
}

static void connect_fails(struct simulation *sim, struct io_op *op)
{
	const int errors[] = { -ECONNREFUSED, -ETIMEDOUT, -EADDRNOTAVAIL, -ENETUNREACH };

	if (!sim->is_gentle)
		fake_complete(op, errors[below(sim, ARRAY_LEN(errors))], 0);
}

static void accept_fails(struct simulation *sim, struct io_op *op)
{
	const int errors[] = { -EMFILE, -ECONNABORTED, -EINTR, -ENFILE, -EAGAIN };

	fake_complete(op, errors[below(sim, ARRAY_LEN(errors))], 0);
}

static void something_goes_wrong(struct simulation *sim, const struct fake_request *r)
{
	switch (r->kind) {
	case FAKE_RECV:
		receive_fails(sim, r->op);
		break;
	case FAKE_SEND:
		send_fails(sim, r->op);
		break;
	case FAKE_CONNECT:
		connect_fails(sim, r->op);
		break;
	case FAKE_ACCEPT:
		accept_fails(sim, r->op);
		break;
	default:
		break;
	}
}

void a_request_completes(struct simulation *sim)
{
	struct fake_request r;

	if (fake_requests() == 0)
		return;
	r = fake_request_at(below(sim, fake_requests()));
	if (one_in(sim, 12))
		something_goes_wrong(sim, &r);
	else
		fake_perform(r.op);
}

void an_inbox_fills(struct simulation *sim)
{
	const struct message nothing = { .kind = MESSAGE_ORDER };

	while (inbox_send(sim->st->inbox_fds[below(sim, sim->st->workers_n)], &nothing) == 0)
		continue;
}

/* No more than there are now; those that are closed meanwhile can be had again. */
void files_run_out(struct simulation *sim)
{
	unsigned n = 1 + below(sim, 20);
	struct rlimit before, none;
	int next;

	if (sim->is_gentle && sim->may_refuse)
		return;
	next = dup(STDIN_FILENO);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (; n > 0; n--)
		a_request_completes(sim);
	bed_turn(sim->st);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}
