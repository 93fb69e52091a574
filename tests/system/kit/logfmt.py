# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads ringmain's log lines, logfmt or JSON, into dicts of strings."""

import json
import re

_FIELD = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?(?:\s+|$)')
_PRIORITY = re.compile(r"^<\d>")       # for the journal
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse(line):
    """Gives the fields of one line; None if it is neither logfmt nor JSON."""
    line = _PRIORITY.sub("", line)
    if line.startswith("{"):
        try:
            return {key: _text(value) for key, value in json.loads(line).items()}
        except ValueError:
            return None
    return _parse_logfmt(line)


def _parse_logfmt(line):
    fields = {}
    at = 0
    while at < len(line):
        match = _FIELD.match(line, at)
        if not match or match[2] is None:
            return None
        fields[match[1]] = _unquote(match[2])
        at = match.end()
    return fields or None


def _unquote(value):
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), value[1:-1])


def _text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
