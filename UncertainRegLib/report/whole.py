"""A run as a whole, in sentences that the command line, the report and its summary share."""

from __future__ import annotations

from statistics import mean, median

from ..results import expectation, given, steadiness
from ..results.improvement import in_words
from ..results.record import Record

AROUND = {  # where samples of Structured SIR come from, if not from the registration itself
    "optimised": "a distribution fitted to this pair, which starts at the registration",
    "trained": "a trained network's distribution, which starts at the registration",
}


def whole(record: Record) -> list[str]:
    """Sentences on the run as a whole: how far off is it expected to be, what did the registration
    improve, does the method follow known shifts, how much of the weighing is behind the
    samples."""
    found = given.in_words(record.given, record.backbone.title) if record.given else []
    found += expectation.in_words(record.expected_error, record.calibration)
    found += in_words(record.before_after) if record.before_after else []
    competence, samples = record.competence, record.samples
    if competence and not competence.warnings:  # the warnings are listed anyway
        parts = ", ".join(
            f"{100 * part:.0f} % of {float(mm):g} mm" for mm, part in competence.followed.items()
        )
        found.append(f"The registration follows known shifts of the moving image: {parts}.")
    if samples.source in AROUND:
        found.append(
            f"The samples come from {AROUND[samples.source]}. The transform, its "
            "overlap and landmark errors, and the check with known shifts are those of "
            f"{record.backbone.title}."
        )
    found += steadiness.in_words(samples)
    if samples.ess_raw is not None:
        found.append(
            f"Of {samples.proposals} weighed alternatives the weight lies on "
            f"{samples.ess_raw:.1f} (raw effective number); flattened by the exponent "
            f"{samples.tempering_exponent:.2g}, to keep more of them: "
            f"{samples.ess_tempered:.0f}."
        )
    return found


def title_of(record: Record) -> str:
    """Which image was registered to which."""
    return f"{record.inputs['moving'].title} registered to {record.inputs['fixed'].title}"


def within_bound(rows: list[dict]) -> str:
    """How many true landmarks lie within their stated bound, one sentence; empty without any.

    Args:
        rows: with their bounds (`Record.bounded`).
    """
    within = [row["within_bound"] for row in rows if row.get("within_bound") is not None]
    if not within:
        return ""
    return f"{sum(within)} of {len(within)} true points lie within their 95 % bound."


def of_landmarks(rows: list[dict]) -> str:
    """The errors of the landmarks whose truth is known, one sentence; empty without any."""
    errors = [row["tre_mm"] for row in rows if row.get("tre_mm") is not None]
    if not errors:
        return ""
    inside = [row["inside95"] for row in rows if row["inside95"] is not None]
    return (
        f"{len(errors)} landmark{'s' if len(errors) > 1 else ''} with a known truth: mean error "
        f"(TRE, in the fixed space) {mean(errors):.2f} mm, median {median(errors):.2f} mm"
        + (
            f"; {sum(inside)} of {len(inside)} true points lie inside the ellipsoid that would hold "
            "a further sample in 95 % of cases."
            if inside
            else "."
        )
    )
