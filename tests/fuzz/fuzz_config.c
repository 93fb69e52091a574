/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EVERY_PREFIX */
/*
 * Any bytes as a configuration file. What is good must dump to a text that is
 * good again and dumps to itself; what is not must say so.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/dump.h"
#include "config/load.h"

/* Loads it and gives what it dumps to, or NULL. */
static char *reload(const char *text, size_t bytes)
{
	struct diag diag;
	struct config *config;
	char *said, *dumped = NULL;
	size_t said_bytes, dumped_bytes;
	FILE *to = open_memstream(&said, &said_bytes);

	CHECK(to);
	diag_init(&diag);
	config = config_load_text("fuzz.ini", text, bytes, &diag);
	CHECK(!config == diag_has_errors(&diag));
	diag_write(&diag, to);
	CHECK(fclose(to) == 0);
	CHECK(config || said_bytes > 0);
	free(said);
	diag_finish(&diag);
	if (!config)
		return NULL;

	to = open_memstream(&dumped, &dumped_bytes);
	CHECK(to);
	config_dump(config, to);
	CHECK(fclose(to) == 0);
	config_destroy(config);
	return dumped;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *first = reload((const char *)data, size), *second;

	if (!first)
		return 0;
	second = reload(first, strlen(first));
	CHECK(second);
	CHECK(strcmp(first, second) == 0);
	free(first);
	free(second);
	return 0;
}
