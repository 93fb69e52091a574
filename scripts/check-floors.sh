#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The law of the floors (src/README.md), read from the include lines of src/ and include/: a file
# includes headers of its own floor and of lower ones; proto and tls do not know each other; each
# library is fenced to one floor; who may log and who may exit. Prints FILE:LINE: the rule.
#
# usage: check-floors.sh [DIRECTORY]
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
cd "${1:-.}" || exit 2

# shellcheck disable=SC2016 # awk's own dollars
rules='
BEGIN {
	split("base=0 net=1 io=2 proto=3 tls=3 config=4 balance=5 proxy=6 app=7", rows, " ")
	for (i in rows) {
		split(rows[i], row, "=")
		level[row[1]] = row[2]
	}
	# Library headers by their beginning, and the one floor that may include them.
	split("liburing=io wolfssl/=tls ini.h=config xxhash.h=base", rows, " ")
	for (i in rows) {
		split(rows[i], row, "=")
		fence[row[1]] = row[2]
	}
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

{ text = code($0) }

!known { next }

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	include_own(quoted[2])
	next
}

/^[ \t]*#[ \t]*include[ \t]*</ {
	name = $0
	sub(/^[^<]*</, "", name)
	for (start in fence)
		if (index(name, start) == 1 && fence[start] != floor)
			breach(start " may be included on floor " fence[start] " only")
	next
}

level[floor] <= 5 && !is_log && text ~ /(^|[^a-z_])(log_(begin|say) *\(.*|v?syslog *\()/ &&
text !~ /LOG_DEBUG/ {
	breach("floors 0-5 do not log above debug: return enough for one good line")
}

level[floor] <= 6 && text ~ /(^|[^a-z0-9_])(_exit|_Exit|exit|quick_exit) *\(/ {
	breach("only floor app may end the process")
}

function include_own(name,    to) {
	if (name ~ /\.\./) {
		breach("no \"..\" in an include: the only include path is include/")
		return
	}
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
exec awk "$(cat "$here/c-code.awk")$rules" "$@"
