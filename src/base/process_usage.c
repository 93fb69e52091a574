/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/process_usage.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS_PER_S 1000
#define US_PER_MS 1000

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	char line[128] = "", *resident = NULL;

	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f))
		resident = strchr(line, ' ');
	fclose(f);
	return resident ? strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* The directory itself takes one while it is read. */
static uint64_t count_by_name(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return 0;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n > 0 ? n - 1 : 0;
}

/* Since 6.2 the directory's size is their number. */
static uint64_t open_fds(void)
{
	struct stat st;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	return count_by_name();
}

static uint64_t ms_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * MS_PER_S + (uint64_t)t->tv_usec / US_PER_MS;
}

void process_usage_read(struct process_usage *ret)
{
	struct rusage usage;
	struct rlimit limit;

	*ret = (struct process_usage){
		.resident_bytes = resident_bytes(),
		.open_fds = open_fds(),
	};
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		ret->cpu_ms = ms_of(&usage.ru_utime) + ms_of(&usage.ru_stime);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		ret->fds_max = limit.rlim_cur;
}
