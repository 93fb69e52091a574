#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs make targets one after the other, all of them also after a failure, and adds up the tests
# that they say have passed and failed.
#
# usage: run-tests.sh "MAKE COMMAND" TARGET...
set -u

make=${1:?make command}
shift
out=$(mktemp) || exit 1
rcfile=$(mktemp) || exit 1
trap 'rm -f "$out" "$rcfile"' EXIT
trap 'exit 130' INT TERM

# The number before a word in the line $last, else 0.
count() {
	echo "$last" | awk -v word="^$1" '{
		for (i = 2; i <= NF; i++)
			if ($i ~ word) n += $(i - 1)
	} END { print n + 0 }'
}

summary='' passed=0 failed=0 skipped=0
for target in "$@"; do
	start=$(date +%s)
	# shellcheck disable=SC2086 # the make command carries its variables
	{ $make "$target" 2>&1; echo $? >"$rcfile"; } | tee "$out"
	last=$(grep -E '[0-9]+ (passed|failed|error|skipped)' "$out" | tail -n 1)
	bad=$(($(count failed) + $(count error)))
	word=ok
	if [ "$(cat "$rcfile")" -ne 0 ]; then
		word=FAILED
		[ "$bad" -gt 0 ] || bad=1
	fi
	passed=$((passed + $(count passed)))
	failed=$((failed + bad))
	skipped=$((skipped + $(count skipped)))
	summary="$summary$(printf '%-10s %-6s %4ss  %s' "$target" "$word" \
		$(($(date +%s) - start)) "$last")
"
done

printf '\n%s\n' "$summary"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
