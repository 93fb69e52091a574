/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_FILE_H
#define BASE_FILE_H

/* Files that are read as a whole. */

#include <sys/stat.h>

#include "base/def.h"

/*
 * Opens a file for reading, and gives its fd and what fstat(2) says of it.
 * What is no regular file is refused, and not waited for: opening a FIFO
 * would hang until somebody writes to it. Returns NULL, or in a static text
 * why it cannot be read.
 */
MUST_CHECK const char *file_open_regular(const char *path, int *ret_fd, struct stat *ret_stat);

#endif
