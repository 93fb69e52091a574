# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of bars in groups, one panel above the other, with the spread of each bar."""

import dataclasses
import shutil
import subprocess

COLOURS = ("#1f6fb4", "#3a9a4a", "#d04a35", "#8a5fb0")
GAP = 1  # between groups, in bars
WHISKERS = 'heads size 0.1,90 linecolor "#333333"'

HEAD = """
set terminal svg size 900,{height} font "DejaVu Sans,13" background "#ffffff"
set output "{output}"
set multiplot layout {panels},1 title "{title}\\n" font ",15" offset 0,-0.3
set label 1 "{subtitle}" at screen 0.5, screen 0.012 center font ",11" textcolor "#555555"
set boxwidth 0.9
set style fill solid 0.85 noborder
set ylabel "{unit}"
set grid y linecolor "#dddddd"
set key above right horizontal
set bmargin 3.5
"""

PANEL = """
set title "{title}" font ",13" offset 0,-0.5
set xrange [{low}:{high}]
set yrange [0:{top}]
set xtics ({ticks}) nomirror
plot {plots}
"""


@dataclasses.dataclass
class Panel:
    title: str
    groups: list  # names, along the axis
    series: dict  # {name: a spread for each group}


@dataclasses.dataclass
class Bars:
    title: str
    unit: str
    panels: list


def text_of(value):
    return "0" if value == 0 else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def panel_script(panel):
    wide = len(panel.series) + GAP
    blocks, plots = [], []
    for at, (name, spreads) in enumerate(panel.series.items()):
        points = [
            (g * wide + at, s["median"], s["min"], s["max"]) for g, s in enumerate(spreads) if s
        ]
        bar = "\n".join("%g %g" % p[:2] for p in points)
        lines = "\n".join(f"{x:g} {least:g} 0 {most - least:g}" for x, _, least, most in points)
        names = "\n".join(f'{p[0]:g} {p[3]:g} "{text_of(p[1])}"' for p in points)
        plots.append(f'\'-\' with boxes linecolor "{COLOURS[at]}" title "{name}"')
        plots.append(f"'-' with vectors {WHISKERS} notitle")
        plots.append("'-' using 1:2:3 with labels offset 0,0.7 font ',10' notitle")
        blocks += [bar, lines, names]
    middle = (len(panel.series) - 1) / 2
    most = max(s["max"] for spreads in panel.series.values() for s in spreads if s)
    script = PANEL.format(
        title=panel.title,
        low=-1,
        high=len(panel.groups) * wide - 1 + 0.5,
        top=1.25 * most or 1,
        ticks=", ".join(f'"{name}" {g * wide + middle}' for g, name in enumerate(panel.groups)),
        plots=", \\\n     ".join(plots),
    )
    return script + "".join(f"{block}\ne\n" for block in blocks)


def draw(bars, subtitle, output):
    """Writes an SVG. False when there is nothing to draw with."""
    if not shutil.which("gnuplot"):
        return False
    script = HEAD.format(
        height=80 + 300 * len(bars.panels),
        output=output,
        panels=len(bars.panels),
        title=bars.title,
        subtitle=subtitle,
        unit=bars.unit,
    )
    script += "".join(map(panel_script, bars.panels)) + "unset multiplot\n"
    ran = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    return ran.returncode == 0
