#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Do the manual pages say what the program does? Compares, and shows as a diff:
#   - the table of directives (ringmain --help-config) and the items of ringmain.ini.5, with their
#     defaults, limits and marks, and those that were called otherwise before;
#   - the reasons for which sessions end, and the options of --help, with ringmain.8;
#   - the metrics (ringmain --help-metrics) and the items of ringmain-metrics.7;
#   - the commands of the control socket and the options of ringmainctl --help, with ringmainctl.8.
#   - the recipes in etc/recipes/, without their comments, and the blocks of ringmain-recipes.7.
# Every message, key and word of the log must be explained in ringmain.8 (log-words.py).
# The sample configurations must be good, and groff must have nothing to say about the pages.
# A reader must find a test: unit tests are named after modules, system tests are in the map of
# tests/README.md.
#
# usage: check-docs.sh          RINGMAIN=PROGRAM, or build/release/ringmain, which is made
set -euo pipefail

cd "$(dirname "$0")/.."
ringmain=${RINGMAIN:-build/release/ringmain}
ctl=$(dirname "$ringmain")/ringmainctl
[ -n "${RINGMAIN:-}" ] || make --silent release >/dev/null

failed=0

# compare TITLE LEFT RIGHT: two texts, "<" is in the program only, ">" in the manual only.
compare() {
	local differ
	differ=$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3")) && return
	printf '%s: the program (<) and the manual (>) differ\n%s\n' "$1" \
		"$(grep '^[<>]' <<<"$differ")"
	failed=1
}

# Both as: SECTION KEY: Default: D. | Required. | Optional. | Repeatable. | Allowed: A. | Reload: R.
directives_of_program() {
	"$ringmain" --help-config | awk -F '\t' '{
		printf "%s %s:", $1, $2
		printf $5 ~ /required/ ? " Required." : \
			$3 == "-" ? " Optional." : " Default: " $3 "."
		printf $5 ~ /repeatable/ ? " Repeatable." : ""
		printf " Allowed: %s. Reload: %s.\n", $4, $6
	}'
}

directives_of_manual() {
	awk '
	/^\.S[hs] / {
		section = $0 ~ /^\.Ss \[/ ? $2 : ""
		gsub(/[][]/, "", section)
	}
	section && /^\.It Ic / {
		text = section " " $3 ":"
		taking = 1
		next
	}
	taking && /^\./ {
		print text
		taking = 0
	}
	taking { text = text " " $0 }' etc/ringmain.ini.5
}

# Both as: [SECTION] BEFORE NOW
renamed_of_program() {
	"$ringmain" --help-config |
		awk -F '\t' 'sub(/.*formerly=/, "", $5) { print "[" $1 "]", $5, $2 }'
}

renamed_of_manual() {
	awk '/^\.Sh/ { taking = /RENAMED/ }
	taking && /^\.It \[/ { print $2, $5, $8 }' etc/ringmain.ini.5
}

reasons_of_program() {
	sed -n 's/^\t\[CLOSE_[A-Z_]*\] = "\(.*\)",$/\1/p' src/state/reason.c | grep -vx none
}

reasons_of_manual() {
	awk '/^\.It Ic reason/ { taking = 1 } taking && /^\.El/ && ++lists == 2 { taking = 0 }
	taking && /^\.It Cm / { print $3 }' etc/ringmain.8
}

check_log() {
	"$ringmain" --help-metrics | scripts/log-words.py || failed=1
}

commands_of_program() {
	sed -n 's/^\t\t\.name = "\(.*\)",$/\1/p' src/commands/words.c | sort -u
}

commands_of_manual() {
	awk '/^\.Sh/ { taking = $2 == "COMMANDS" } taking && /^\.It Cm / { print $3 }' \
		etc/ringmainctl.8 | sort -u
}

# Both as: NAME KIND LABELS KEYS HELP
metrics_of_program() {
	"$ringmain" --help-metrics | awk -F '\t' '$1 != "-" {
		kind = toupper(substr($2, 1, 1)) substr($2, 2)
		gsub(",", ", ", $3)
		if (gsub(",", ", ", $4) > 8)
			$4 = "the reasons of ringmain(8)"
		printf "%s %s. Labels: %s. Keys: %s. %s.\n", $1, kind, $3, $4, $6
	}'
}

metrics_of_manual() {
	awk '/^\./ && taking { print text; taking = 0 }
	/^\.It Ic ringmain_/ { text = $3; taking = 1; next }
	taking { text = text " " $0 }' etc/ringmain-metrics.7
}

options_of_program() {
	"$1" --help | grep -o -- '--[a-z][a-z-]*' | sort -u
}

options_of_manual() {
	sed -n '/^\.It Fl/s/Fl Fl \([a-z-]*\)/\n--\1\n/gp' "$1" | grep -- '^--' | sort -u
}

check_samples() {
	local sample said
	for sample in etc/*.ini; do
		said=$("$ringmain" -t -c "$sample" 2>&1) && [ -z "$said" ] && continue
		printf '%s\n' "$said"
		failed=1
	done
}

# Both as the lines that say something, under the file's name.
recipes_of_files() {
	local recipe
	for recipe in etc/recipes/*.ini; do
		echo "${recipe##*/}"
		grep -v '^;\|^$' "$recipe"
	done | sort_recipes
}

