"""Line plots as SVG, with nothing but text: points on straight or logarithmic axes, one colour a line."""

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]

WIDTH: Final = 640
HEIGHT: Final = 320
LEFT: Final = 64
RIGHT: Final = 150  # the names of the lines
TOP: Final = 34
BOTTOM: Final = 46
COLOURS: Final = ("#1f6fb2", "#c4501b", "#2f8f4e", "#8546a3", "#8a6d1c", "#555555")


def short(value: float) -> str:
    """A number for an axis."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def steps(most: float) -> list[float]:
    """Round numbers from 0 to a little more than `most`, four to eight of them."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0) if most / (power * part) <= 7)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def decades(least: float, most: float) -> list[float]:
    return [10.0**power for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)]


def plot(title: str, across: str, lines: dict[str, Points], log_x: bool = False, log_y: bool = False) -> str:
    """An SVG document. lines: by their names, none of them empty; a logarithmic axis wants values above 0."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    y_marks = decades(min(ys), max(ys)) if log_y else steps(max(ys) or 1.0)
    x_marks = decades(min(xs), max(xs)) if log_x else sorted(set(xs)) if len(set(xs)) <= 8 else steps(max(xs))
    x_scale, y_scale = (math.log10 if log_x else float), (math.log10 if log_y else float)
    x_ends, y_ends = (x_scale(x_marks[0]), x_scale(x_marks[-1])), (y_scale(y_marks[0]), y_scale(y_marks[-1]))

    def at_x(x: float) -> float:
        return LEFT + (x_scale(x) - x_ends[0]) / (x_ends[1] - x_ends[0] or 1) * (WIDTH - LEFT - RIGHT)

    def at_y(y: float) -> float:
        return HEIGHT - BOTTOM - (y_scale(y) - y_ends[0]) / (y_ends[1] - y_ends[0] or 1) * (HEIGHT - TOP - BOTTOM)

    made = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12" fill="#222222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>',
    ]
    for y in y_marks:
        made.append(f'<path d="M{LEFT} {at_y(y):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        made.append(f'<text x="{LEFT - 6}" y="{at_y(y) + 4:.1f}" text-anchor="end">{short(y)}</text>')
    for x in x_marks:
        made.append(f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(x)}</text>')
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
        made.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>')
        made.append(
            f'<text x="{WIDTH - RIGHT + 10}" y="{TOP + 14 + 18 * number}" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*made, "</svg>", ""])
