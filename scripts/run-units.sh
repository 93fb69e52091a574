#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs unit test programs one after the other, each with a time limit. Says nothing of those that
# pass, shows the output of those that fail, closes with a line that counts tests.
#
# usage: run-units.sh PROGRAM...
set -u

limit_s=${UNIT_TIMEOUT_S:-120}
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT TERM

programs=0 passed=0 failed=0 skipped=0

# Sums up the numbers cmocka prints behind a word such as PASSED, one per group.
count() {
	awk -v word="$1" '$0 ~ "^\\[ *" word " *\\]" && match($0, /[0-9]+ test\(s\)/) {
		n += substr($0, RSTART, RLENGTH) + 0
	} END { print n + 0 }' "$out"
}

for program in "$@"; do
	programs=$((programs + 1))
	timeout -k 5 "$limit_s" "$program" >"$out" 2>&1
	rc=$?
	passed=$((passed + $(count PASSED)))
	skipped=$((skipped + $(count SKIPPED)))
	case $rc in
	0) ;;
	77)
		echo "skipped: $program: $(tail -n 1 "$out")"
		skipped=$((skipped + 1))
		;;
	*)
		bad=$(count FAILED)
		[ "$bad" -gt 0 ] || bad=1
		failed=$((failed + bad))
		echo "---- $program: exit $rc"
		cat "$out"
		;;
	esac
done

echo "unit: $programs programs: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
