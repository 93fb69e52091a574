# SPDX-License-Identifier: GPL-2.0-or-later
"""Evenness and disruption of maglev's table, beside what has been published of such tables."""

import figures

MAGLEV = "Eisenbud et al., Maglev, NSDI 2016, 5.3"
JUMP = "Lamping and Veach, A Fast, Minimal Memory, Consistent Hash Algorithm, arXiv:1406.2294, 2014"

# (slots, backends): milliseconds
BUILD_MS = {(65537, 1000): 1.8, (655373, 1000): 22.9}

# What the fullest backend of 1000 has above the average, and where that is written.
PUBLISHED = [
    ("Maglev", "65537 slots", "almost none", MAGLEV),
    ("Karger's ring", "65537 slots", "29.7 %", MAGLEV),
    ("rendezvous", "65537 slots", "49.5 %", MAGLEV),
    ("Maglev", "655373 slots", "almost none", MAGLEV),
    ("Karger's ring", "655373 slots", "10.3 %", MAGLEV),
    ("rendezvous", "655373 slots", "12.3 %", MAGLEV),
    ("Karger's ring", "100 points each", "28 % (99 % of them less)", JUMP),
    ("Karger's ring", "1000 points each", "9 % (99 % of them less)", JUMP),
    ("jump hash", "no table", "0.000002 % (99 % of them less)", JUMP),
]


def above_average(row):
    return 100 * (row["most"] * row["backends"] / row["slots"] - 1)


def own_rows(rows):
    for row in rows:
        yield [
            *(str(row[k]) for k in ("backends", "slots", "fail", "least", "most")),
            f"{above_average(row):.2f}",
            *(f"{row[k]:.2f}" for k in ("changed", "known_changed", "needless", "known_needless")),
        ]


def published_rows(rows):
    own = {r["slots"]: r for r in rows if r["backends"] == 1000 and r["fail"] == 1}
    for slots, row in own.items():
        yield [f"ringmain, {slots} slots", "measured here", f"{above_average(row):.2f} %"]
    for method, size, above, source in PUBLISHED:
        yield [f"{method}, {size}", source, above]


def table(rounds):
    """Nothing in it is left to chance: every round is the same."""
    rows = rounds[0]
    head = ["backends", "slots", "fail", "least", "most", "most over avg %"]
    head += ["changed %", "plain", "needless %", "plain"]
    other = ["1000 backends", "source", "the fullest has above the average"]
    return "\n".join(
        [
            figures.table(head, list(own_rows(rows))),
            "plain: Maglev with another hash function, as computed for the bars of the unit tests.",
            "",
            figures.table(other, list(published_rows(rows))),
            "Ring and rendezvous move nothing needlessly when a backend fails, nor does jump hash,"
            " which can only lose its last bucket.",
        ]
    )
