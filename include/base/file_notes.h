/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_FILE_NOTES_H
#define BASE_FILE_NOTES_H

/*
 * Which files a thread has read, and what they were then: so that whoever wanted them can
 * tell afterwards whether one was being written meanwhile.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/def.h"

struct file_note {
	char *path;
	dev_t dev;
	ino_t ino;
	off_t bytes;
	struct timespec modified, changed;
};

/* All zero: none. */
struct file_notes {
	struct file_note *all; /* one for each time that it was read */
	size_t n;
};

/* From now on what this thread reads is noted there, until end. */
void file_notes_begin(struct file_notes *notes);
void file_notes_end(void);
/* Frees them. */
void file_notes_finish(struct file_notes *notes);

/*
 * For readers: @st is of the file, or the directory, before it is read. What finds no memory is
 * not noted.
 */
void file_note(const char *path, const struct stat *st);

/* The path of one that is another file now, has another content or is gone; or NULL. */
const char *file_notes_changed(const struct file_notes *notes);

/* How long ago the last of them had been changed when it was read; 0: by its date, it will be. */
uint64_t file_notes_quiet_ms(const struct file_notes *notes);

#endif
