#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs make targets one after the other, all of them also after a failure, and repeats at the end
# the line with which each counted its tests.
#
# usage: run-tests.sh "MAKE COMMAND" TARGET...
set -u

make=${1:?make command}
shift
out=$(mktemp) || exit 1
rcfile=$(mktemp) || exit 1
trap 'rm -f "$out" "$rcfile"' EXIT
trap 'exit 130' INT TERM

summary='' failed=0
for target in "$@"; do
	start=$(date +%s)
	# shellcheck disable=SC2086 # the make command carries its variables
	{ $make "$target" 2>&1; echo $? >"$rcfile"; } | tee "$out"
	rc=$(cat "$rcfile")
	word=ok
	if [ "$rc" -ne 0 ]; then
		word=FAILED
		failed=1
	fi
	last=$(grep -E '^(unit|fuzz): |[0-9]+ (passed|failed|error|skipped)' "$out" | tail -n 1)
	summary="$summary$(printf '%-10s %-6s %4ss  %s' "$target" "$word" \
		$(($(date +%s) - start)) "$last")
"
done

printf '\n%s' "$summary"
exit $failed
