"""The dashboard of a cohort: one HTML file, ``index.html``, with the worst pairs first.

It opens without a network. The pictures of the `EMBEDDED` worst pairs are in it, and these pairs
have their reports; the pictures of the next, up to `DRAWN`, are read from the folder beside it when
they come into view, so that the page stays light. Those after them have none: to draw ten thousand
would take hours.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from html import escape
from pathlib import Path

from ..palette import css_gradient
from ..report.html import write_report
from ..results import decision
from ..results.acceptance import FAIL, NOT_VERIFIED, PASS
from ..results.atomic import replace_text
from ..results.columns import PAIRS, in_two_lines
from ..results.maps import MAPS
from ..results.reader import ResultError
from ..results.schema import FILE
from . import thumbnails
from .common import Common, up_to_date
from .folder import CohortFolder
from .page_parts import common_section, spread_section, triage_section
from .rows import read_rows
from .spread import spreads
from .table import COMPLETE, FAILED, MISSING
from .triage import SCORES, curves, score_of, worst_first

Reporter = Callable[..., None]
EMBEDDED, DRAWN = 100, 1000
# column: decimals; None for words. Those that no pair has are left out.
SHOWN = {
    "id": None,
    "group": None,
    "status": None,
    "expected_error_boundary_mm": 2,
    "expected_error_mean_mm": 2,
    "expected_error_p95_mm": 2,
    "uncertainty_mean_mm": 2,
    "uncertainty_p95_mm": 2,
    "similarity": 2,
    "dice": 3,
    "tre_mm": 2,
    "verdict": None,
    "decision": None,
    "sentence": None,
}
WIDTHS = {  # pixels; the others have 105
    "id": 160,
    "group": 90,
    "status": 85,
    "similarity": 85,
    "dice": 75,
    "tre_mm": 75,
    "verdict": 90,
    "sentence": 230,
}
STRUCTURE_COLUMNS = {"expected_mm": True, "u_p95_mm": True, "dice": False}  # are large ones bad?
NOTES = (
    "The <b>expected error</b> (mm) is how far off a point is expected to be on average, judged by "
    "how well the images match there and how much the samples disagree, as on pairs whose error was "
    "known. The <b>disagreement</b> (mm) is only how far the samples lie apart; it is not the error. "
    "Both are given over the anatomy of the fixed image: their mean, and the 95th percentile, which "
    "5 % of it exceed and which is no bound; the expected error also at the boundaries of the "
    "structures, measured across them. A pair is called <b>bad</b> only where its true "
    "structures or landmarks are known, or where a person rejected it.",
    "For research use only. Not a medical device.",
)


def write_dashboard(folder: str | Path, report: Reporter = lambda event, **about: None) -> Path:
    """Write the dashboard of a cohort from its table, ``cohort.csv``, and its results.

    Also what it shows: the small pictures, the reports of the worst pairs, and the common maps.

    Args:
        folder: of the cohort.
        report: hears of each "stage" and "warning", with its "text".

    Raises:
        ValueError: there is no table.
    """
    cohort = CohortFolder(Path(folder))
    rows = worst_first([_noted(row) for row in read_rows(folder, "pair", (*SHOWN, "reason"))])
    score = score_of(rows)
    p95 = f"{SCORES[score].map.removesuffix('_mm')}_p95_mm"
    scale = thumbnails.scale_of([row[p95] for row in rows if row[p95] is not None])
    thumbnails.remove_other_scales(cohort, scale)
    report("stage", text="Drawing the small pictures")
    pictures = {}
    for number, row in enumerate(rows):
        wanted = row["status"] == COMPLETE and number < DRAWN
        file = thumbnails.thumbnail(cohort, row["id"], scale) if wanted else None
        row["thumbnail"] = int(file is not None)
        if file is not None and len(pictures) < EMBEDDED:
            pictures[number] = base64.b64encode(file.read_bytes()).decode()
    if pictures:
        report("stage", text=f"Writing the reports of the worst pairs, {len(pictures)} of them")
    for number, row in enumerate(rows):
        row["report"] = int(_report(cohort.result(row["id"]), number in pictures))
    report("stage", text="Looking for a fixed image that the pairs share")
    common = up_to_date(folder, sorted(row["id"] for row in rows if row["status"] == COMPLETE))
    for sentence in common.left_out if common is not None else ():
        report("warning", text=sentence)
    columns = _columns(rows)
    data = _data(columns, rows, pictures, scale)
    replace_text(cohort.dashboard, _page(cohort, rows, columns, score, scale, data, common))
    return cohort.dashboard


def _noted(row: dict) -> dict:
    """A row with the reason of its decision as its note."""
    reason = row.pop("reason")
    if row["decision"] and reason:
        row["sentence"] = f"{decision.DECISIONS[row['decision']]}: {reason}"
    return row


def _report(result: Path, wanted: bool) -> bool:
    """Is there a report of the result as it is? One is written if it is wanted."""
    report = result / "report.html"
    sources = [file for file in (result / FILE, result / decision.FILE) if file.exists()]
    if not sources:
        return False
    if wanted and not (
        report.exists() and report.stat().st_mtime >= max(one.stat().st_mtime for one in sources)
    ):
        try:
            write_report(result)
        except (ResultError, ValueError, OSError, RuntimeError):
            return False
    return report.exists()


def _columns(rows: list[dict]) -> list[dict]:
    """What the script knows of each pair: "name", "title", empty where it is not a column of the
    table, and "digits" of numbers."""
    names = [name for name in SHOWN if any(row[name] is not None for row in rows)]
    done = [row for row in rows if row["status"] == COMPLETE]
    if len(done) == len(rows):
        names.remove("status")
    if "sentence" in names and all(row["sentence"] is None for row in done):
        names.remove("sentence")  # those that failed say it across their numbers
    columns = [
        {"name": name, "title": _title(name)}
        | ({} if SHOWN[name] is None else {"digits": SHOWN[name]})
        for name in names
    ]
    hidden = [name for name in ("id", "group", "status", "verdict", "decision", "sentence")
              if name not in names]  # fmt: skip
    return columns + [{"name": name, "title": ""} for name in ("thumbnail", "report", *hidden)]


def _data(columns: list[dict], rows: list[dict], pictures: dict[int, str], scale: float) -> str:
    """What the script draws, as JSON that may stand in a page."""
    content = {
        "columns": columns,
        "rows": [[_value(row[column["name"]]) for column in columns] for row in rows],
        "pictures": pictures,
        "thumbnails": thumbnails.folder_of(scale),
        "words": decision.DECISIONS,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _title(name: str) -> str:
    return "Note" if name == "sentence" else in_two_lines(PAIRS[name].heading)


def _value(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _page(
    cohort: CohortFolder,
    rows: list[dict],
    columns: list[dict],
    score: str,
    scale: float,
    data: str,
    common: Common | None,
) -> str:
    title = f"Cohort {cohort.path.resolve().name}"
    here = Path(__file__).parent
    style, script = (
        (here / f"dashboard.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    found = spreads(
        read_rows(cohort.path, "structure", ("id", "name", *STRUCTURE_COLUMNS)), STRUCTURE_COLUMNS
    )
    written = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">{len(rows)} pairs, as of {written}. {_order(rows, score)}</p>',
        _tiles(rows),
        _filters(rows),
        _table(columns),
        _scale(score, scale),
        '<div class="columns">',
        triage_section(curves(rows, score), SCORES[score].words),
        spread_section(found, STRUCTURE_COLUMNS),
        "</div>",
        common_section(common),
        "<h2>How to read this</h2>",
        *[f"<p>{text}</p>" for text in NOTES],
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(title)}</title><style>{style}</style></head>'
        f'<body>{"".join(body)}<script type="application/json" id="data">{data}</script>'
        f"<script>{script}</script></body></html>"
    )


def _order(rows: list[dict], score: str) -> str:
    first = (
        "Failed pairs come first, then those"
        if any(row["status"] == FAILED for row in rows)
        else "First come those"
    )
    return f"{first} with the largest {SCORES[score].words}."


def _tiles(rows: list[dict]) -> str:
    """Counts that filter the table."""
    tiles = [("", "*", "pairs", len(rows), "")]
    for column, values in (
        ("status", {COMPLETE: "complete", FAILED: "failed", MISSING: "not run yet"}),
        ("verdict", {PASS: PASS, FAIL: FAIL, NOT_VERIFIED: NOT_VERIFIED}),
        ("decision", {name: title.lower() for name, title in decision.DECISIONS.items()}),
    ):
        counts = Counter(row[column] for row in rows)
        for name, words in values.items():
            if counts[name]:
                mark = {PASS: "pass", FAIL: "fail", FAILED: "fail", "reject": "fail"}.get(name, "")
                tiles.append((column, name, words, counts[name], mark))
    undecided = sum(row["status"] == COMPLETE and not row["decision"] for row in rows)
    tiles.append(("decision", "", "without a decision", undecided, ""))
    return (
        '<div class="tiles">'
        + "".join(
            f'<button data-filter="{column}" data-value="{escape(name)}"><b class="{mark}">{count}</b>'
            f"{escape(words)}</button>"
            for column, name, words, count, mark in tiles
        )
        + "</div>"
    )


def _filters(rows: list[dict]) -> str:
    """A box for the text, and a choice for each column of few different words."""
    parts = [
        '<label>Search <input id="filter-text" type="search" placeholder="pair, group or note">'
        "</label>"
    ]
    for column in ("group", "status", "verdict", "decision"):
        values = sorted({row[column] or "" for row in rows})
        if len(values) < 2:
            continue
        options = "".join(
            f'<option value="{escape(value)}">'
            f"{escape(decision.DECISIONS.get(value, value) or 'none')}</option>"
            for value in values
        )
        parts.append(
            f'<label>{PAIRS[column].title} <select id="filter-{column}"><option value="*">all'
            f"</option>{options}</select></label>"
        )
    parts.append('<button id="worst">Worst first</button><span id="count" class="note"></span>')
    return f'<div class="filters">{"".join(parts)}</div>'


def _table(columns: list[dict]) -> str:
    """The head of the table; the script fills it."""
    heads, widths = ['<th class="picture"></th>'], ['<col style="width:92px">']
    for column in columns:
        if column["title"]:
            name = column["name"]
            widths.append(f'<col style="width:{WIDTHS.get(name, 105)}px">')
            meaning = "" if name == "sentence" else PAIRS[name].meaning
            title = escape(column["title"]).replace("\n", "<br>")
            kind = "" if "digits" in column else ' class="text"'
            heads.append(
                f'<th id="head-{name}"{kind} aria-sort="none" title="{escape(meaning)}">'
                f"<button>{title}</button></th>"
            )
    return (
        f'<div id="scroll" tabindex="0"><table><colgroup>{"".join(widths)}</colgroup><thead><tr>'
        f"{''.join(heads)}</tr></thead>"
        '<tbody id="rows"></tbody></table></div>'
    )


def _scale(score: str, scale: float) -> str:
    what = MAPS[SCORES[score].map].title
    return (
        f'<p class="note">Pictures: {what.lower()}, 0 to {scale:g} mm '
        f'<span class="ramp" style="background:{css_gradient("inferno")}"></span> in all pairs; '
        f"not drawn below {thumbnails.HIDDEN * scale:.3g} mm; axial, the patient's right on the left, "
        "through the boundary point of the largest disagreement, or the largest value; of the "
        f"first {DRAWN} pairs at most. Click one for "
        "the report of its pair; where there is none: <code>python -m UncertainRegLib report "
        "pairs/ID</code>.</p>"
    )
