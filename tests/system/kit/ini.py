# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the configuration most tests need: one listener, one pool."""

GLOBALS = {"workers": 2, "log_level": "info"}
PATIENCE = {"connect_timeout": "10s", "connect_total": "20s"}   # a busy machine is not what is tested


def ini(backends, *, binds=("127.0.0.1:0",), listener=None, pool=None, settings=None):
    """Gives INI text. backends: servers of the kit (.text) or "ADDRESS [weight=N ...]" strings,
    named b1, b2, ...; listener, pool and settings ([global]) are dicts of further keys, where a list
    gives a key several times.
    """
    lines = ["[global]"]
    lines += _keys({**GLOBALS, **(settings or {})})
    lines += ["", "[listener in]"]
    lines += [f"bind = {bind}" for bind in binds]
    lines += ["pool = out"]
    lines += _keys(listener or {})
    lines += ["", "[pool out]"]
    lines += _keys(pool if pool and PATIENCE.keys() & pool.keys() else {**PATIENCE, **(pool or {})})
    for number, backend in enumerate(backends, 1):
        lines.append(f"backend = b{number} {getattr(backend, 'text', backend)}")
    return "\n".join(lines) + "\n"


def _keys(section):
    return [f"{key} = {value}" for key, values in section.items()
            for value in (values if isinstance(values, (list, tuple)) else [values])]


def parse(text):
    """Gives [(kind, name, [(key, value), ...]), ...]; for files the kit wrote, not for any INI."""
    sections = []
    for line in text.splitlines():
        line = line.split(";")[0].strip()
        if line.startswith("["):
            kind, _, name = line.strip("[]").partition(" ")
            sections.append((kind, name, []))
        elif line:
            key, _, value = line.partition("=")
            sections[-1][2].append((key.strip(), value.strip()))
    return sections