recipes_of_manual() {
	awk '/^\.Pa [a-z-]*\.ini :$/ { print $2; awaited = 1 }
	/^\.Ed/ { taking = 0 }
	taking && NF { print }
	/^\.Bd/ && awaited { taking = 1; awaited = 0 }' etc/ringmain-recipes.7 | sort_recipes
}

# Lines behind the name of their file, in the order of the files.
sort_recipes() {
	awk '/\.ini$/ { name = $0 } { print name ": " $0 }' | sort -s -t : -k 1,1
}

check_pages() {
	local page said
	command -v groff >/dev/null || return 0
	for page in etc/*.[1-8]; do
		said=$(groff -mdoc -Tutf8 -ww "$page" 2>&1 >/dev/null)
		[ -z "$said" ] && continue
		printf '%s\n' "$said"
		failed=1
	done
}

# A module's name, alone or behind its folder's; test_dial_unix.c is for a part of "dial".
is_module() {
	local name=$1
	while true; do
		compgen -G "src/*/$name.c" >/dev/null ||
			compgen -G "include/*/$name.h" >/dev/null ||
			[ -e "src/${name%%_*}/${name#*_}.c" ] ||
			[ -e "include/${name%%_*}/${name#*_}.h" ] && return
		[[ $name == *_* ]] || return
		name=${name%_*}
	done
}

# A test is found by the name of what it tests: alone, behind its folder's, or in the table.
check_modules() {
	local source folder name
	for source in src/*/*.c; do
		folder=${source#src/}
		folder=${folder%/*}
		name=$(basename "$source" .c)
		compgen -G "tests/unit/test_$name*.c" >/dev/null ||
			compgen -G "tests/unit/test_${folder}_$name*.c" >/dev/null ||
			grep -q "^|.*\`$folder/\(.*\`\)\?$name\.c\`" tests/README.md && continue
		echo "$source: no tests/unit/test_$name*.c, and no row in tests/README.md"
		failed=1
	done
	while read -r _ source names; do
		folder=${source#?}
		folder=${folder%%/*}
		for name in "${source#?"$folder"/}" $names; do
			case $name in *.c\`) ;; *) continue ;; esac
			name=${name#\`}
			[ -e "src/$folder/${name%\`}" ] && continue
			echo "tests/README.md: no src/$folder/${name%\`}"
			failed=1
		done
	done < <(grep -o '^| `[a-z0-9_]*/[^|]*' tests/README.md)
}

check_tests() {
	local test name
	for test in tests/unit/test_*.c; do
		name=${test#tests/unit/test_}
		is_module "${name%.c}" && continue
		[ "$name" = simulation.c ] && continue # all modules of a session
		echo "$test: there is no such module"
		failed=1
	done
	for test in tests/system/test_*.py; do
		name=${test#tests/system/test}
		grep -q "${name%.py}\`" tests/README.md && continue
		echo "$test: not in the map of tests/README.md"
		failed=1
	done
}

compare etc/ringmain.ini.5 "$(directives_of_program)" "$(directives_of_manual)"
compare 'etc/ringmain.ini.5, renamed directives' "$(renamed_of_program)" "$(renamed_of_manual)"
compare 'etc/ringmain.8, reasons' "$(reasons_of_program)" "$(reasons_of_manual)"
compare 'etc/ringmain.8, options' "$(options_of_program "$ringmain")" \
	"$(options_of_manual etc/ringmain.8)"
compare 'etc/ringmainctl.8, options' "$(options_of_program "$ctl")" \
	"$(options_of_manual etc/ringmainctl.8)"
compare 'etc/ringmainctl.8, commands' "$(commands_of_program)" "$(commands_of_manual)"
compare etc/ringmain-recipes.7 "$(recipes_of_files)" "$(recipes_of_manual)"
compare etc/ringmain-metrics.7 "$(metrics_of_program)" "$(metrics_of_manual)"
check_log
check_samples
check_pages
check_tests
check_modules
exit $failed
