/* SPDX-License-Identifier: GPL-2.0-or-later */

/* It takes connections: that is all that is asked. */

#include "exchange.h"

static enum check_step tcp_begin(struct check_exchange *x)
{
	return exchange_done(x, CHECK_PASSED, "connected");
}

static const char *tcp_awaited(const struct check_exchange *x)
{
	(void)x;
	return "nothing";
}

const struct check_protocol check_tcp = {
	.name = "tcp",
	.begin = tcp_begin,
	.awaited = tcp_awaited,
};
