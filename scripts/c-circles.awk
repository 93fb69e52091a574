# SPDX-License-Identifier: GPL-2.0-or-later
#
# For check-floors.sh, behind c-symbols.awk: do modules need each other in a circle? A module is a
# source with its headers of the same name. It needs another when it includes a header of it, or
# calls or names what its source defines, wherever that is declared. Call scan_include() for each
# include line of ours, in order, and say_circles(KNOWN) in END: within the folders in KNOWN, words
# with blanks between, nobody looks.

function scan_include(name) {
	sub(/\.h$/, "", name)
	if (name !~ /\//)
		name = folder_of(module_of(FILENAME)) "/" name
	need(module_of(FILENAME), name, "includes " name ".h", FILENAME ":" FNR)
}

function folder_of(name) {
	sub(/\/.*/, "", name)
	return name
}

function need(from, to, words, place) {
	if (from == to || (from, to) in needs)
		return
	needs[from, to] = words
	needs_at[from, to] = place
	needed[from] = needed[from] " " to
	needers[to] = needers[to] " " from
}

# Awk does not say in which order it walks through an array; whoever reads the list wants one.
function need_symbols(    key, at) {
	for (key in uses) {
		split(key, at, SUBSEP)
		if (at[2] in home && !(key in own))
			need(module[at[1]], module[home[at[2]]],
			     (at[2] in is_function) ? "calls " at[2] "()" : "uses " at[2],
			     at[1] ":" uses[key])
	}
}

# Everybody that can be reached from @from by @next_of, a list for each, in found; and by whom.
function walk(from, next_of, found, before,    todo, n, i, at, to, k, list) {
	split("", found)
	split("", before)
	todo[n = 1] = from
	for (i = 1; i <= n; i++) {
		at = todo[i]
		k = split(next_of[at], list, " ")
		for (; k > 0; k--) {
			to = list[k]
			if (to in found)
				continue
			found[to] = 1
			before[to] = at
			todo[++n] = to
		}
	}
}

function is_known(from, to, known) {
	return folder_of(from) == folder_of(to) &&
		index(" " known " ", " " folder_of(from) " ") > 0
}

function forget_known(known,    key, at) {
	for (key in needs) {
		split(key, at, SUBSEP)
		if (!is_known(at[1], at[2], known))
			continue
		delete needs[key]
		needed[at[1]] = without(needed[at[1]], at[2])
		needers[at[2]] = without(needers[at[2]], at[1])
	}
}

function without(list, name) {
	sub(" " name "( |$)", " ", list)
	sub(/ $/, "", list)
	return list
}

function say_circles(known,    name, names, n, i) {
	need_symbols()
	forget_known(known)
	for (name in needed)
		names[++n] = name
	sort_names(names, n)
	for (i = 1; i <= n; i++)
		if (!(names[i] in told))
			say_knot(names[i])
}

# All that need @first and are needed by it, directly or not, need each other.
function say_knot(first,    down, up, before, name, names, n, i, k, pairs) {
	walk(first, needed, down, before)
	if (!(first in down))
		return
	walk(first, needers, up, before)
	for (name in down)
		if (name in up)
			names[++n] = name
	sort_names(names, n)
	for (i = 1; i <= n; i++) {
		told[names[i]] = 1
		for (k = i + 1; k <= n; k++)
			if ((names[i], names[k]) in needs && (names[k], names[i]) in needs) {
				say_pair(names[i], names[k])
				pairs++
			}
	}
	if (!pairs)
		say_circle(names, n)
	else if (n > 2)
		printf "floors: %d modules need each other in a circle: %s\n", n, join(names, n)
}

function say_pair(one, other) {
	printf "%s: %s and %s need each other: %s %s, and %s %s (%s); %s\n", needs_at[one, other],
		one, other, one, needs[one, other], other, needs[other, one], needs_at[other, one],
		circle_cure()
	breaches++
}

function circle_cure() {
	return "one of the two has to do without the other: move what both need below them"
}

# The shortest circle of @names, in words.
function say_circle(names, n,    i, down, before, path, best, at, k) {
	for (i = 1; i <= n; i++) {
		walk(names[i], needed, down, before)
		k = 0
		at = names[i]
		split("", path)
		do {
			path[++k] = at
			at = before[at]
		} while (at != names[i])
		if (i > 1 && k >= best)
			continue
		best = k
		circle_at = needs_at[names[i], path[k]]
		circle = circle_words(names[i], path, k)
	}
	printf "%s: a circle of modules: %s; one of these ties has to go: move what is needed " \
		"on both sides below them\n", circle_at, circle
	breaches++
}

# @path has @first and then, backwards, how one gets from it back to it.
function circle_words(first, path, k,    words, at) {
	words = first
	at = first
	for (; k > 0; k--) {
		words = words (at == first ? " " : ", which ") needs[at, path[k]]
		if (needs[at, path[k]] !~ /^includes/)
			words = words " of " path[k]
		if (at != first)
			words = words " (" needs_at[at, path[k]] ")"
		at = path[k]
	}
	return words
}

function sort_names(names, n,    i, k, name) {
	for (i = 2; i <= n; i++) {
		name = names[i]
		for (k = i; k > 1 && names[k - 1] > name; k--)
			names[k] = names[k - 1]
		names[k] = name
	}
}

function join(names, n,    i, text) {
	for (i = 1; i <= n; i++)
		text = text (i > 1 ? ", " : "") names[i]
	return text
}
