# SPDX-License-Identifier: GPL-2.0-or-later
"""How the program is built, as far as the file tells: what makes a mistake in it harder to use."""

import platform
import re

import pytest

from kit import proc
from kit.ringmain import BINARY

pytestmark = [
    pytest.mark.haproxy_cannot("is of ringmain's own file"),
    pytest.mark.skipif(not re.search(r"/release[^/]*/ringmain$", str(BINARY)),
                       reason="only the release build is hardened"),
]

BRANCHES = {"x86_64": "-fcf-protection", "aarch64": "-mbranch-protection=standard"}


def readelf(*args):
    return proc.run([proc.need("readelf", "binutils"), "-W", *args, BINARY]).stdout


def test_it_is_loaded_anywhere_and_nothing_is_both_written_and_run():
    assert re.search(r"Type: +DYN", readelf("--file-header"))
    dynamic = readelf("--dynamic")
    assert re.search(r"FLAGS_1.* NOW.* PIE", dynamic)
    assert not re.search(r"TEXTREL|RPATH|RUNPATH", dynamic)
    segments = readelf("--program-headers")
    assert "GNU_RELRO" in segments
    assert not re.search(r"^ .* RWE ", segments, re.M)
    assert re.search(r"GNU_STACK .* RW +0x", segments)


def test_calls_that_copy_are_checked():
    symbols = readelf("--dyn-syms")
    for name in ("__stack_chk_fail", "__snprintf_chk", "__memcpy_chk"):
        assert f" {name}@" in symbols, name


def test_every_file_was_compiled_with_all_that_protects():
    """The compiler writes its options beside what is for the debugger; wolfSSL is in there, too."""
    commands = re.findall(r"\] +(GNU C\d\S* .*)", readelf("--string-dump=.debug_str"))
    if not commands:
        pytest.skip("not built by gcc with -g")
    wanted = ["-fstack-protector-strong", "-fstack-clash-protection", BRANCHES.get(platform.machine(), "")]
    for command in commands:
        assert all(option in command for option in wanted), command
