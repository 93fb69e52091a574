/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_SOCK_FILE_H
#define NET_SOCK_FILE_H

/*
 * The file of a unix socket that listens. It stays when its server dies, and
 * at the same path there may one day be another server's: which one is ours
 * is known by its inode.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/def.h"
#include "net/addr.h"

struct sock_file {
	dev_t dev;
	ino_t ino; /* 0: there is none */
};

/* Whom the file lets connect: who may write to it. */
struct sock_access {
	unsigned mode;             /* 0: 0777 without the umask */
	bool has_owner, has_group; /* otherwise as for every new file */
	uid_t owner;
	gid_t group;
};

bool sock_access_is_equal(const struct sock_access *a, const struct sock_access *b);

/*
 * Binds @fd to @addr, a unix address, and gives its file, empty for an
 * abstract name. Nobody can connect before all of @access is in force. A file
 * that no server has open is replaced; whether one has is found out without a
 * connection, and then it is -EADDRINUSE, as it is for every other file. On
 * failure nothing is left, and *ret_step names the call that failed.
 */
MUST_CHECK int sock_file_bind(int fd, const struct addr *addr, const struct sock_access *access,
			      struct sock_file *ret_file, const char **ret_step);

/*
 * Another @access for @file, if that is still what is at @addr, and as the process itself
 * would make it where nothing else is said. 0 or -errno.
 */
MUST_CHECK int sock_file_change(const struct addr *addr, const struct sock_file *file,
				const struct sock_access *access);

/* Is nothing any more where @file was? Not asked of what is somebody else's, or has no path. */
bool sock_file_is_gone(const struct addr *addr, const struct sock_file *file);

/* Removes @file, if that is still what is at @addr, and empties it. */
void sock_file_remove(const struct addr *addr, struct sock_file *file);

#endif
