"""A dose in the report: what each structure receives, with 5 to 95 % of the samples."""

from __future__ import annotations

from html import escape

from ..results.columns import DOSE
from ..results.record import Dose

NUMBERS = ("mean_gy", "d95_gy", "d2_gy", "above_percent")


def section(found: Dose | None) -> str:
    """The section; empty without a dose."""
    if found is None:
        return ""
    head = "".join(f"<th>{escape(title)}</th>" for title in ("Structure", *titles(found)))
    rows = "".join(
        f"<tr><td>{escape(row['name'])}</td>{''.join(f'<td>{cell(row, n)}</td>' for n in NUMBERS)}"
        "</tr>"
        for row in found.rows
    )
    notes = "".join(f"<p class=note>{escape(text)}</p>" for text in found.warnings)
    return (
        f"<h2>Dose</h2><p>{escape(found.file.title)}, a dose of the {found.side} image. By the "
        f"registration, and in brackets 5 to 95 % of {found.samples} samples, each of which "
        f"carries the dose everywhere at once.</p>{notes}<table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def titles(found: Dose) -> list[str]:
    """Headings of the numbers, with their units."""
    return [*(DOSE[name].heading for name in NUMBERS[:-1]), f"V{found.limit_gy:g} (%)"]


def cell(row: dict, name: str) -> str:
    """A number by the registration, and its interval: "31.2 (30.1 … 32.0)"."""
    stem, unit = name.rsplit("_", 1)
    low, high = row[f"{stem}_low_{unit}"], row[f"{stem}_high_{unit}"]
    return f"{row[name]:.1f} ({low:.1f} … {high:.1f})"
