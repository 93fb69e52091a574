/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/cpu_quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES (PATH_MAX + 64)

/* A version of control groups: where they are mounted, and what one of them says. */
struct kind {
	const char *mount;
	bool (*read)(const char *group, uint64_t *ret_quota, uint64_t *ret_period);
};

static bool read_line(const char *group, const char *file, char *ret_line, size_t bytes)
{
	char path[LINE_BYTES];
	bool good;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", group, file) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	if (!f)
		return false;
	good = fgets(ret_line, (int)bytes, f);
	fclose(f);
	return good;
}

/* False for "max" and "-1", too, which are no quota. */
static bool read_number(const char *text, const char **ret_rest, uint64_t *ret_n)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*ret_n = strtoull(text, &end, 10);
	*ret_rest = end;
	return *ret_n > 0;
}

/* "200000 100000": microseconds of each period. */
static bool read_v2(const char *group, uint64_t *ret_quota, uint64_t *ret_period)
{
	char line[64];
	const char *rest;

	return read_line(group, "cpu.max", line, sizeof(line)) &&
	       read_number(line, &rest, ret_quota) && *rest == ' ' &&
	       read_number(rest + 1, &rest, ret_period);
}

static bool read_v1(const char *group, uint64_t *ret_quota, uint64_t *ret_period)
{
	char quota[64], period[64];
	const char *rest;

	return read_line(group, "cpu.cfs_quota_us", quota, sizeof(quota)) &&
	       read_line(group, "cpu.cfs_period_us", period, sizeof(period)) &&
	       read_number(quota, &rest, ret_quota) && read_number(period, &rest, ret_period);
}

static unsigned least_of(unsigned cpus, uint64_t quota, uint64_t period)
{
	uint64_t own = quota / period + (quota % period != 0);

	return cpus == 0 || own < cpus ? (unsigned)MIN(own, UINT_MAX) : cpus;
}

/*
 * From the group @path up to the root. In a container the path may be the
 * host's, and what is mounted only the part below: the root is looked at, too.
 */
static unsigned least_above(const struct kind *kind, const char *root, const char *path)
{
	char group[LINE_BYTES];
	size_t top = strlen(root) + strlen(kind->mount);
	uint64_t quota, period;
	unsigned cpus = 0;
	char *slash;

	if (snprintf(group, sizeof(group), "%s%s%s", root, kind->mount, path) >= (int)sizeof(group))
		return 0;
	for (;;) {
		if (kind->read(group, &quota, &period))
			cpus = least_of(cpus, quota, period);
		slash = strrchr(group + top, '/');
		if (!slash)
			return cpus;
		*slash = '\0';
	}
}

static bool has_word(const char *list, size_t n, const char *word)
{
	const char *at = list;

	while (at < list + n) {
		size_t part = strcspn(at, ",:");

		if (part == strlen(word) && strncmp(at, word, part) == 0)
			return true;
		at += part + 1;
	}
	return false;
}

/* "ID:CONTROLLERS:PATH", of which v2 has no controllers. */
static unsigned quota_of_line(const char *root, char *line)
{
	static const struct kind v2 = { "/sys/fs/cgroup", read_v2 };
	static const struct kind v1 = { "/sys/fs/cgroup/cpu", read_v1 };
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;

	line[strcspn(line, "\n")] = '\0';
	if (!path)
		return 0;
	controllers++;
	path++;
	if (strncmp(line, "0::", 3) == 0)
		return least_above(&v2, root, path);
	if (has_word(controllers, (size_t)(path - 1 - controllers), "cpu"))
		return least_above(&v1, root, path);
	return 0;
}

unsigned cpu_quota(const char *root)
{
	char path[LINE_BYTES], line[LINE_BYTES];
	unsigned least = 0;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= (int)sizeof(path))
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned cpus = quota_of_line(root, line);

		if (cpus > 0 && (least == 0 || cpus < least))
			least = cpus;
	}
	fclose(f);
	return least;
}
