# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the check scripts: code(line) is the line without comments and with empty strings. Call it
# once for every line of a file, in order. comment_line says whether it used `//`.

function code(line,    out, c, two, quote) {
	if (FNR == 1)
		in_comment = 0
	out = ""
	quote = ""
	comment_line = 0
	while (line != "") {
		c = substr(line, 1, 1)
		two = substr(line, 1, 2)
		line = substr(line, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				line = substr(line, 2)
			}
		} else if (quote != "") {
			if (c == "\\")
				line = substr(line, 2)
			else if (c == quote)
				quote = ""
			if (quote == "")
				out = out c
		} else if (two == "/*") {
			in_comment = 1
			line = substr(line, 2)
			out = out " "
		} else if (two == "//") {
			comment_line = 1
			break
		} else {
			if (c == "\"" || c == "'")
				quote = c
			out = out c
		}
	}
	return out
}

function breach(rule) {
	printf "%s:%d: %s\n", FILENAME, FNR, rule
	breaches++
}
