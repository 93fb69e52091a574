#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How many files, and calls from one file to another, one session passes from accept to close: a
# plain one, and one of PostgreSQL in TLS that ends here. The middle is everything between the
# process and the libraries of the house (see src/README.md): what a reader has to follow.
#
# usage: session-path.sh [--calls]      --calls also prints every pair of files
set -euo pipefail

case "$*" in
'' | --calls) ;;
*)
	echo "usage: session-path.sh [--calls]" >&2
	exit 2
	;;
esac
cd "$(dirname "$0")/.."
make=${MAKE:-make}

"$make" --no-print-directory VARIANT=path program >/dev/null
gcc -O1 -shared -fPIC -o build/path/session-path.so scripts/session-path/trace.c -pthread
exec "${PYTHON:-/usr/bin/python3}" -B scripts/session-path/main.py "$PWD/build/path/ringmain" "$@"
