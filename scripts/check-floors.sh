#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The law of the floors (src/README.md), read from src/ and include/: a file includes headers of its
# own floor and of lower ones; floors of one height do not know each other; each library is fenced
# to one floor or two; who may log and who may exit; no modules that need each other in a circle; no
# folder so large that nobody has it in the head.
# Prints FILE:LINE: the rule.
#
# usage: check-floors.sh [DIRECTORY]
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
cd "${1:-.}" || exit 2

# The floors: name, height, and what it may do besides. A floor includes headers of its own and of
# lower ones; floors of one height do not know each other. "log": write lines of the log above
# debug. "exit": end the process.
floors='
base      0
net       1
io        2
proto     3
x509      4
crypto    4
records   4
tls       5
config    6
protocol  7
balance   7
pool      8
state     9   log
metrics   10  log
opening   10
session   10  log
relay     11  log
preread   12  log
dial      12  log
negotiation 12 log
check     12
role      13  log
health    14  log
worker    14  log
process   15  log
admin     15  log
reload    16  log
commands  17  log
status    17  log
control   18  log
app       19  log exit
ctl       19  exit
'

# Library headers by their beginning, and the floors that may include them.
libraries='
liburing   io
wolfssl/   tls x509 crypto
ini.h      config
xxhash.h   base
jansson.h  ctl
curses.h   ctl
microhttpd.h status
'

# Folders in which modules still need each other in circles. No folder is to come back here.
circles='
'

# Lines that a folder may have, with its headers, and those that may have more.
lines_max=3500
large=config

# shellcheck disable=SC2016 # awk's own dollars
rules='
BEGIN {
	n = split(floors, rows, "\n")
	for (i = 1; i <= n; i++) {
		split(rows[i], row, " ")
		if (row[1] == "")
			continue
		level[row[1]] = row[2]
		may_log[row[1]] = rows[i] ~ / log( |$)/
		may_exit[row[1]] = rows[i] ~ / exit( |$)/
	}
	n = split(libraries, rows, "\n")
	for (i = 1; i <= n; i++) {
		fields = split(rows[i], row, " ")
		for (j = 2; j <= fields; j++)
			fence[row[1]] = fence[row[1]] (j > 2 ? " or " : "") row[j]
	}
	gsub("\n", " ", circles)
}

FNR == 1 {
	files++
	split(FILENAME, part, "/")
	floor = part[2]
	known = floor in level
	if (!known)
		breach("unknown floor \"" floor "\"")
	is_log = FILENAME ~ /\/base\/log[a-z_]*\.[ch]$/
}

{
	lines_of[floor]++
	text = code($0)
	scan_symbols(text)
}

# It is to be two folders, or to lose what belongs elsewhere.
function say_large(    name) {
	for (name in lines_of)
		if (lines_of[name] > lines_max && name != large) {
			printf "src/%s: %d lines with its headers (%d)\n", name, lines_of[name],
				lines_max
			breaches++
		}
}

!known { next }

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	include_own(quoted[2])
	next
}

/^[ \t]*#[ \t]*include[ \t]*</ {
	name = $0
	sub(/^[^<]*</, "", name)
	sub(/>.*/, "", name)
	if ((getline known_line < ("include/" name)) >= 0)
		breach("<" name "> is ours, which stands in quotes")
	for (start in fence)
		if (index(name, start) == 1 && !is_allowed(fence[start], floor))
			breach(start " may be included on floor " fence[start] " only")
	next
}

!may_log[floor] && !is_log && text ~ /(^|[^a-z_])(log_(begin|say) *\(.*|v?syslog *\()/ &&
text !~ /LOG_DEBUG/ {
	breach("floor " floor " does not log above debug: return enough for one good line")
}

!may_exit[floor] && text ~ /(^|[^a-z0-9_])(_exit|_Exit|exit|quick_exit) *\(/ {
	breach("only floor app may end the process")
}

# What is called upward by a declaration of its own is called upward all the same.
function say_upward(    key, at, from, to, lines, n, i) {
	for (key in uses) {
		split(key, at, SUBSEP)
		if (!(at[2] in home) || key in own)
			continue
		from = folder_of(module[at[1]])
		to = folder_of(module[home[at[2]]])
		if (from in level && to in level && level[to] > level[from])
			lines[++n] = at[1] ":" uses[key] ": floor " from " (" level[from] ") " \
				"must not use " at[2] " of " to " (" level[to] ")"
	}
	sort_names(lines, n)
	for (i = 1; i <= n; i++)
		print lines[i]
	breaches += n
}

function is_allowed(floors_of, name) {
	return " " floors_of " " ~ " " name " "
}

function include_own(name,    to) {
	if (name ~ /\.\./) {
		breach("no \"..\" in an include: the only include path is include/")
		return
	}
	scan_include(name)
	# A private header lies beside its source.
	if (name !~ /\//)
		return
	to = name
	sub(/\/.*/, "", to)
	if (!(to in level))
		breach("\"" name "\" is on no floor")
	else if (level[to] > level[floor])
		breach("floor " floor " (" level[floor] ") must not know " to " (" level[to] ")")
	else if (to != floor && level[to] == level[floor])
		breach(floor " and " to " do not know each other")
}

END {
	scan_end()
	say_circles(circles)
	say_upward()
	say_large()
	printf "floors: %d files, %d breaches\n", files, breaches
	exit breaches > 0
}
'

# shellcheck disable=SC2046 # our file names have no blanks
set -- $(find include src -mindepth 2 -name '*.[ch]' 2>/dev/null | LC_ALL=C sort)
if [ $# -eq 0 ]; then
	echo "floors: no files"
	exit 0
fi
exec awk -v "lines_max=$lines_max" -v "large=$large" \
	-v "floors=$floors" -v "libraries=$libraries" -v "circles=$circles" \
	"$(cat "$here/c-code.awk" "$here/c-symbols.awk" "$here/c-circles.awk")$rules" "$@"
