/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_PARSE_H
#define PROTO_PARSE_H

/*
 * What every parser of first bytes answers. A parser is pure: it looks at the
 * bytes that have arrived so far, from the first one, allocates nothing and
 * remembers nothing. On PARSE_MORE call it again, with the same bytes and
 * those that came since; how they were cut into segments makes no difference.
 * Each parser names a size after which it never asks for more.
 */
enum parse {
	PARSE_DONE, /* all of it is there; the result says how many bytes it took */
	PARSE_MORE, /* so far it could be right: wait for more */
	PARSE_BAD,  /* whatever comes next, it is wrong; the result says why */
};

#endif
