#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Compares ringmain with HAProxy, nginx and hitch on the same work, in one run. See --help.
#
# Everything happens in a network namespace of its own where the kernel lets us have one: its
# ports are all free, and no sysctl of the machine is touched. Else on the machine's loopback.
set -eu

here=$(dirname "$0")
# Two sockets per session, in one process.
hard=$(ulimit -H -n)
if [ "$hard" != unlimited ] && [ "$hard" -lt 65536 ]; then
	(ulimit -H -n 65536) 2>/dev/null && ulimit -H -n 65536
fi
ulimit -S -n "$(ulimit -H -n)"

if unshare --net true 2>/dev/null; then
	set -- unshare --net -- /usr/bin/python3 -B "$here/bench/main.py" --own-network "$@"
elif unshare --user --map-root-user --net true 2>/dev/null; then
	set -- unshare --user --map-root-user --net -- \
		/usr/bin/python3 -B "$here/bench/main.py" --own-network "$@"
else
	set -- /usr/bin/python3 -B "$here/bench/main.py" "$@"
fi
exec "$@"
