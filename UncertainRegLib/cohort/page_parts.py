"""Sections of the dashboard below its table: triage, structures, the common fixed image."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from ..geometry import Image, read_image
from ..geometry.files import InputError
from ..geometry.foreground import not_air
from ..palette import css_gradient
from ..report.planes import PLANES, draw, png
from ..results.columns import STRUCTURES
from ..results.maps import MAPS
from . import figures
from .common import PERCENT, Common
from .spread import RULE, Spread
from .triage import FEWEST, Curve

LOOKED = 1 / 3  # the part that the sentence below a curve speaks of
NAMED = 5  # outliers


def triage_section(found: list[Curve], score: str) -> str:
    """The triage curves, and what they say about a third of the pairs.

    Args:
        score: what pairs are ordered by, in words.
    """
    if not found:
        return (
            '<section><h2>Triage</h2><p class="note">There is no triage curve: it needs at least '
            f"{FEWEST} pairs whose true structures or landmarks are known, or on which a person has "
            "decided, and one that is bad.</p></section>"
        )
    sentences = "".join(
        f'<li><b style="color:{colour}">■</b> {escape(one.title)} ({one.bad} of {one.pairs} pairs): '
        f"<b>{100 * one.found_at(LOOKED):.0f} %</b> of them are in the third with the largest {score}"
        ".</li>"
        for one, colour in zip(found, figures.COLOURS)
    )
    return (
        f"<section><h2>Triage: how many of the bad ones are seen when the worst x % are looked at"
        f"</h2>{figures.triage(found)}<ul>{sentences}</ul><p class=note>Dashed: what a random order "
        f"finds. The {score} knows nothing of the truth.</p>"
        "</section>"
    )


def spread_section(found: list[Spread], columns: dict[str, bool]) -> str:
    """A box for each structure and column, with its outliers by name.

    Args:
        columns: name -> whether large values are bad.
    """
    parts = ["<section><h2>Structures</h2>"]
    for column, largest in columns.items():
        own = [one for one in found if one.column == column]
        if not own:
            continue
        low = min(one.limits[0] for one in own)
        high = max(one.limits[1] for one in own)
        kind = STRUCTURES[column]
        body = "".join(_spread_row(one, low, high) for one in own)
        side = "large" if largest else "small"
        meaning = f"{kind.meaning}. Outliers are {side} values."
        parts.append(
            f"<p><b>{escape(kind.heading)}</b> <span class=note>{escape(meaning)}</span></p>"
            "<div class=wide><table class=structures><thead><tr>"
            "<th class=text>Structure</th><th>Pairs</th><th>Median</th>"
            f"<th class=text>{low:.3g} to {high:.3g}</th><th class=text>Outliers</th></tr></thead>"
            f"<tbody>{body}</tbody></table></div>"
        )
    if len(parts) == 1:
        parts.append('<p class="note">No structure is there in five pairs.</p>')
    else:
        parts.append(f'<p class="note">{RULE}</p>')
    return "".join(parts) + "</section>"


def _spread_row(one: Spread, low: float, high: float) -> str:
    names = ", ".join(
        f'<a href="#scroll" data-filter="text" data-value="{escape(pair)}">{escape(pair)}</a> '
        f"({value:.3g})"
        for pair, value in one.outliers[:NAMED]
    )
    more = len(one.outliers) - NAMED
    names += f", and {more} more" if more > 0 else ""
    return (
        f"<tr><td class=text>{escape(one.structure)}</td><td>{one.count}</td>"
        f"<td>{one.quartiles[1]:.3g}</td><td class=text>{figures.box(one, low, high)}</td>"
        f"<td class=text>{names or 'none'}</td></tr>"
    )


def common_section(found: Common | None) -> str:
    """Mean and 95th percentile over the pairs, over their common fixed image."""
    if found is None:
        return ""
    left_out = "".join(f'<p class="warn">{escape(text)}</p>' for text in found.left_out)
    anatomy, gone = _fixed(found)
    parts = [f"<h2>On the common fixed image</h2>{left_out}{gone}"]
    for name, mean in found.means.items():
        fixed = anatomy or Image(np.nan_to_num(mean.array), mean.grid)
        air = np.zeros(mean.grid.shape, bool)
        if fixed.grid == mean.grid and (body := not_air(fixed)) is not None:
            air = ~body  # there the maps mean nothing
        high = float(np.nanpercentile(found.percentiles[name].array, 99))
        worst = np.where(air | np.isnan(mean.array), -np.inf, mean.array)
        point = mean.grid.to_world(np.argwhere(worst == worst.max())[0][::-1])
        title, count = MAPS[name].title, found.counts[name]
        for words, values in (("mean", mean), (f"{PERCENT}th percentile", found.percentiles[name])):
            shown = Image(np.where(air, np.nan, values.array), values.grid)
            pictures = {
                plane: png(draw(plane, point, fixed, shown, (0.0, high, high / 4)))
                for plane in PLANES
            }
            planes = "".join(
                f'<figure><img alt="{plane}" src="data:image/png;base64,'
                f'{base64.b64encode(picture).decode()}"><figcaption>{plane}</figcaption></figure>'
                for plane, picture in pictures.items()
            )
            parts.append(
                f"<p><b>{title}, {words} of {count} pairs</b></p><div class=planes>{planes}</div>"
            )
        parts.append(
            f'<p class="note">0 mm <span class=ramp style="background:{css_gradient("inferno")}">'
            f"</span> {high:.1f} mm, not drawn below {high / 4:.1f} mm; through the place of the "
            f"largest mean. The percentile is over the pairs, by voxel: 5 % of them exceed it there. "
            f"Files: common/{name}_mean.nrrd, common/{name}_p{PERCENT}.nrrd.</p>"
        )
    return "".join(parts)


def _fixed(found: Common) -> tuple[Image | None, str]:
    """The common fixed image; where its file is gone, None and a sentence."""
    try:
        return read_image(found.fixed), ""
    except InputError:
        said = f"{found.fixed}: cannot be read any more; the map is shown in grey instead."
        return None, f'<p class="warn">{escape(said)}</p>'
