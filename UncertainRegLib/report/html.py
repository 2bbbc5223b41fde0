"""The report: one HTML file with everything in it, to be read, mailed or archived."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from ..palette import css_gradient
from ..results import columns
from ..results.atomic import replace_text
from ..results.calibration import how_found
from ..results.expectation import NOT_STATED
from ..results.maps import DISAGREEMENT, EXPECTED, main_map
from ..results.reader import read_record
from ..results.record import Record
from . import acceptance, dose, shown
from .whole import of_landmarks, title_of, whole, within_bound

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1c2430;max-width:1100px;margin:2em auto;
padding:0 1em} h1{font-size:1.5em} h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccd}
table{border-collapse:collapse;font-variant-numeric:tabular-nums} th,td{padding:.25em .7em;
text-align:right;border-bottom:1px solid #e4e8ee} th:first-child,td:first-child{text-align:left}
thead th{background:#f2f5f9} .planes{display:flex;gap:6px;align-items:flex-start;background:#000;
padding:6px} figure{margin:0;position:relative;flex:1} figure img{width:100%;display:block}
figure b{position:absolute;color:#fff;font-size:12px;text-shadow:0 0 3px #000}
figcaption{color:#bbb;font-size:12px;text-align:center} .scale{display:flex;align-items:center;
gap:.6em;margin:.5em 0} .scale span{white-space:nowrap} .scale .note{white-space:normal}
.ramp{height:14px;width:280px} .bar{display:inline-block;height:.7em;background:#d2751c}
.warn{background:#fff4e0;border-left:4px solid #d2751c;padding:.5em 1em}
.note{color:#566} .tag{background:#eef;border-radius:3px;padding:0 .4em}
"""
HOW_TO_READ = {  # of the maps that there are
    EXPECTED: "The <b>expected error</b> is how far off a point is expected to be on average, judged "
    "by how well the images match there and how much the samples disagree, as on pairs whose error "
    "was known.",
    DISAGREEMENT: "The <b>disagreement</b> says: asked again in a slightly different way, the method "
    "would put a point about this far away. It is not the error: low values are not a proof of "
    "correctness, because where a method cannot follow a motion at all, its answers agree on the "
    "wrong place. High values are a reason not to rely on the registration there. In homogeneous "
    "tissue high values are normal and say little about the borders.",
}
PICTURES = {
    EXPECTED: "Where the registration may be off",
    DISAGREEMENT: "Where the samples disagree",
}
WORDS = {True: "yes", False: "no", None: ""}


def write_report(folder: str | Path, path: str | Path | None = None) -> Path:
    """Write the report of a result folder.

    Args:
        folder: a result folder, complete or partial.
        path: the HTML file; ``report.html`` in the folder by default.

    Returns:
        The file written.

    Raises:
        ResultError: no result there. Where its input files or its own have moved, the page says
            which are missing and holds the rest.
    """
    folder = Path(folder)
    record = read_record(folder)
    path = folder / "report.html" if path is None else Path(path)
    title = title_of(record)
    parts = [f"<h1>{escape(title)}</h1>", _heading(record)]
    if record.status != "complete":
        parts.append(
            f'<p class="warn">This result is <b>{record.status}</b>: '
            f"{escape(record.error or 'it was stopped early')}.</p>"
        )
    parts += [f'<p class="warn">{escape(text)}</p>' for text in record.warnings]
    if main_map(record.maps):
        parts += _pictures(folder, record)
    how = [text for name, text in HOW_TO_READ.items() if name in record.maps]
    parts.append(f"<h2>How to read this</h2><p>{' '.join(how)}</p>")
    for text in whole(record):
        parts.append(f"<p{' class=warn' if text.startswith(NOT_STATED) else ''}>{escape(text)}</p>")
    if record.calibration is not None and not record.calibration.refused:
        parts.append(f'<p class="note">{escape(how_found(record.calibration))}</p>')
    parts += [
        acceptance.section(folder, record.acceptance),
        dose.section(record.dose),
        _tables(record),
        _without_strays(record),
        _run(record),
        '<p class="note">For research use only. Not a medical device.</p>',
    ]
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{STYLE}{acceptance.STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )
    replace_text(path, page)
    return path


def _heading(record: Record) -> str:
    samples = record.samples
    return (
        f"<p>{escape(record.backbone.title)}, {escape(record.method)}"
        f" <span class=tag>{samples.finished} of {samples.asked} samples</span></p>"
    )


def _pictures(folder: Path, record: Record) -> list[str]:
    """Three planes through the worst place that is seen by at least half of the samples, and
    what is missing in them; without pictures the reason."""
    from ..geometry.errors import InputError  # a report without a map needs nothing of all this
    from .overlay import read_overlay
    from .planes import PLANES, png

    try:
        overlay = read_overlay(folder, record)
    except InputError as error:
        return [f'<p class="warn">There are no pictures: {escape(str(error))}</p>']
    if overlay is None:
        return []
    missing = [f'<p class="warn">{escape(text)}</p>' for text in overlay.missing]
    figures = []
    for name, (_, _, letters) in PLANES.items():
        data = base64.b64encode(png(overlay.plane(name))).decode("ascii")
        places = (
            "left:3px;top:48%",
            "right:3px;top:48%",
            "left:49%;top:2px",
            "left:49%;bottom:18px",
        )
        marks = "".join(
            f'<b style="{place}">{letter}</b>' for letter, place in zip(letters, places)
        )
        figures.append(
            f'<figure><img alt="{name} plane" src="data:image/png;base64,{data}">'
            f"{marks}<figcaption>{name}</figcaption></figure>"
        )
    return [
        *missing,
        f"<h2>{PICTURES[overlay.map]}</h2>"
        f'<div class="planes">{"".join(figures)}</div><div class="scale"><span>0 mm</span>'
        f'<span class="ramp" style="background:{css_gradient("inferno")}"></span>'
        f"<span>{overlay.high:.1f} mm</span>"
        f'<span class="note">not drawn below {overlay.hidden:.1f} mm (the median); outlines: '
        f"registered structures; cross: {escape(overlay.what)}</span></div>",
    ]


