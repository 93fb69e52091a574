/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Runs a fuzz target over the files of a corpus without libFuzzer:
 *
 *      fuzz_hello [--every-prefix] DIRECTORY...
 *
 * The last line counts inputs, prefixes included. Each input lies in memory of
 * exactly its size, so that a sanitizer sees the first byte read beyond it.
 */

#include "fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (1u << 20)

/* Behind so many bytes not every prefix is tried: the work grows with the square of the size. */
#define EVERY_BYTES 2048
#define EVERY_STEP 61

#define PREFIX_BYTES_MAX (1u << 14)

#pragma weak LLVMFuzzerInitialize

static size_t inputs;

static void feed(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size);

	if (!exact && size > 0)
		abort();
	if (size > 0)
		memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	inputs++;
}

static int replay_file(const char *path, bool every_prefix)
{
	static uint8_t data[INPUT_BYTES_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file)
		return -errno;
	size = fread(data, 1, sizeof(data), file);
	fclose(file);

	/* Written before it runs, so that a crash names its input. */
	printf("%s\n", path);
	fflush(stdout);
	feed(data, size);
	for (size_t n = 0; every_prefix && n < size && n < PREFIX_BYTES_MAX;
	     n += n < EVERY_BYTES ? 1 : EVERY_STEP)
		feed(data, n);
	return 0;
}

static bool is_regular(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int replay_directory(const char *path, bool every_prefix)
{
	char name[4096];
	struct dirent **entries;
	int err = 0;
	int count = scandir(path, &entries, NULL, alphasort);

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (err == 0 && is_regular(name))
			err = replay_file(name, every_prefix);
		free(entries[i]);
	}
	free(entries);
	return err;
}

int main(int argc, char **argv)
{
	bool every_prefix = false;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		int err;

		if (strcmp(argv[i], "--every-prefix") == 0) {
			every_prefix = true;
			continue;
		}
		err = replay_directory(argv[i], every_prefix);
		if (err) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-err));
			return 1;
		}
	}
	printf("%zu inputs\n", inputs);
	return 0;
}
