# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture: what each relay needs for the same work, HAProxy = 1. Bars, the shorter the better."""

import shutil
import subprocess

COLOURS = {"ringmain": "#1f66bd", "other": "#8a5fb0", "nginx": "#9aa39a", "hitch": "#c9b99b"}
HEADS = {  # over the cases of a unit
    "us/exchange": "CPU time per exchange",
    "CPU-s/GiB": "CPU time per GiB",
    "B/session": "memory per idle session",
    "per exchange": "system calls per exchange",
    "x": "what idle sessions cost busy ones",
    "us/handshake": "CPU time per TLS handshake",
}
SHOWN_MAX = 2.5  # a longer bar is cut off; its number tells

SCRIPT = """
set terminal svg size 900,{height} font "DejaVu Sans,13" background "#ffffff"
set output "{output}"
set title "{title}" font ",15" offset -12,0
set label 1 "{subtitle}" at screen 0.5, character 1.6 center font ",10" textcolor "#555555"
set lmargin 36
set bmargin 5.5
unset border
set xrange [0:{high}]
set xtics (0, 0.5, 1, 1.5, 2, 2.5) scale 0 textcolor "#555555"
set yrange [0:{top}]
set ytics ({ytics}) scale 0
set style fill solid 1 noborder
set key outside top center horizontal
set arrow 1 from 1, graph 0 to 1, graph 1 nohead linecolor "#222222" linewidth 2
set label 2 "HAProxy = 1" at 1, graph 1.0 offset 0.6,-0.6 left font ",11"
plot {plots}
"""

BAR, GAP, HEAD = 1.0, 0.7, 1.3  # heights


def lay_out(rows):
    """From the top down: [(y, text)] for the axis, and [(y, relay, spread)], and the height."""
    marks, bars, y, unit = [], [], 0.0, None
    units = list(dict.fromkeys(row["unit"] for row in rows))
    for row in sorted(rows, key=lambda row: units.index(row["unit"])):
        if row["unit"] != unit:
            unit = row["unit"]
            y -= HEAD
            marks.append((y + 0.25, f"{{/:Bold {HEADS.get(unit, unit)}}}"))
            y -= 0.3
        relays = [relay for relay in COLOURS if relay in row["by_baseline"]]
        marks.append((y - BAR * len(relays) / 2, row["title"]))
        for relay in relays:
            bars.append((y - BAR / 2, relay, row["by_baseline"][relay]))
            y -= BAR
        y -= GAP
    return [(v - y, t) for v, t in marks], [(v - y, r, s) for v, r, s in bars], -y


def series_of(bars, relay, label):
    """Bars, their spread and their numbers: (what gnuplot draws, its data)."""
    mine = [(y, s) for y, of, s in bars if of == relay]
    half = BAR * 0.42
    ends = [min(s["median"], SHOWN_MAX) for _, s in mine]
    boxes = "\n".join(f"0 {y:.3f} 0 {x:.4f} {y - half:.3f} {y + half:.3f}" for (y, _), x in zip(mine, ends))
    lines = "\n".join(
        f"{min(s['min'], SHOWN_MAX):.4f} {y:.3f} {min(s['max'], SHOWN_MAX) - min(s['min'], SHOWN_MAX):.4f} 0"
        for y, s in mine
    )
    texts = "\n".join(
        f"{max(x, min(s['max'], SHOWN_MAX)):.4f} {y:.3f} \"{s['median']:.2f}\"" for (y, s), x in zip(mine, ends)
    )
    plots = [
        f"'-' using 1:2:3:4:5:6 with boxxyerror linecolor \"{COLOURS[relay]}\" title \"{label}\"",
        "'-' with vectors nohead linecolor \"#333333\" notitle",
        "'-' using 1:2:3 with labels left offset 0.5,0 font ',11' notitle",
    ]
    return plots, [boxes, lines, texts]


def draw(rows, labels, subtitle, output):
    """Writes an SVG. False when there is nothing to draw with, or nothing to draw."""
    rows = [r for r in rows if "ringmain" in r["by_baseline"] and "haproxy" in r["by_baseline"]]
    if not rows or not shutil.which("gnuplot"):
        return False
    marks, bars, top = lay_out(rows)
    plots, data = [], []
    for relay in COLOURS:
        if any(of == relay for _, of, _ in bars):
            more = series_of(bars, relay, labels[relay])
            plots += more[0]
            data += more[1]
    units = {r["unit"] for r in rows}
    what = HEADS.get(units.pop(), "What each needs") if len(units) == 1 else "What each needs"
    script = SCRIPT.format(
        height=int(120 + 21 * top),
        output=output,
        title=f"{what} for the same work, {labels['haproxy']} = 1: shorter is better",
        subtitle=subtitle.replace("\n", "\\n"),
        high=SHOWN_MAX + 0.25,
        top=f"{top:.2f}",
        ytics=", ".join(f'"{text}" {y:.3f}' for y, text in marks),
        plots=", \\\n     ".join(plots),
    )
    script += "".join(f"{block}\ne\n" for block in data)
    ran = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    return ran.returncode == 0