def _tables(record: Record) -> str:
    """Structures and landmarks, with the bound where one may be stated."""
    return "".join(
        make(record.bounded(rows))
        for make, rows in ((_labels, record.labels), (_landmarks, record.landmarks))
    )


def _labels(rows: list[dict]) -> str:
    if not rows:
        return ""
    largest = max((row["u_p95_mm"] or 0.0 for row in rows), default=1.0) or 1.0
    errors, volume = shown.errors(rows), shown.volume(rows)
    truth = ["dice_before", "dice", "ece"] if any(row["dice"] is not None for row in rows) else []
    head = _heads(
        columns.STRUCTURES,
        "name",
        *errors,
        "u_p50_mm",
        "u_p95_mm",
        None,
        "mean_entropy",
        "volume_ml",
        volume,
        "centroid_sd_mm",
        *truth,
    )
    body = []
    for row in rows:
        width = 120 * (row["u_p95_mm"] or 0.0) / largest
        body.append(
            [
                escape(str(row["name"])),
                *[_number(row.get(name)) for name in errors],
                _number(row["u_p50_mm"]),
                _number(row["u_p95_mm"]),
                f'<span class="bar" style="width:{width:.0f}px"></span>',
                _number(row["mean_entropy"]),
                _number(row["volume_ml"]),
                " – ".join(_number(row.get(name)) for name in shown.ENDS[volume]),
                _number(row["centroid_sd_mm"]),
                *[_number(row.get(name), 3) for name in truth],
            ]
        )
    return (
        "<h2>Structures</h2><p class=note>Disagreement at the boundary of each structure, the "
        f"most uncertain first.</p>{_table(head, body, bar=3 + len(errors))}"
    )


def _landmarks(rows: list[dict]) -> str:
    if not rows:
        return ""
    said = " ".join(text for text in (of_landmarks(rows), within_bound(rows)) if text)
    errors = shown.errors(rows)
    truth = ["tre_before_mm", "tre_mm", *dict.fromkeys((shown.inside(rows), "inside95"))]
    truth = truth if said else []
    head = _heads(columns.LANDMARKS, "label", *errors, "u_mm", "axes_mm", *truth)
    body = [
        [
            escape(row["label"]),
            *[_number(row.get(name)) for name in (*errors, "u_mm")],
            columns.half_axes(row["axes_mm"]),
            *[
                _number(row.get(name)) if name.endswith("_mm") else WORDS[row.get(name)]
                for name in truth
            ],
        ]
        for row in rows
    ]
    return f"<h2>Landmarks</h2>{f'<p>{said}</p>' if said else ''}{_table(head, body)}"


def _heads(catalogue: dict[str, columns.Column], *names: str | None) -> list[str]:
    return ["" if name is None else catalogue[name].heading for name in names]


def _without_strays(record: Record) -> str:
    """The tables once more, without the samples that lie far from the others."""
    without = record.without_strays
    if without is None:
        return ""
    names = ", ".join(
        f"{number + 1} ({record.samples.strays_mm[number]:.1f} mm)" for number in without.left_out
    )
    return (
        f"<h2>Without stray samples</h2><p>Left out (number, and distance from the median of "
        f"all): {names}.</p>{_tables(without)}"
    )


def _run(record: Record) -> str:
    """Parameters, inputs and versions: what is needed to repeat the run."""
    rows = [
        ["Registration", escape(record.backbone.title)],
        ["Sampling method", escape(record.method)],
        *[
            [escape(str(key)), escape(str(value))]
            for key, value in record.parameters.items()
            if value is not None
        ],
        ["Seed", str(record.seed)],
        ["Device", escape(record.device)],
        *[
            [
                escape(name.replace("_", " ").capitalize()),
                f"{escape(one.title)}<br><span class=note>{escape(one.file)}<br>sha256 "
                f"{one.sha256[:16]}…</span>",
            ]
            for name, one in record.inputs.items()
        ],
        *[[f"{escape(name)} version", escape(value)] for name, value in record.versions.items()],
        *[
            [f"time {escape(name.removesuffix('_s'))}", f"{seconds:.1f} s"]
            for name, seconds in record.timings.items()
        ],
    ]
    if record.peak_memory_mb:
        rows.append(["Peak memory", f"{record.peak_memory_mb:.0f} MB"])
    return f"<h2>How it was made</h2>{_table(['', ''], rows)}"


def _table(head: list[str], body: list[list[str]], bar: int | None = None) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{' style=text-align:left' if place == bar else ''}>{cell}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in body
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
