# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture: ringmain's figures by its peers', with their spread, and the goals."""

import shutil
import subprocess

COLOURS = {"haproxy": "#1f6fb4", "nginx": "#3a9a4a", "hitch": "#c98a1b", "other": "#8a5fb0"}
OFFSETS = {"haproxy": 0.2, "nginx": 0.07, "hitch": -0.07, "other": -0.2}

SCRIPT = """
set terminal svg size 900,{height} font "DejaVu Sans,13" background "#ffffff"
set output "{output}"
set title "{title}" font ",15"
set label 1 "{subtitle}" at screen 0.5, character 1.6 center font ",11" textcolor "#555555"
set lmargin 34
set bmargin 6
set xlabel "ringmain's figure divided by the other's (log scale; left of 1 ringmain needs less)"
set logscale x 2
set xrange [{low}:{high}]
set xtics ({xtics})
set yrange [0.4:{top}]
set ytics ({ytics})
set grid x linecolor "#dddddd"
set key outside top center horizontal
set arrow 1 from 1, graph 0 to 1, graph 1 nohead linecolor "#000000" linewidth 1.5
plot {plots}
"""


def points(rows, peer):
    for i, row in enumerate(reversed(rows)):
        found = row["ratios"].get(peer)
        if found:
            y = i + 1 + OFFSETS[peer]
            yield f"{found['median']:.4f} {y:.2f} {found['min']:.4f} {found['max']:.4f}"


def goals(rows):
    """Goals that are ratios; a goal of the figure itself has no place on this axis."""
    for i, row in enumerate(reversed(rows)):
        if row["goal"] and row["goal"]["of"].startswith("ratio"):
            yield f"{row['goal']['at_most']} {i + 1 - 0.32:.2f} 0 0.64"


def draw(rows, labels, subtitle, output):
    """Writes an SVG. False when there is nothing to draw with, or nothing to draw."""
    rows = [r for r in rows if r["ratios"]]
    if not rows or not shutil.which("gnuplot"):
        return False
    series, data = [], []
    for peer, colour in COLOURS.items():
        block = list(points(rows, peer))
        if block:
            data.append("\n".join(block))
            series.append(
                f"'-' using 1:2:3:4 with xerrorbars pointtype 7 pointsize 0.8 linewidth 2"
                f' linecolor "{colour}" title "by {labels[peer]}"'
            )
    block = list(goals(rows))
    if block:
        data.append("\n".join(block))
        series.append(
            '\'-\' using 1:2:3:4 with vectors nohead linewidth 3 linecolor "#d04a35"'
            ' title "goal (by HAProxy)"'
        )
    ends = [v for r in rows for f in r["ratios"].values() for v in (f["min"], f["max"])]
    ticks = [2.0**e for e in range(-8, 4)]
    names = ", ".join(f'"{r["title"]}" {i + 1}' for i, r in enumerate(reversed(rows)))
    script = SCRIPT.format(
        height=130 + 46 * len(rows),
        output=output,
        title="What ringmain needs, by what others need for the same work",
        subtitle=subtitle.replace("\n", "\\n"),
        low=max(ticks[0], min(0.45, min(ends) * 0.9)),
        high=max(1.4, max(ends) * 1.1),
        xtics=", ".join(f'"{t:.3g}" {t}' for t in [*ticks, 0.35, 0.7, 1.4]),
        ytics=names,
        top=len(rows) + 0.6,
        plots=", \\\n     ".join(series),
    )
    script += "".join(f"{block}\ne\n" for block in data)
    ran = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    return ran.returncode == 0
