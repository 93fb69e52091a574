# SPDX-License-Identifier: GPL-2.0-or-later
"""How long tests that can go on for as long as one likes do so: SOAK=1h make soak."""

import os
import re

UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(otherwise, share=1):
    """This test's share of SOAK, or, where nothing is said, so many seconds."""
    said = os.environ.get("SOAK")
    if not said:
        return otherwise
    found = re.fullmatch(r"(\d+)([smh])", said)
    assert found, f"SOAK={said}: 90s, 30m and 1h are allowed"
    return max(otherwise, int(found[1]) * UNITS[found[2]] // share)
