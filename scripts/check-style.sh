#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The part of the style that a machine can check: SPDX line, comments, width, length of functions
# and files, nesting, parameters, include guards, banned calls. Prints FILE:LINE: the rule, then
# always the five longest functions and files of the program: look at the list, not only at the
# limit.
#
# usage: check-style.sh [DIRECTORY]
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
cd "${1:-.}" || exit 2
long=$(mktemp) || exit 2
trap 'rm -f "$long"' EXIT

# shellcheck disable=SC2016 # awk's own dollars
rules='
BEGIN {
	columns_max = 100
	function_max = 70
	file_max = 600
	nesting_max = 3
	parameters_max = 5
	banned = "(^|[^a-zA-Z0-9_.>])(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok" \
		"|alloca|atoi|atol|atoll|atof|scanf|sscanf|fscanf) *\\("
	deep = ""
	for (i = 0; i <= nesting_max; i++)
		deep = deep "\t"
	deep = "^" deep "\t*(if|for|while|switch|do)([ ({]|$)"
}

FNR == 1 {
	end_file()
	file = FILENAME
	is_c = FILENAME ~ /\.[ch]$/
	open_line = 0
	head = ""
	spdx = 0
	guard = ""
}

FNR <= 2 && /SPDX-License-Identifier: GPL-2.0-or-later/ { spdx = FNR }

FNR == 2 && (!spdx || (is_c && spdx != 1)) {
	breach("the first line must be the SPDX line, GPL-2.0-or-later")
}

{ lines = FNR }

FILENAME !~ /\.(c|h|sh)$/ { next }

{
	wide = $0
	while ((i = index(wide, "\t")) > 0)
		wide = substr(wide, 1, i - 1) substr("        ", 1 + (i - 1) % 8) \
			substr(wide, i + 1)
	if (length(wide) > columns_max)
		breach("line of " length(wide) " columns (" columns_max ")")
}

/[ \t]$/ { breach("blanks at the end of the line") }

!is_c { next }

{
	text = code($0)
	if (comment_line)
		breach("// comment")
}

# #ifndef FOLDER_FILE_H, so that a header that moves takes its name along.
FILENAME ~ /\.h$/ && /^#ifndef/ && !guard {
	guard = FILENAME
	sub(/^(include|src|tests)\//, "", guard)
	gsub(/[\/.-]/, "_", guard)
	guard = toupper(guard)
	if ($2 != guard)
		breach("the include guard must be " guard)
}

text ~ banned { breach("banned call: bounded functions of base/text, or snprintf") }

text ~ /^[ \t]*typedef[ \t]+(struct|enum|union)([ \t{]|$)/ {
	breach("typedef of a " $2 ": only function types get one")
}

open_line && text ~ deep { breach("nested deeper than " nesting_max) }

# Somebody else decides how many parameters the next function takes: a library that calls it.
/\/\* lint: not our signature \*\// { foreign = 1 }

# A function begins with "{" in the first column and ends with "}" there; what stands before it,
# back to a blank line, a preprocessor line or the end of something, is its head.
/^\{/ && head ~ /\)[ \t]*$/ {
	open_line = FNR
	name = function_name(head)
	n = parameters(head)
	if (n > parameters_max && !foreign)
		breach(name "() takes " n " parameters (" parameters_max ")")
	foreign = 0
}

/^\}/ {
	if (open_line) {
		size = FNR - open_line + 1
		functions++
		if (size > function_max)
			breach(name "() is " size " lines long (" function_max ")")
		if (FILENAME !~ /tests\//)
			print size, "function", name "()", FILENAME ":" open_line > long
		open_line = 0
	}
}

{
	if (text ~ /^[ \t]*$/ || text ~ /^#/ || text ~ /[;}][ \t]*$/ || open_line)
		head = ""
	else
		head = head " " text
}

function function_name(text,    before) {
	before = text
	sub(/[ \t]*\(.*/, "", before)
	sub(/.*[ \t*]/, "", before)
	return before
}

# What a format asks for does not count.
function parameters(text,    i, c, depth, n) {
	sub(/, *\.\.\.\)/, ")", text)
	n = 1
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(")
			depth++
		else if (c == ")")
			depth--
		else if (c == "," && depth == 1)
			n++
	}
	return n
}

function end_file() {
	if (file == "")
		return
	files++
	if (lines > file_max && file ~ /\.(c|h|sh|py)$/) {
		printf "%s:%d: file is %d lines long (%d)\n", file, lines, lines, file_max
		breaches++
	}
	if (file ~ /^(src|include)\/.*\.[ch]$/)
		print lines, "file", file > long
}

END {
	end_file()
	printf "style: %d files, %d functions, %d breaches\n", files, functions, breaches
	exit breaches > 0
}
'

all_files() {
	find include src tests -name '*.[ch]' -o -name '*.py'
	find scripts .ci -type f ! -name '*.pyc'
	find Makefile etc .github/workflows -type f ! -name '*.md' ! -name '*.png'
} 2>/dev/null

longest() {
	echo "longest $1s:"
	grep " $1 " "$long" | sort -rn | head -n 5 |
		awk '{ printf "%5d  %s%s\n", $1, $3, (NF > 3) ? " " $4 : "" }'
}

median() {
	grep ' function ' "$long" | sort -n | awk '
		{ size[NR] = $1 }
		END {
			if (NR)
				printf "median function: %d lines\n", size[int((NR + 1) / 2)]
		}'
}

# shellcheck disable=SC2046 # our file names have no blanks
set -- $(all_files | LC_ALL=C sort)
if [ $# -eq 0 ]; then
	echo "style: no files"
	exit 0
fi
awk -v long="$long" "$(cat "$here/c-code.awk")$rules" "$@"
rc=$?
longest function
longest file
median
exit $rc
