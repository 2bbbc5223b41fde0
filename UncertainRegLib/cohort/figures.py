"""Drawings of the dashboard (SVG): the triage curves, and boxes of distributions."""

from __future__ import annotations

from html import escape

from .spread import Spread
from .triage import Curve

COLOURS = ("#1f5fa8", "#d2751c", "#6a3d9a")  # of the curves, safe for the colour-blind
SIDE, LEFT, BELOW = 260, 46, 40  # pixels: of the square, and of its margins
WIDTH, HEIGHT, EDGE = 260, 22, 6  # pixels of a box
MOST_POINTS = 400  # of a curve: no screen shows more


def triage(curves: list[Curve]) -> str:
    """The curves over the part that is looked at, with what chance finds."""

    def at(looked: float, found: float) -> str:
        return f"{LEFT + SIDE * looked:.1f},{8 + SIDE * (1 - found):.1f}"

    parts = [
        f'<svg width="{LEFT + SIDE + 12}" height="{8 + SIDE + BELOW}" role="img" '
        'aria-label="Triage curve">'
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = LEFT + SIDE * tick, 8 + SIDE * (1 - tick)
        parts += [
            f'<path d="M{x:.1f} 8V{8 + SIDE}M{LEFT} {y:.1f}H{LEFT + SIDE}" stroke="#e4e8ee"/>',
            f'<text x="{x:.1f}" y="{SIDE + 24}" text-anchor="middle">{100 * tick:.0f}</text>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * tick:.0f}</text>',
        ]
    parts += [
        f'<text x="{LEFT + SIDE / 2}" y="{SIDE + 42}" text-anchor="middle">looked at, %</text>',
        f'<text transform="translate(12 {8 + SIDE / 2}) rotate(-90)" text-anchor="middle">'
        "bad ones seen, %</text>",
        f'<path d="M{at(0, 0)}L{at(1, 1)}" stroke="#8a95a3" stroke-dasharray="4 4"/>',
    ]
    for one, colour in zip(curves, COLOURS):
        step = max(1, one.pairs // MOST_POINTS)
        places = [*range(0, one.pairs, step), one.pairs]
        line = " ".join(at(one.looked[place], one.found[place]) for place in places)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(one.title)}</title></polyline>"
        )
    return "".join(parts) + "</svg>"


def box(one: Spread, low: float, high: float) -> str:
    """A distribution between two values that all boxes of its column share."""
    scale = (WIDTH - 2 * EDGE) / ((high - low) or 1.0)

    def x(value: float) -> str:
        return f"{EDGE + scale * (value - low):.1f}"

    first, middle, last = one.quartiles
    half = HEIGHT / 2
    dots = "".join(
        f'<circle cx="{x(value)}" cy="{half}" r="2.5" fill="#b3261e"><title>{escape(pair)}: '
        f"{value:.3g}</title></circle>"
        for pair, value in one.outliers[:MOST_POINTS]
    )
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}"><path d="M{x(one.ends[0])} {half}H{x(one.ends[1])}" '
        f'stroke="#5a6675"/><rect x="{x(first)}" y="4" width="{scale * (last - first):.1f}" '
        f'height="{HEIGHT - 8}" fill="#cfe0f3" stroke="#1f5fa8"/><path d="M{x(middle)} 4V{HEIGHT - 4}" '
        f'stroke="#1f5fa8" stroke-width="2"/>{dots}</svg>'
    )
