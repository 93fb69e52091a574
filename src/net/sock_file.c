/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_path(const struct addr *addr)
{
	return addr_is_unix(addr) && addr->un.sun_path[0] == '/';
}

/* Of what is at the path; false when that is no socket. */
static bool find_file(const struct addr *addr, struct sock_file *ret_file)
{
	struct stat st;

	if (!has_path(addr) || lstat(addr->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	*ret_file = (struct sock_file){ .dev = st.st_dev, .ino = st.st_ino };
	return true;
}

bool sock_file_is_gone(const struct addr *addr, const struct sock_file *file)
{
	struct stat st;

	return file->ino != 0 && has_path(addr) && lstat(addr->un.sun_path, &st) < 0 &&
	       errno == ENOENT;
}

void sock_file_remove(const struct addr *addr, struct sock_file *file)
{
	struct sock_file now;

	if (file->ino != 0 && find_file(addr, &now) && now.dev == file->dev && now.ino == file->ino)
		unlink(addr->un.sun_path);
	*file = (struct sock_file){ 0 };
}

/*
 * Did its server die without removing it? A socket of another type cannot
 * enter a server's queue: it is refused as being of the wrong type where
 * somebody has the file open, as refused where nobody has.
 */
static bool is_stale(const struct addr *addr, struct sock_file *ret_file)
{
	bool is_refused;
	int fd;

	if (!find_file(addr, ret_file))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	is_refused = connect(fd, &addr->sa, addr->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return is_refused;
}

static int bind_or_replace(int fd, const struct addr *addr)
{
	struct sock_file stale;
	int err = bind(fd, &addr->sa, addr->len) < 0 ? -errno : 0;

	if (err != -EADDRINUSE || !is_stale(addr, &stale))
		return err;
	sock_file_remove(addr, &stale);
	return bind(fd, &addr->sa, addr->len) < 0 ? -errno : 0;
}

/* The file is made with the socket's own mode, less the umask (unix_bind_bsd() in the kernel). */
static int bind_with_mode(int fd, const struct addr *addr, unsigned mode, const char **ret_step)
{
	mode_t umask_before;
	int err;

	*ret_step = "fchmod";
	if (mode != 0 && fchmod(fd, mode) < 0)
		return -errno;
	*ret_step = "bind";
	if (mode == 0)
		return bind_or_replace(fd, addr);
	umask_before = umask(0);
	err = bind_or_replace(fd, addr);
	umask(umask_before);
	return err;
}

/* Not by its path, which may lead to something else by now. */
static int open_file(const struct addr *addr, const struct sock_file *file)
{
	int fd = open(addr->un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
		return fd;
	close(fd);
	return -ESTALE;
}

static int give_to(const struct addr *addr, const struct sock_file *file,
		   const struct sock_access *access)
{
	const uid_t owner = access->has_owner ? access->owner : (uid_t)-1;
	const gid_t group = access->has_group ? access->group : (gid_t)-1;
	int fd = open_file(addr, file), err = 0;

	if (fd < 0)
		return fd;
	if (fchownat(fd, "", owner, group, AT_EMPTY_PATH) < 0)
		err = -errno;
	close(fd);
	return err;
}

static unsigned default_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0777 & ~mask;
}

/* An O_PATH descriptor takes no fchmod(2). */
static int set_mode(const struct addr *addr, const struct sock_file *file, unsigned mode)
{
	int fd = open_file(addr, file), err = 0;
	char path[sizeof("/proc/self/fd/") + 10];

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, mode) < 0)
		err = -errno;
	close(fd);
	return err;
}

int sock_file_change(const struct addr *addr, const struct sock_file *file,
		     const struct sock_access *access)
{
	const struct sock_access all = {
		.mode = access->mode != 0 ? access->mode : default_mode(),
		.has_owner = true,
		.has_group = true,
		.owner = access->has_owner ? access->owner : geteuid(),
		.group = access->has_group ? access->group : getegid(),
	};
	int err;

	if (file->ino == 0) /* somebody else's, or an abstract name */
		return 0;
	err = set_mode(addr, file, all.mode);
	return err < 0 ? err : give_to(addr, file, &all);
}

int sock_file_bind(int fd, const struct addr *addr, const struct sock_access *access,
		   struct sock_file *ret_file, const char **ret_step)
{
	struct sock_file file = { 0 };
	int err = bind_with_mode(fd, addr, access->mode, ret_step);

	if (err < 0)
		return err;
	if (find_file(addr, &file) && (access->has_owner || access->has_group)) {
		*ret_step = "chown";
		err = give_to(addr, &file, access);
	}
	if (err < 0)
		sock_file_remove(addr, &file);
	*ret_file = file;
	return err;
}

bool sock_access_is_equal(const struct sock_access *a, const struct sock_access *b)
{
	return a->mode == b->mode && a->has_owner == b->has_owner && a->has_group == b->has_group &&
	       a->owner == b->owner && a->group == b->group;
}
