/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/ack_watch.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/tcp.h> /* libc's struct tcp_info ends before what is asked for here */
#include <netinet/in.h>
#include <sys/socket.h>

#define STATE_CLOSE 7 /* TCP_CLOSE, which only libc's header names */

int ack_facts_read(int fd, struct ack_facts *ret_facts)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	*ret_facts = (struct ack_facts){ .read_ms = clock_now_ms() };
	if (info.tcpi_state == STATE_CLOSE)
		return 0;
	ret_facts->since_ack_ms = info.tcpi_last_ack_recv;
	ret_facts->since_sent_ms = info.tcpi_last_data_sent;
	ret_facts->rtt_ms = info.tcpi_rtt / 1000;
	ret_facts->has_unsent = info.tcpi_notsent_bytes > 0;
	ret_facts->has_unacked = info.tcpi_unacked > 0;
	ret_facts->has_probed = info.tcpi_probes > 0;
	ret_facts->has_timed_out = info.tcpi_retransmits > 0;
	ret_facts->has_backed_off = info.tcpi_backoff > 0;
	ret_facts->is_window_closed = info.tcpi_snd_wnd == 0;
	return 0;
}
