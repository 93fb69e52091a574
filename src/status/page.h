/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

/*
 * The page for people: page.html, which the Makefile compiles in, with a plain
 * table of how things are in its middle, for browsers without JavaScript. With it
 * the page asks /status.json and draws itself.
 * @busiest: or NULL.
 */

#include "busiest.h"
#include "out.h"
#include "sample.h"

struct control_context;

void page_write(const struct sample *sample, const struct control_context *context,
		const struct busiest *busiest, struct out *out);

#endif
