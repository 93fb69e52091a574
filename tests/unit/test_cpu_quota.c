/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: none is needed */
#include "app/cpu_quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES_MAX 8

struct file {
	const char *path, *text;
};

/* Makes @path below @root, with the directories on the way. */
static void write_file(const char *root, const struct file *file)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, file->path);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(file->text, f);
	fclose(f);
}

/* And takes it away again, with the directories that are empty then. */
static void remove_file(const char *root, const struct file *file)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", root, file->path);
	assert_int_equal(unlink(path), 0);
	for (char *slash; (slash = strrchr(path, '/')) && slash > path + strlen(root);) {
		*slash = '\0';
		(void)rmdir(path);
	}
}

static unsigned quota_with(const struct file files[FILES_MAX])
{
	char root[] = "/tmp/ringmain-cgroup-XXXXXX";
	unsigned cpus;

	assert_non_null(mkdtemp(root));
	for (unsigned n = 0; n < FILES_MAX && files[n].path; n++)
		write_file(root, &files[n]);
	cpus = cpu_quota(root);
	for (unsigned n = 0; n < FILES_MAX && files[n].path; n++)
		remove_file(root, &files[n]);
	assert_int_equal(rmdir(root), 0);
	return cpus;
}

#define CGROUP "/proc/self/cgroup"
#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/cpu"

static void the_smallest_quota_counts_rounded_up(void **state)
{
	const struct {
		const char *what;
		unsigned cpus;
		struct file files[FILES_MAX];
	} rows[] = {
		{ "nothing at all", 0, { { "/proc/version", "Linux" } } },
		{ "no quota", 0, { { CGROUP, "0::/a\n" }, { V2 "/a/cpu.max", "max 100000\n" } } },
		{ "a whole number",
		  2,
		  { { CGROUP, "0::/a\n" }, { V2 "/a/cpu.max", "200000 100000\n" } } },
		{ "one and a half",
		  2,
		  { { CGROUP, "0::/a\n" }, { V2 "/a/cpu.max", "150000 100000\n" } } },
		{ "a tenth", 1, { { CGROUP, "0::/a\n" }, { V2 "/a/cpu.max", "5000 50000\n" } } },
		{ "of a parent",
		  3,
		  { { CGROUP, "0::/a/b/c\n" },
		    { V2 "/a/cpu.max", "300000 100000\n" },
		    { V2 "/a/b/cpu.max", "max 100000\n" },
		    { V2 "/a/b/c/cpu.max", "400000 100000\n" } } },
		{ "of a container",
		  4,
		  { { CGROUP, "0::/\n" }, { V2 "/cpu.max", "400000 100000\n" } } },
		{ "of a container that sees the host's path",
		  4,
		  { { CGROUP, "0::/host/x\n" }, { V2 "/cpu.max", "400000 100000\n" } } },
		{ "v1",
		  2,
		  { { CGROUP, "9:name=systemd:/\n3:cpuset:/x\n2:cpu,cpuacct:/a\n0::/\n" },
		    { V1 "/a/cpu.cfs_quota_us", "110000\n" },
		    { V1 "/a/cpu.cfs_period_us", "100000\n" } } },
		{ "v1 without one",
		  0,
		  { { CGROUP, "1:cpu:/\n" },
		    { V1 "/cpu.cfs_quota_us", "-1\n" },
		    { V1 "/cpu.cfs_period_us", "100000\n" } } },
		{ "another controller's",
		  0,
		  { { CGROUP, "2:cpuset:/a\n1:cpuacct:/a\n" },
		    { V1 "/a/cpu.cfs_quota_us", "100000\n" },
		    { V1 "/a/cpu.cfs_period_us", "100000\n" } } },
		{ "nonsense", 0, { { CGROUP, "what\n0::/a\n" }, { V2 "/a/cpu.max", "5\n" } } },
		{ "no period", 0, { { CGROUP, "0::/a\n" }, { V2 "/a/cpu.max", "5 0\n" } } },
		{ "very much",
		  4294967295u,
		  { { CGROUP, "0::/a\n" }, { V2 "/a/cpu.max", "18446744073709551615 1\n" } } },
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		unsigned cpus = quota_with(rows[n].files);

		if (cpus != rows[n].cpus)
			fail_msg("%s: %u, not %u", rows[n].what, cpus, rows[n].cpus);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_quota_counts_rounded_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
