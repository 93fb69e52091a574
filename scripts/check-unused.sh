#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Functions and tables that are public and that the program cannot come to from main(): tests alone
# are no reason to have one, and two that use each other are none for both. Prints FILE:LINE: the
# rule.
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
expect_preset_at   how tests and fuzz targets find all of them
'

# shellcheck disable=SC2016 # awk's own dollars
rules='
BEGIN { want_users = 1 }

{ scan_symbols(code($0)) }

# What a name means in a file: something of its own, or what is public.
function node(file, name) {
	return (file, name) in own ? file "\t" name : name
}

# Can it be used by something else? Then what it uses is noted, and else it does not matter.
function note_users(    key, at, from, to) {
	for (key in used_by) {
		split(key, at, SUBSEP)
		to = node(at[1], at[3])
		if (to == at[3] && !(to in home) && !(to in is_macro))
			continue
		from = at[2] == "" ? "" : node(at[1], at[2])
		if (from != to)
			leads_to[from] = leads_to[from] SUBSEP to
	}
}

# All that can be come to from @first.
function reach(first,    todo, n, i, k, list) {
	todo[n = 1] = first
	reached[first] = 1
	for (i = 1; i <= n; i++)
		for (k = split(leads_to[todo[i]], list, SUBSEP); k > 0; k--)
			if (!(list[k] in reached)) {
				reached[list[k]] = 1
				todo[++n] = list[k]
			}
}

END {
	n = split(kept, rows, "\n")
	for (i = 1; i <= n; i++) {
		split(rows[i], row, " ")
		if (row[1] != "")
			reason[row[1]] = rows[i]
	}
	note_users()
	reach("")
	reach("main")
	# What is listed although it is used need not be.
	for (name in reason)
		needless[name] = whole && name != "main" && (!(name in home) || name in reached)
	for (name in reason)
		reach(name)
	for (name in home) {
		names++
		if (!(name in reached)) {
			breaches++
			printf "%s:%d: main() does not lead to %s\n", home[name], home_line[name],
				name (name in is_function ? "()" : "") | "sort"
		}
	}
	for (name in reason)
		if (needless[name]) {
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
