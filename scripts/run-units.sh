#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs unit test programs, as many at a time as there are processors, each with a time limit. Says
# nothing of those that pass, shows the output of those that fail, closes with a line that counts
# tests.
#
# usage: run-units.sh PROGRAM...
set -u

limit_s=${UNIT_TIMEOUT_S:-120}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# Each leaves what it said in NUMBER, and how it ended in NUMBER.rc. SIGSYS, for cmocka takes it
# for a failure of the test that runs, and says which that was.
# shellcheck disable=SC2016 # the dollars are the inner shell's
run_all() {
	number=0
	for program in "$@"; do
		number=$((number + 1))
		printf '%s\0%s\0' "$dir/$number" "$program"
	done | xargs -0 -r -n 2 -P "$(nproc)" sh -c '
		timeout -s SYS -k 5 "$0" "$2" >"$1" 2>&1
		echo $? >"$1.rc"' "$limit_s"
}

programs=0 passed=0 failed=0 skipped=0

# Sums up the numbers cmocka prints behind a word such as PASSED, one per group.
count() {
	awk -v word="$1" '$0 ~ "^\\[ *" word " *\\]" && match($0, /[0-9]+ test\(s\)/) {
		n += substr($0, RSTART, RLENGTH) + 0
	} END { print n + 0 }' "$out"
}

run_all "$@"

for program in "$@"; do
	programs=$((programs + 1))
	out=$dir/$programs
	rc=$(cat "$out.rc" 2>/dev/null || echo "none: it was not run")
	passed=$((passed + $(count PASSED)))
	skipped=$((skipped + $(count SKIPPED)))
	case $rc in
	0) continue ;;
	77)
		echo "skipped: $program: $(tail -n 1 "$out")"
		skipped=$((skipped + 1))
		continue
		;;
	124 | 137) rc="$rc, took over $limit_s s" ;;
	esac
	bad=$(count FAILED)
	[ "$bad" -gt 0 ] || bad=1
	failed=$((failed + bad))
	echo "---- $program: exit $rc"
	cat "$out"
done

echo "unit: $programs programs: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
