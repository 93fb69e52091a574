# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the check scripts, behind c-code.awk: who defines what, and who uses it. Call scan_symbols()
# with code(line) for every line of src/ and include/, in order, and scan_end() in END. Then there are
#
#	module[FILE]                the file without directory above its floor and without its ending
#	home[NAME], home_line[NAME] the file and line that define a public function or table of NAME
#	is_function[NAME]           it is a function
#	own[FILE, NAME]             FILE has a static one of that name
#	uses[FILE, NAME]            the line of FILE that first uses NAME; not the definition's own body
#	used_by[FILE, BY, NAME]     with want_users only: BY of FILE uses NAME; it is a function, a table or
#				    a macro, or empty for what stands outside of all

function scan_symbols(text) {
	if (FNR == 1)
		scan_start()
	if (in_macro()) {
		# What a macro calls is called; what it is called itself is no function.
		if (text !~ /^[ \t]*#/)
			use_line(text, scan_macro_name)
		else if (match(text, /^[ \t]*#[ \t]*define[ \t]+[A-Za-z0-9_]+/))
			use_line(substr(text, RLENGTH + 1), macro_name(substr(text, 1, RLENGTH)))
		return
	}
	if (text ~ /^\{/ && scan_head ~ /\)[ \t]*$/)
		begin_function()
	if (scan_body) {
		use_line(text, scan_body)
		if (text ~ /^\}/)
			scan_body = ""
		return
	}
	file_scope(text)
}

function scan_start() {
	scan_end()
	scan_file = FILENAME
	module[FILENAME] = module_of(FILENAME)
	scan_macro = 0
	scan_body = ""
	scan_head = ""
}

# A line for the preprocessor, or one that goes on with it.
function in_macro(    is) {
	is = scan_macro || $0 ~ /^[ \t]*#/
	scan_macro = is && $0 ~ /\\$/
	return is
}

function module_of(file,    part, n) {
	n = split(file, part, "/")
	sub(/\.[ch]$/, "", part[n])
	return part[n - 1] "/" part[n]
}

# Collects what stands outside of functions until it is known to be the head of one, or not.
function file_scope(text) {
	if (text ~ /^[ \t]*$/) {
		if (scan_head !~ /=/)
			scan_end()
		return
	}
	if (scan_head == "") {
		scan_line = FNR
		scan_is_member = text ~ /^[ \t]/
	}
	scan_head = scan_head " " text
	if (text ~ /^[A-Za-z].*\)[ \t]*\{.*\}[ \t]*$/) {
		one_line_function(text)
		return
	}
	pend_line(text)
	if (text ~ /[;}][ \t]*$/ && (text !~ /^[ \t]/ || scan_head !~ /\{/))
		end_declaration()
}

function one_line_function(text,    body) {
	body = text
	sub(/^[^{]*/, "", body)
	sub(/[ \t]*\{.*/, "", scan_head)
	begin_function()
	use_line(body, scan_body)
	scan_body = ""
}

function begin_function(    name) {
	name = scan_head
	sub(/[ \t]*\(.*/, "", name)
	sub(/.*[ \t*]/, "", name)
	define(name, scan_head ~ /(^|[ \t])static[ \t]/ && FILENAME !~ /\.h$/)
	is_function[name] = 1
	delete scan_pending[name]
	flush_pending(name)
	scan_head = ""
	scan_body = name
}

# In a header it is a declaration; in a source a table, whose words are uses.
function end_declaration(    name) {
	if (FILENAME ~ /\.c$/ && !scan_is_member && scan_head !~ /^ (typedef|extern) / &&
	    scan_head ~ /^[A-Za-z0-9_ \t*]+[ *][A-Za-z0-9_]+(\[[A-Za-z0-9_ *+]*\])* *[=;]/) {
		name = scan_head
		sub(/[ \t]*[=[;].*/, "", name)
		sub(/.*[ \t*]/, "", name)
		define(name, scan_head ~ /(^|[ \t])static[ \t]/)
		delete scan_pending[name]
		flush_pending(name)
	}
	scan_end()
}

function define(name, is_static) {
	if (is_static) {
		own[FILENAME, name] = scan_line
		return
	}
	home[name] = FILENAME
	home_line[name] = scan_line
}

function pend_line(text,    word, n, i) {
	n = words_of(text, word)
	for (i = 1; i <= n; i++)
		if (!(word[i] in scan_pending))
			scan_pending[word[i]] = FNR
}

function macro_name(text) {
	sub(/.*[ \t]/, "", text)
	scan_macro_name = text
	is_macro[text] = 1
	return text
}

function flush_pending(by,    name) {
	for (name in scan_pending)
		use(name, scan_pending[name], by)
	delete scan_pending
}

function use_line(text, by,    word, n, i) {
	n = words_of(text, word)
	for (i = 1; i <= n; i++)
		if (word[i] != scan_body)
			use(word[i], FNR, by)
}

function use(name, line, by) {
	if (!((FILENAME, name) in uses))
		uses[FILENAME, name] = line
	if (want_users)
		used_by[FILENAME, by, name] = 1
}

# Its identifiers, but for names of types and of members.
function words_of(text, word) {
	gsub(/(struct|enum|union)[ \t]+[A-Za-z0-9_]+/, " ", text)
	gsub(/(\.|->)[A-Za-z0-9_]+/, " ", text)
	gsub(/[^A-Za-z0-9_]+/, " ", text)
	sub(/^ /, "", text)
	return split(text, word, " ")
}

function scan_end() {
	scan_head = ""
	delete scan_pending
}
