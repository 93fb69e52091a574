/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

/*
 * What a fuzz target gives to libFuzzer or, in `make fuzz-smoke`, to replay.c.
 * Words in the first ten lines of a target, read by the Makefile and scripts:
 * FAKE_RING links tests/fake, EVERY_PREFIX also replays each corpus input cut
 * short at every length.
 */

#include <stddef.h>
#include <stdint.h>

/* Borrows @data. Returns 0; trouble shows as a crash. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Optional: called once before the first input. Returns 0. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif
