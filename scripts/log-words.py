#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the log says that ringmain.8 does not explain: a line for each; nothing when all is there.

Every message must be an item of the manual (".It Li msg=..."), every key one of a list of fields
(".It Ic key"; those of counters: ".Ic key" in COUNTERS), and the words of a reason, a state and the like
must be marked (".Cm", ".Dq"). They are found in src/ wherever they come from: as a literal, as a table of words, through
a parameter from the calls of its function, from what a function returns. What cannot be found
this way is an error, too, or is in FREE, with the reason why.

usage: ringmain --help-metrics | log-words.py [TREE]
"""

import pathlib
import re
import sys

# Keys whose values are words out of few.
WORDED = ("reason", "state", "by", "change", "outcome", "role", "why", "pause")

# Values of these keys that are free text, or words that are checked elsewhere.
FREE = {
    "s->detail",                   # more than the reason says
    "report->words",               # what a check's protocol or its server said
    "checker.c: outcome->facts->words", # what a check's protocol or its server said
    "check_plan.c: why",           # the same
    "strerrordesc_np(-err)",       # the C library's
    "call_option(call, \"reason\")", # the operator's words
    "report->by",                  # who asked for a reload
    "value.text",                  # a session's: the reasons, which check-docs.sh compares, and details
}

# What a table has for those of whom nothing is said, and the log not.
SILENT = {"none", "same", "granted", "plan", "nothing to do"}

CALL = re.compile(r"\b(log_begin|log_say|log_text|log_u64|log_i64|log_flag|log_errno)\(")
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
CONVERSION = re.compile(r"%[-.0-9*]*(?:ll|z)?[a-zA-Z]")


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def arguments(text, at):
    """Of the call whose opening bracket is before `at`: split at its commas."""
    found, depth, begin, in_string = [], 0, at, False
    while depth >= 0:
        char = text[at]
        if char == '"' and text[at - 1] != "\\":
            in_string = not in_string
        elif not in_string:
            depth += (char in "([{") - (char in ")]}")
            if (char == "," and depth == 0) or depth < 0:
                found.append(" ".join(text[begin:at].split()))
                begin = at + 1
        at += 1
    return found


def literals(text):
    """Those that touch are one."""
    joined = re.sub(r'"\s+"', "", text)
    return [literal[1:-1].replace('\\"', '"') for literal in LITERAL.findall(joined)]


class Source:
    """All of src/, and what its expressions can be."""

    def __init__(self, folder):
        self.files = {path: without_comments(path.read_text(encoding="utf-8"))
                      for path in sorted(folder.glob("*/*.c"))}
        self.unknown = []

    def function_around(self, path, at):
        """Name and parameters of the function in which this place is, and the files that can call it."""
        text = self.files[path]
        begin = [m for m in re.finditer(r"^(?!static_assert)\w[^;={}]*?\b(\w+)\(([^{};]*?)\)\n\{", text, re.M)
                 if m.end() <= at]
        if not begin:
            return None, [], []
        names = [re.search(r"(\w+)(?:\[.*?\])?$", one.strip()).group(1) for one in begin[-1][2].split(",")]
        return begin[-1][1], names, [path] if begin[-1][0].startswith("static") else list(self.files)

    def calls(self, name, paths):
        for path in paths:
            text = self.files[path]
            for m in re.finditer(rf"(?<![\w*]){name}\(", text):
                line = text[text.rfind("\n", 0, m.start()) + 1:m.start()]
                if not re.match(r"\w", line) or "=" in line or "return" in line:    # no definition
                    yield path, m.start(), arguments(text, m.end())

    def table(self, name):
        for text in self.files.values():
            m = re.search(rf"\b{name}\[[^\]]*\]\s*=\s*\{{(.*?)\n\s*\}};", text, re.S)
            if m:
                return literals(m[1])
        return None

    def members(self, path, name):
        found = re.findall(rf"\.{name} = ((?:\"(?:[^\"\\]|\\.)*\"\s*)+)", self.files[path])
        return [word for one in found for word in literals(one)]

    def returned(self, name, depth):
        for path, text in self.files.items():
            m = re.search(rf"^\w[^;={{}}]*\b{name}\([^;{{}}]*\)\n\{{(.*?)^\}}", text, re.M | re.S)
            if m:
                for r in re.finditer(r"return ([^;]*);", m[1]):
                    yield from self.words(path, m.start(1) + r.start(), r[1], depth)

    def words(self, path, at, expression, depth=0):
        """What it can be."""
        expression = " ".join(expression.split())
        m = re.fullmatch(r"(?:.* \? )?([^?]*) : (.*)", expression) if not expression.startswith('"') else None
        if depth > 4 or expression == "NULL" or FREE & {expression, f"{path.name}: {expression}"}:
            return
        if m and "?" in expression and "[" not in expression.split("?")[0]:
            yield from self.words(path, at, m[1], depth + 1)
            yield from self.words(path, at, m[2], depth + 1)
            return
        if '"' in expression and "(" not in LITERAL.sub("", expression):
            yield from literals(expression)
            return
        yield from self.words_of_name(path, at, expression, depth)

    def words_of_name(self, path, at, expression, depth):
        found = None
        if m := re.match(r"(\w+)\[.*\](\.\w+)?$", expression):
            found = self.table(m[1])
        elif m := re.fullmatch(r"(\w+)\(.*\)", expression):
            found = list(self.returned(m[1], depth + 1))
        elif m := re.fullmatch(r"\w+(?:->|\.)(\w+)", expression):
            found = self.members(path, m[1])
            if not found:   # by their order in a table of the file
                found = [word for one in re.findall(r"\[\] = \{(.*?)\n\};", self.files[path], re.S)
                         for word in literals(one)]
        elif re.fullmatch(r"\w+", expression):
            name, parameters, callers = self.function_around(path, at)
            if expression in parameters:
                which = parameters.index(expression)
                found = [word for there, place, given in self.calls(name, callers) if len(given) > which
                         for word in self.words(there, place, given[which], depth + 1)]
        if not found:
            self.unknown.append(f"{path}: {expression}")
        yield from found or []

    def said(self):
        """Messages, keys, and (key, word)."""
        messages, keys, words = {"log lines dropped", "lines of the log get lost"}, {"ts", "level", "msg", "truncated"}, set()
        for path, text in self.files.items():
            if str(path).endswith("base/log.c"):
                continue
            for m in CALL.finditer(text):
                given = arguments(text, m.end())
                if m[1] == "log_say":
                    messages |= {CONVERSION.sub("...", one) for one in literals(given[1])}
                elif m[1] == "log_begin":
                    messages |= set(self.words(path, m.start(), given[2]))
                elif path.name != "counters_log.c" or given[1].startswith('"'):
                    of_line = set(self.words(path, m.start(), given[1]))
                    keys |= of_line
                    if m[1] == "log_text":
                        words |= {(key, word) for key in of_line & set(WORDED)
                                  for word in self.words(path, m.start(), given[2])}
        return messages - SILENT, keys, {one for one in words if one[1] not in SILENT}


def keys_of_counters(metrics):
    """Of the lines of counters, from what --help-metrics prints."""
    found = set()
    for row in metrics:
        _, kind, _, keys, line, *_ = row.rstrip("\n").split("\t")
        if line != "-":
            ends = ("_n", "_ms") if kind == "histogram" else ("",)
            found |= {key + end for key in keys.split(",") for end in ends}
    return found


class Manual:
    """The sections LOG and COUNTERS."""

    def __init__(self, path):
        text = path.read_text(encoding="utf-8").replace("\\(dq", '"').replace("\\&", "")
        self.log, self.counters = (re.search(rf"^\.Sh {name}\n(.*?)^\.Sh ", text, re.M | re.S)[1]
                                   for name in ("LOG", "COUNTERS"))

    def messages(self):
        items = re.findall(r"^\.It Li (.*)", self.log + self.counters, re.M)
        return {m.strip('"') for item in items for m in re.findall(r'msg=(".*?"|\S+)', item)}

    @staticmethod
    def marked(text, *macros):
        """What stands behind these macros, split at the commas."""
        found = set()
        for macro in macros:
            for line in re.findall(rf"^(?:\.|\.Po |\.Pq |\.Li .*? ){macro} (.*)", text, re.M):
                found |= {one.strip().strip('"') for one in re.split(rf" , (?:{macro[3:]} )?| [.;:,)]| No ", line + " ")}
                found.add(line.strip('" '))
        return found


def main():
    tree = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    source, manual = Source(tree / "src"), Manual(tree / "etc/ringmain.8")
    messages, keys, words = source.said()
    fields, marked = manual.marked(manual.log, "It Ic"), manual.marked(manual.log, "It Cm", "Cm", "Dq", "It Dq")
    of_counters = manual.marked(manual.counters, "Ic", "Cm", "It Ic") | {word for _, word in words}
    missing = [f"message of the log has no item: {one}" for one in sorted(messages - manual.messages())]
    missing += [f"item for a message that nobody logs: {one}" for one in sorted(
        manual.messages() - messages) if not one.startswith("counters")]
    missing += [f"key of the log is in no list of fields: {one}" for one in sorted(keys - fields)]
    missing += [f"key of the counters: {one}" for one in sorted(keys_of_counters(sys.stdin) - of_counters)]
    missing += [f"word of the log is not marked: {key}={word}" for key, word in sorted(words) if word not in marked]
    missing += [f"scripts/log-words.py cannot tell what this is: {one}" for one in sorted(set(source.unknown))]
    for one in missing:
        print(f"etc/ringmain.8: {one}" if not one.startswith("scripts") else one)
    return 1 if missing else 0


sys.exit(main())
