# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes calls of a child fail, the nth or from a moment on: see faults.c, which this builds."""

import os
import pathlib
import subprocess

from kit import proc

SOURCE = pathlib.Path(__file__).with_name("faults.c")


def build(directory):
    """Compiles the library into a directory; gives its path."""
    library = pathlib.Path(directory) / "faults.so"
    subprocess.run([proc.need("cc", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-fPIC", "-shared",
                    "-o", library, SOURCE], check=True, timeout=120)
    return library


def environment(library, call, error, *, nth=1, always=False, thread=None, when=None):
    """The environment in which a call fails; error 0: it never returns."""
    env = {"LD_PRELOAD": str(library), "FAULT_CALL": call, "FAULT_ERROR": str(int(error)),
           "FAULT_NTH": str(nth)}
    optional = {"FAULT_ALWAYS": "1" if always else None, "FAULT_THREAD": thread,
                "FAULT_WHEN": when and str(when)}
    env.update({key: value for key, value in optional.items() if value})
    # A sanitizer's library wants to be the first one.
    asan = [os.environ.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0"]
    env["ASAN_OPTIONS"] = ":".join(filter(None, asan))
    return env
