# SPDX-License-Identifier: GPL-2.0-or-later
"""From measurements to figures, ratios and tables.

A measurement is {"case", "relay", "round"} with what the case gave, or with "error".
"""

import statistics

SUBJECT = "ringmain"
PEERS = ("haproxy", "nginx", "hitch", "other")


def spread(values):
    """Median, least and greatest; None of nothing."""
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def values_of(measurements, case, relay, key="figure"):
    """By round."""
    return {
        m["round"]: m[key]
        for m in measurements
        if m["case"] == case and m["relay"] == relay and m.get(key) is not None
    }


BASELINE = "haproxy"  # of the picture


def ratios(measurements, case, peer, subject=SUBJECT):
    """The subject's figure by the peer's, each pair from one round."""
    mine, theirs = (values_of(measurements, case, r) for r in (subject, peer))
    return [mine[r] / theirs[r] for r in sorted(mine) if theirs.get(r)]


def summarise(measurements, cases, relays):
    """What the tables, the JSON and the picture show."""
    rows = []
    for case in cases:
        row = {"case": case.key, "title": case.title, "unit": case.unit, "relays": {}}
        row["goal"] = goal_of(case)
        for relay in relays:
            row["relays"].update(of_relay(measurements, case, relay))
        row["ratios"] = {
            peer: found
            for peer in PEERS
            if (found := spread(ratios(measurements, case.key, peer)))
        }
        row["by_baseline"] = {
            relay: found
            for relay in row["relays"]
            if (found := spread(ratios(measurements, case.key, BASELINE, relay)))
        }
        row["reached"] = is_reached(case, row)
        rows.append(row)
    return rows


def of_relay(measurements, case, relay):
    """{relay: spreads of all that was measured}, or {}."""
    keys = {k for m in measurements if m["case"] == case.key for k in m}
    keys -= {"case", "relay", "round", "error", "counted_by"}
    values = {k: list(values_of(measurements, case.key, relay, k).values()) for k in sorted(keys)}
    if not values.get("figure"):
        return {}
    return {relay: {k: spread(v) for k, v in values.items() if v}}


def goal_of(case):
    if case.ratio_goal is not None:
        return {"of": "ratio to HAProxy", "at_most": case.ratio_goal}
    if case.figure_goal is not None:
        return {"of": case.unit, "at_most": case.figure_goal}
    return None


def is_reached(case, row):
    """By the median; None when it was not measured or has no goal."""
    if case.ratio_goal is not None and "haproxy" in row["ratios"]:
        return row["ratios"]["haproxy"]["median"] <= case.ratio_goal
    if case.figure_goal is not None and SUBJECT in row["relays"]:
        return row["relays"][SUBJECT]["figure"]["median"] <= case.figure_goal
    return None


# ---- text ----


def number(value):
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def table(head, rows):
    """Columns as wide as they must be; the first two are text, the others numbers."""
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    lines = []
    for line in [head, *rows]:
        cells = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def figures_table(rows, labels):
    head = ["case", "relay", "figure", "unit", "min", "max", "per s", "p50 us", "p99 us", "busy"]
    lines = []
    for row in rows:
        title = row["title"]
        for relay, of in row["relays"].items():
            middle = {k: number(v["median"]) for k, v in of.items()}
            figure = of["figure"]
            shown = relay != "direct" and [
                number(figure["median"]),
                row["unit"],
                number(figure["min"]),
                number(figure["max"]),
            ]
            busy = f"{of['busy']['median']:.0%}" if "busy" in of and relay != "direct" else ""
            more = [middle.get(k, "") for k in ("rate", "p50_us", "p99_us")]
            lines.append([title, labels[relay], *(shown or [""] * 4), *more, busy])
            title = ""
    return table(head, lines)


def goal_text(row):
    if not row["goal"]:
        return "", ""
    what = "ratio" if row["goal"]["of"].startswith("ratio") else row["goal"]["of"]
    reached = {True: "yes", False: "no", None: "?"}[row["reached"]]
    return f"{what} <= {number(row['goal']['at_most'])}", reached


def ratios_table(rows, labels):
    head = ["ringmain's figure divided by that of", ""]
    peers = [p for p in PEERS if p in labels]
    for peer in peers:
        head += [labels[peer], "min", "max"]
    head += ["goal", "reached"]
    lines = []
    for row in rows:
        cells = [row["title"], ""]
        for peer in peers:
            found = row["ratios"].get(peer)
            cells += [f"{found[k]:.2f}" if found else "" for k in ("median", "min", "max")]
        lines.append([*cells, *goal_text(row)])
    return table(head, lines)
