/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/check_facts.h"

const char *const check_role_names[CHECK_ROLES] = {
	[CHECK_ROLE_UNKNOWN] = "unknown",
	[CHECK_ROLE_PRIMARY] = "primary",
	[CHECK_ROLE_REPLICA] = "replica",
};
