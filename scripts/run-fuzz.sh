#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs fuzz targets. With --replay over the committed corpus only (the programs are built with
# tests/fuzz/replay.c); with --time SECONDS libFuzzer looks for new inputs, starting from the
# committed corpus; what it finds stays in build/fuzz/.
#
# usage: run-fuzz.sh --replay PROGRAM... | --time SECONDS PROGRAM...
set -u

mode=${1:?--replay or --time}
shift
time_s=60
if [ "$mode" = --time ]; then
	time_s=${1:?seconds}
	shift
fi

out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT TERM

targets=0 inputs=0 failed=0

# A target with EVERY_PREFIX in its first ten lines also gets each input cut short everywhere.
replay() {
	cut=
	head -n 10 "tests/fuzz/fuzz_$name.c" | grep -q EVERY_PREFIX && cut=--every-prefix
	timeout -k 5 300 "$1" ${cut:+"$cut"} "$2" >"$out" 2>&1 || return 1
	inputs=$((inputs + $(awk '/ inputs$/ { n = $(NF - 1) } END { print n + 0 }' "$out")))
}

search() {
	found=build/fuzz/corpus/$name
	mkdir -p "$found" build/fuzz/crashes
	timeout -k 5 $((time_s + 120)) "$1" -max_total_time="$time_s" -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/crashes/$name-" "$found" "$2" >"$out" 2>&1 || return 1
	inputs=$((inputs + $(awk '/number_of_executed_units/ { print $2 }' "$out")))
}

for program in "$@"; do
	name=${program##*/fuzz_}
	corpus=tests/fuzz/corpus/$name
	targets=$((targets + 1))
	if [ ! -d "$corpus" ]; then
		echo "fuzz: $corpus is missing"
		failed=$((failed + 1))
		continue
	fi
	if [ "$mode" = --replay ]; then
		replay "$program" "$corpus"
	else
		search "$program" "$corpus"
	fi && continue
	failed=$((failed + 1))
	echo "---- $program failed"
	tail -n 60 "$out"
done

echo "fuzz: $targets targets, $inputs inputs: $((targets - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
