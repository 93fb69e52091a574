/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_SOCK_ERROR_H
#define NET_SOCK_ERROR_H

/* What an errno of a connection says, to the program and to people: one table for all who ask. */

enum sock_fault {
	SOCK_FAULT_NONE,
	SOCK_FAULT_REFUSED,
	SOCK_FAULT_TIMEOUT,
	SOCK_FAULT_RESET,
	SOCK_FAULT_UNREACHABLE,
	SOCK_FAULT_ABSENT, /* no unix socket of that name: its server is not there */
	SOCK_FAULT_NO_TLS, /* EPROTONOSUPPORT: it has none for the client that asked */
	SOCK_FAULT_LOGIN,  /* it answers, and serves nobody now (ESHUTDOWN), or no more (EUSERS) */
	SOCK_FAULT_TLS,    /* EPROTO: it does not speak TLS, or not such that we could agree */
	SOCK_FAULT_LOCAL,  /* all others are trouble of our own, such as no port left */
};

/* Of 0 or an -errno. */
enum sock_fault sock_fault_of(int err);

/* A few words for a line of the log; the C library's own for what is not of a connection. */
const char *sock_fault_words(int err);

#endif
