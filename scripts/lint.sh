#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Everything a machine can say about the sources without running them. Goes on after a failure and
# closes with one line per check. A tool that is not installed is named and left out.
#
# usage: lint.sh [CHECK...]
#
# shellcheck disable=SC2317 # the checks are called by name
set -uo pipefail

cd "$(dirname "$0")/.." || exit 2

checks=(floors unused style docs shell format cppcheck tidy)
jobs=$(nproc)

shopt -s nullglob
c_files=(include/*/*.h src/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])
program_files=(src/*/*.c)
shell_files=(scripts/*.sh tests/*/*.sh .ci/run etc/bash-completion/*)

need() {
	command -v "$1" >/dev/null && return
	echo "lint: $1 is not installed, left out (scripts/install-deps.sh --for lint)"
	return 77
}

check_floors() { scripts/check-floors.sh; }
check_unused() { scripts/check-unused.sh; }
check_style() { scripts/check-style.sh; }

check_docs() {
	[ -x scripts/check-docs.sh ] || return 77
	scripts/check-docs.sh
}

check_shell() {
	need shellcheck || return
	shellcheck "${shell_files[@]}"
}

# The layout is one that the clang-format of Debian 12 (14) and of 13 (19) both leave as it is.
check_format() {
	local differ
	need clang-format || return
	differ=$(for file in "${c_files[@]}"; do
		clang-format "$file" | cmp -s - "$file" || echo "$file"
	done)
	[ -n "$differ" ] || return 0
	# shellcheck disable=SC2086 # a list of files
	printf '%s: clang-format lays it out differently (make format)\n' $differ
	return 1
}

# Left out is what it says of code that guards itself with CHECK(), and of pointers that live on
# in a member of what is returned.
check_cppcheck() {
	need cppcheck || return
	cppcheck --quiet -j "$jobs" --std=c11 -Iinclude --enable=warning,portability \
		--inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem \
		--suppress=unknownMacro --suppress=normalCheckLevelMaxBranches \
		--suppress=arrayIndexOutOfBoundsCond --suppress=uninitvar --suppress=memleak \
		--template='{file}:{line}: {severity}: {message} [{id}]' src
}

# The analyzer gets an eighth of the states it would walk through by default: a quarter of the time,
# and what it found beyond them was false.
check_tidy() {
	local flags
	need clang-tidy || return
	flags=$(env -u MAKEFLAGS make --silent print-flags) || return 1
	flags+=' -Xclang -analyzer-config -Xclang max-nodes=30000'
	# shellcheck disable=SC2086 # a list of flags
	printf '%s\n' "${program_files[@]}" |
		xargs -P "$jobs" -I{} \
			clang-tidy --quiet --warnings-as-errors='*' {} -- $flags 2>&1 |
		grep -E ': (error|warning): ' | sed "s|^$PWD/||" | sort -u
	return "${PIPESTATUS[1]}"
}

[ $# -eq 0 ] || checks=("$@")
summary='' failed=0
for check in "${checks[@]}"; do
	echo "---- $check"
	start=$SECONDS
	"check_$check"
	case $? in
	0) word=ok ;;
	77) word=skipped ;;
	*) word=FAILED failed=1 ;;
	esac
	summary+=$(printf '%-9s %-7s %3ss' "$check" "$word" $((SECONDS - start)))$'\n'
done
printf '\n%s' "$summary"
exit $failed
