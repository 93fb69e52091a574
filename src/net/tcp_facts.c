/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tcp_facts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

int tcp_facts_read(int fd, struct tcp_facts *ret_facts)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	*ret_facts = (struct tcp_facts){
		.rtt_us = info.tcpi_rtt,
		.retransmits = info.tcpi_total_retrans,
		.unacked = info.tcpi_unacked,
	};
	return 0;
}
