#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Functions and tables that are public and that nothing of the program uses: tests alone are no
# reason to have one. Prints FILE:LINE: the rule.
#
# usage: check-unused.sh [DIRECTORY]
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
cd "${1:-.}" || exit 2

# Those that stay, and why. One that is used by now, or gone, is to be taken out.
kept='
main               the C library calls it
ForceZero          wolfSSL calls it
config_load_text   how tests and fuzz targets read a configuration without a file
pool_seed          makes what a pool decides by chance repeatable
check_verdict_names  tests/load/probe prints these
expect_preset_at   and lists these
'

# shellcheck disable=SC2016 # awk's own dollars
rules='
{ scan_symbols(code($0)) }

function is_used(name,    file) {
	for (file in module)
		if ((file, name) in uses && (file == home[name] || !((file, name) in own)))
			return 1
	return 0
}

END {
	n = split(kept, rows, "\n")
	for (i = 1; i <= n; i++) {
		split(rows[i], row, " ")
		if (row[1] != "")
			reason[row[1]] = rows[i]
	}
	for (name in home) {
		names++
		if (!is_used(name) && !(name in reason)) {
			breaches++
			printf "%s:%d: nothing but tests uses %s\n", home[name], home_line[name],
				name (name in is_function ? "()" : "") | "sort"
		}
	}
	for (name in reason)
		if (whole && (!(name in home) || is_used(name))) {
			breaches++
			printf "scripts/check-unused.sh: %s is %s: it need not be listed\n", name,
				(name in home) ? "used" : "gone" | "sort"
		}
	close("sort")
	printf "unused: %d public functions and tables, %d breaches\n", names, breaches
	exit breaches > 0
}
'

# shellcheck disable=SC2046 # our file names have no blanks
set -- $(find include src -mindepth 2 -name '*.[ch]' 2>/dev/null | LC_ALL=C sort)
if [ $# -eq 0 ]; then
	echo "unused: no files"
	exit 0
fi
whole=0
[ ! -f src/app/main.c ] || whole=1
exec awk -v "kept=$kept" -v "whole=$whole" \
	"$(cat "$here/c-code.awk" "$here/c-symbols.awk")$rules" "$@"
