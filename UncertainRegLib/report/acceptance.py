"""The verdict of a result in the report: the rows with their tolerances, and what was decided."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ..results.acceptance import FAIL, KNOWN, METRICS, PASS, Acceptance, Row
from ..results.decision import read_decisions

CLASSES = {PASS: "pass", FAIL: "fail"}
STYLE = ".pass{color:#1a7f37;font-weight:600}.fail{color:#b3261e;font-weight:600}"


def section(folder: Path, found: Acceptance | None) -> str:
    """The section; empty where nothing was judged and nothing decided."""
    try:
        decisions = [str(one) for one in read_decisions(folder)]
    except ValueError as error:
        decisions = [str(error)]
    if found is None and not decisions:
        return ""
    parts = ["<h2>Acceptance</h2>"]
    parts += [f"<p><b>Decision.</b> {escape(text)}</p>" for text in decisions[-1:]]
    parts += [f'<p class="note">Before: {escape(text)}</p>' for text in decisions[-2::-1]]
    if found is not None:
        names = ("Where", "Metric", "Value", "Tolerance", "State", "Source")
        head = "".join(f"<th>{name}</th>" for name in names)
        voxel = f"voxel: {found.voxel_mm:.3g} mm, the largest edge of the two images"
        parts.append(
            f'<p class="{CLASSES.get(found.state, "")}">{found.state}: {escape(found.why)}</p>'
            f"<p class=note>Tolerances: {escape(found.tolerances.name)} ({voxel}). {KNOWN}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>"
            f"{''.join(map(_row, found.rows))}</tbody></table>"
        )
    return "".join(parts)


def _row(row: Row) -> str:
    unit = METRICS[row.metric].unit
    value = "–" if row.value is None else f"{row.value:.3g} {unit}"
    cells = (row.where, METRICS[row.metric].title, value, row.limit, row.state, row.source)
    marked = [
        f"<td class={CLASSES[row.state]}>" if cell == row.state and row.state in CLASSES else "<td>"
        for cell in cells
    ]
    body = "".join(f"{mark}{escape(cell)}</td>" for mark, cell in zip(marked, cells))
    return f"<tr>{body}</tr>"
