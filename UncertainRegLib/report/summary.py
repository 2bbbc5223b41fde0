"""The one-page summary: a picture for a slide, a mail or the wall of the planning room."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..palette import colors
from ..results import columns
from ..results.atomic import replace_picture
from ..results.expectation import NOT_STATED
from ..results.maps import MAPS, main_map
from ..results.reader import read_record
from ..results.record import Record
from . import shown
from .whole import of_landmarks, title_of, whole, within_bound

if TYPE_CHECKING:
    from .overlay import Overlay

WIDTH, MARGIN, PLANE, BAR = 1680, 36, 500, 130  # pixels: page, edge, height of planes, colour bar
ROWS = 6  # worst structures and landmarks that are listed
INK, SOFT, WARN, PAPER = (28, 36, 48), (96, 106, 120), (176, 84, 10), (255, 255, 255)
NOTE = (
    "Disagreement of the samples is not the error of the registration: high values are a reason "
    "not to rely on it there, low values are no proof. For research use only."
)


def write_summary_picture(folder: str | Path, path: str | Path | None = None) -> Path:
    """Write the summary of a result folder as a PNG file.

    Args:
        folder: a result folder, complete or partial, with a map of expected error or disagreement.
        path: the picture; ``summary.png`` in the folder by default.

    Returns:
        The file written.

    Raises:
        ResultError, InputError: no result, or one whose map cannot be read.
        ValueError: the result has no map yet, or the package Pillow is not installed.
    """
    folder = Path(folder)
    record = read_record(folder)
    path = folder / "summary.png" if path is None else Path(path)
    overlay = None
    if main_map(record.maps):
        from .overlay import read_overlay

        overlay = read_overlay(folder, record)
    if overlay is None:
        raise ValueError(
            f"{folder}: has no map of disagreement to draw; let the run finish two samples or more."
        )
    if find_spec("PIL") is None:
        raise ValueError(
            "A summary picture needs the package Pillow: pip install pillow. The "
            "report (without --picture) has the same numbers."
        )
    page = _Page(1500)
    page.text(title_of(record), 30)
    page.text(_subtitle(record), 19, SOFT)
    page.down(14)
    _planes(page, overlay)
    labels, points = (record.bounded(rows) for rows in (record.labels, record.landmarks))
    for text in [*(f"!{text}" for text in overlay.missing), *_sentences(record, points)]:
        page.text(text, 19, WARN if text.startswith("!") else INK)
    page.down(14)
    top = page.y
    page.table("Most uncertain structures", *_structures(labels), MARGIN)
    bottom, page.y = page.y, top
    page.table("Most uncertain landmarks", *_landmarks(points), WIDTH // 2 + MARGIN)
    page.y = max(bottom, page.y) + 16
    page.text(NOTE, 16, SOFT)
    page.save(path)
    return path


class _Page:
    """A white page that is filled from above."""

    def __init__(self, height: int) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("RGB", (WIDTH, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.y = MARGIN

    def down(self, pixels: int) -> None:
        self.y += pixels

    def font(self, size: int):
        from PIL import ImageFont

        return ImageFont.load_default(size)

    def text(self, text: str, size: int, color=INK) -> None:
        """A paragraph across the page."""
        font, line = self.font(size), ""
        for word in text.lstrip("!").split(" "):
            longer = f"{line} {word}".strip()
            if line and self.draw.textlength(longer, font) > WIDTH - 2 * MARGIN:
                self._line(line, font, size, color)
                longer = word
            line = longer
        self._line(line, font, size, color)

    def _line(self, line: str, font, size: int, color) -> None:
        self.draw.text((MARGIN, self.y), line, color, font)
        self.y += round(1.4 * size)

    def table(
        self, title: str, columns: dict[str, float], rows: list[list[str]], left: int
    ) -> None:
        """A table in one half of the page: the first column to the left, numbers to the right.

        ``columns``: heading -> where its right edge is, as a share of the width.
        """
        if not rows:
            return
        self.draw.text((left, self.y), title, INK, self.font(21))
        self.y += 34
        font, width = self.font(18), WIDTH // 2 - 2 * MARGIN
        edges = [width * share for share in columns.values()]
        for number, row in enumerate([list(columns), *rows]):
            color = SOFT if number == 0 else INK
            for column, cell in enumerate(row):
                if column == 0:
                    self.draw.text(
                        (left, self.y), _fitting(self, cell, font, edges[0]), color, font
                    )
                else:
                    self.draw.text(
                        (left + edges[column], self.y),
                        cell,
                        color,
                        font,
                        anchor="ra",
                        align="right",
                    )
            self.y += 28
            if number == 0:  # a heading has two lines
                self.y += 22
                self.draw.line((left, self.y - 3, left + width, self.y - 3), SOFT)

    def save(self, path: Path) -> None:
        replace_picture(path, self.image.crop((0, 0, WIDTH, self.y + MARGIN)))


def _fitting(page: _Page, text: str, font, width: float) -> str:
    while page.draw.textlength(text, font) > width and len(text) > 4:
        text = text[:-3].rstrip(".") + ".."
    return text


def _planes(page: _Page, overlay: Overlay) -> None:
    """Three planes of one scale on black, their letters, and the colours with their numbers."""
    from PIL import Image

    from .planes import PLANES

    pictures = [Image.fromarray(_cropped(overlay.plane(name))) for name in PLANES]
    inner = WIDTH - 2 * MARGIN
    scale = min(
        (PLANE - 20) / max(p.height for p in pictures),
        (inner - BAR - 4 * 56) / sum(p.width for p in pictures),
    )
    page.draw.rectangle((MARGIN, page.y, WIDTH - MARGIN, page.y + PLANE + 40), (0, 0, 0))
    font, white = page.font(17), (235, 235, 235)
    gap = (inner - BAR - scale * sum(p.width for p in pictures)) / 4
    left = MARGIN + gap
    for name, picture in zip(PLANES, pictures):
        size = (round(scale * picture.width), round(scale * picture.height))
        top = page.y + 28 + (PLANE - 20 - size[1]) // 2
        page.image.paste(picture.resize(size, Image.Resampling.BICUBIC), (round(left), top))
        letters = PLANES[name][2]
        middle = (left + size[0] / 2, top + size[1] / 2)
        for letter, place in zip(
            letters,
            ((left - 14, middle[1]), (left + size[0] + 14, middle[1]), (middle[0], top - 12)),
        ):
            page.draw.text(place, letter, white, font, anchor="mm")
        page.draw.text((middle[0], page.y + PLANE + 26), f"{name}", white, font, anchor="mm")
        left += size[0] + gap
    bar = np.repeat(colors("inferno")[::-1][:, None], 22, axis=1)
    height, x, y = 340, WIDTH - MARGIN - 120, page.y + 90
    page.image.paste(Image.fromarray(bar).resize((22, height)), (x, y))
    page.draw.text((x + 40, y - 34), "mm", white, page.font(20), anchor="mm")
    for share in np.linspace(0, 1, 5):
        page.draw.text(
            (x + 32, y + height * (1 - share)),
            f"{share * overlay.high:.1f}",
            white,
            font,
            anchor="lm",
        )
    page.down(PLANE + 52)
    page.text(
        f"{MAPS[overlay.map].title} in mm over the fixed image; not drawn below "
        f"{overlay.hidden:.1f} mm (the median). Blue: registered structures. Cross: {overlay.what}.",
        16,
        SOFT,
    )
    page.down(10)


def _cropped(picture: np.ndarray) -> np.ndarray:
    """Without the black margins."""
    rows, columns = (np.flatnonzero((picture.max(-1) > 24).any(axis)) for axis in (1, 0))
    if rows.size == 0 or columns.size == 0:
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _subtitle(record: Record) -> str:
    samples = record.samples
    return (
        f"{record.backbone.title}, {record.method}, {samples.finished} of {samples.asked} "
        f"samples, {record.status}"
    )


def _sentences(record: Record, landmarks: list[dict]) -> list[str]:
    """The main numbers; what begins with "!" is a warning."""
    found = [of_landmarks(landmarks), within_bound(landmarks), *whole(record)]
    return [f"!{text}" if text.startswith(NOT_STATED) else text for text in found if text] + [
        f"!{text}" for text in record.warnings[:4]
    ]


def _structures(rows: list[dict]) -> tuple[dict[str, float], list[list[str]]]:
    worst = sorted(
        (row for row in rows if row["u_p95_mm"] is not None), key=lambda row: -row["u_p95_mm"]
    )[:ROWS]
    errors, volume = shown.errors(worst), shown.volume(worst)
    millimetres = errors if len(errors) == 2 else (*errors, "u_p50_mm", "u_p95_mm")[:2]
    names = ("name", *millimetres, "volume_ml", volume)
    return (
        _headings(columns.STRUCTURES, dict(zip(names, (0.25, 0.39, 0.62, 0.75, 1.0)))),
        [
            [
                str(row["name"]),
                *(_number(row.get(name)) for name in (*millimetres, "volume_ml")),
                " to ".join(_number(row.get(name)) for name in shown.ENDS[volume]),
            ]
            for row in worst
        ],
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _landmarks(rows: list[dict]) -> tuple[dict[str, float], list[list[str]]]:
    """With their bounds, else with their ellipsoids."""
    worst = sorted(rows, key=lambda row: -(row["u_mm"] or 0.0))[:ROWS]
    truth = any(row.get("tre_mm") is not None for row in worst)
    errors, inside = shown.errors(worst), shown.inside(worst)
    names = ("label", *errors, "u_mm", *(() if errors else ("axes_mm",)))
    edges = dict(zip(names, (0.16, 0.32, 0.48, 0.66) if errors else (0.2, 0.36, 0.66)))
    edges |= {"tre_mm": 0.82, inside: 1.0} if truth else {}
    return (
        _headings(columns.LANDMARKS, edges),
        [[_landmark_cell(row, name) for name in edges] for row in worst],
    )


def _landmark_cell(row: dict, name: str) -> str:
    if name == "label":
        return str(row["label"])
    if name == "axes_mm":
        return columns.half_axes(row["axes_mm"]).replace("×", "x") or "-"  # the font has no ×
    if name in ("within_bound", "inside95"):
        return {True: "yes", False: "no", None: "-"}[row.get(name)]
    return _number(row.get(name))


def _headings(catalogue: dict[str, columns.Column], edges: dict[str, float]) -> dict[str, float]:
    return {columns.in_two_lines(catalogue[name].heading): edge for name, edge in edges.items()}
