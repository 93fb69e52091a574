/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_TCP_FACTS_H
#define NET_TCP_FACTS_H

/* How a TCP connection fares, as the kernel counts it (TCP_INFO), for people who read logs. */

#include <stdint.h>

#include "base/def.h"

struct tcp_facts {
	uint32_t rtt_us;      /* smoothed */
	uint32_t retransmits; /* segments that were sent again, ever */
	uint32_t unacked;     /* segments that are on their way */
};

/* 0 or -errno. */
MUST_CHECK int tcp_facts_read(int fd, struct tcp_facts *ret_facts);

#endif
