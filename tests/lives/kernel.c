/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "life.h"

#include <poll.h>
#include <sys/resource.h>

static void receive_fails(struct life *l, struct io_op *op)
{
	const int gentle[] = { -EINTR, -EAGAIN, -ENOBUFS, -ECANCELED };
	const int rough[] = { -ECONNRESET, -ETIMEDOUT, -EPIPE };
	int err = gentle[below(l, ARRAY_LEN(gentle))];

	if (!l->is_gentle && one_in(l, 20))
		err = rough[below(l, ARRAY_LEN(rough))];
	fake_complete(op, err, 0);
}

static void send_fails(struct life *l, struct io_op *op)
{
	const int rough[] = { -ECONNRESET, -ETIMEDOUT, -EPIPE };
	struct pollfd p = { .fd = fake_request_of(op).fd, .events = POLLOUT };

	if (!l->is_gentle && one_in(l, 20))
		fake_complete(op, rough[below(l, ARRAY_LEN(rough))], 0);
	else if (one_in(l, 2))
		fake_complete(op, one_in(l, 2) ? -EINTR : 0, 0);
	else if (poll(&p, 1, 0) == 1 && p.revents == POLLOUT)
		fake_send_part(op, 1 + below(l, 5000));
}

static void connect_fails(struct life *l, struct io_op *op)
{
	const int errors[] = { -ECONNREFUSED, -ETIMEDOUT, -EADDRNOTAVAIL, -ENETUNREACH };

	if (!l->is_gentle)
		fake_complete(op, errors[below(l, ARRAY_LEN(errors))], 0);
}

static void accept_fails(struct life *l, struct io_op *op)
{
	const int errors[] = { -EMFILE, -ECONNABORTED, -EINTR, -ENFILE, -EAGAIN };

	fake_complete(op, errors[below(l, ARRAY_LEN(errors))], 0);
}

static void something_goes_wrong(struct life *l, const struct fake_request *r)
{
	switch (r->kind) {
	case FAKE_RECV:
		receive_fails(l, r->op);
		break;
	case FAKE_SEND:
		send_fails(l, r->op);
		break;
	case FAKE_CONNECT:
		connect_fails(l, r->op);
		break;
	case FAKE_ACCEPT:
		accept_fails(l, r->op);
		break;
	default:
		break;
	}
}

void a_request_completes(struct life *l)
{
	struct fake_request r;

	if (fake_requests() == 0)
		return;
	r = fake_request_at(below(l, fake_requests()));
	if (one_in(l, 12))
		something_goes_wrong(l, &r);
	else
		fake_perform(r.op);
}

void a_mailbox_fills(struct life *l)
{
	const struct message nothing = { .kind = MESSAGE_ORDER };

	while (inbox_send(l->st->inbox_fds[below(l, l->st->workers_n)], &nothing) == 0)
		continue;
}

/* No more than there are now; those that are closed meanwhile can be had again. */
void files_run_out(struct life *l)
{
	unsigned n = 1 + below(l, 20);
	struct rlimit before, none;
	int next = dup(STDIN_FILENO);

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (; n > 0; n--)
		a_request_completes(l);
	stage_turn(l->st);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}
