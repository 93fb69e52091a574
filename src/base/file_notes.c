/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file_notes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_S 1000
#define NS_PER_MS 1000000

/* Of this thread, or NULL: readers are many, and deep below whoever wants to know. */
static _Thread_local struct file_notes *notes_now;

void file_notes_begin(struct file_notes *notes)
{
	*notes = (struct file_notes){ 0 };
	notes_now = notes;
}

void file_notes_end(void)
{
	notes_now = NULL;
}

void file_notes_finish(struct file_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		free(notes->all[i].path);
	free(notes->all);
	*notes = (struct file_notes){ 0 };
}

void file_note(const char *path, const struct stat *st)
{
	struct file_notes *notes = notes_now;
	struct file_note *all;
	char *copy;

	if (!notes)
		return;
	copy = strdup(path);
	all = copy ? realloc(notes->all, (notes->n + 1) * sizeof(*all)) : NULL;
	if (!all) {
		free(copy);
		return;
	}
	notes->all = all;
	all[notes->n++] = (struct file_note){
		.path = copy,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.bytes = st->st_size,
		.modified = st->st_mtim,
		.changed = st->st_ctim,
	};
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool has_changed(const struct file_note *note)
{
	struct stat st;

	return stat(note->path, &st) < 0 || st.st_dev != note->dev || st.st_ino != note->ino ||
	       st.st_size != note->bytes || !is_same_time(&st.st_mtim, &note->modified) ||
	       !is_same_time(&st.st_ctim, &note->changed);
}

const char *file_notes_changed(const struct file_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		if (has_changed(&notes->all[i]))
			return notes->all[i].path;
	return NULL;
}

static int64_t to_ms(const struct timespec *at)
{
	return (int64_t)at->tv_sec * MS_PER_S + at->tv_nsec / NS_PER_MS;
}

uint64_t file_notes_quiet_ms(const struct file_notes *notes)
{
	int64_t last_ms = 0;
	struct timespec now;

	for (size_t i = 0; i < notes->n; i++) {
		last_ms = MAX(last_ms, to_ms(&notes->all[i].modified));
		last_ms = MAX(last_ms, to_ms(&notes->all[i].changed));
	}
	clock_gettime(CLOCK_REALTIME, &now);
	return to_ms(&now) > last_ms ? (uint64_t)(to_ms(&now) - last_ms) : 0;
}
