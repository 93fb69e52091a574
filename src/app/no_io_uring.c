/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/no_io_uring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"

/* kernel.io_uring_disabled, since kernel 6.6: 0 allowed, 1 for some, 2 for nobody; -1 unknown. */
static int sysctl_disabled(void)
{
	FILE *f = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int letter;

	if (!f)
		return -1;
	letter = fgetc(f);
	fclose(f);
	return letter >= '0' && letter <= '2' ? letter - '0' : -1;
}

static const char *cause_of(int err)
{
	int disabled = sysctl_disabled();

	if (err == -EPERM && disabled == 2)
		return "the sysctl kernel.io_uring_disabled is 2; set it to 0, or to 1 and add "
		       "ringmain's group as kernel.io_uring_group";
	if (err == -EPERM && disabled == 1)
		return "the sysctl kernel.io_uring_disabled is 1 and this user is not in the "
		       "group kernel.io_uring_group; add it, or set the sysctl to 0";
	if (err == -EPERM || err == -EACCES)
		return "a seccomp filter forbids it, as containers' default profiles do; allow "
		       "io_uring_setup, io_uring_enter and io_uring_register (docker run "
		       "--security-opt seccomp=PROFILE; systemd: SystemCallFilter=@io-event and "
		       "those three)";
	if (err == -ENOSYS)
		return "the kernel is older than 6.1 or built without it, or a seccomp filter "
		       "hides it";
	if (err == -EINVAL)
		return "this kernel is too old; ringmain wants 6.1 or later";
	if (err == -EMFILE || err == -ENFILE)
		return "there are no open files left: raise the limit (LimitNOFILE=, or ulimit -n)";
	if (err == -ENOMEM)
		return "there is no memory for it: raise the memory limit, or LimitMEMLOCK=";
	return "see io_uring_setup(2)";
}

int no_io_uring_explain(int err)
{
	bool may_pass = err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EAGAIN;

	log_say(LOG_ERROR, "io_uring is not available (%s): %s", strerror(-err), cause_of(err));
	return may_pass ? EXIT_FAILURE : EX_UNAVAILABLE;
}
