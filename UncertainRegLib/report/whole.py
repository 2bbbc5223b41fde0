"""A run as a whole, in sentences that the command line, the report and its summary share."""

from __future__ import annotations

from ..jobs.comparison import in_words

AROUND = {  # where samples of Structured SIR come from, if not from the registration itself
    "optimised": "a distribution fitted to this pair, which starts at the registration",
    "trained": "a trained network's distribution, which starts at the registration"}


def whole(record: dict) -> list[str]:
    """Sentences on the run as a whole: what did the registration improve, does the method follow
    known shifts, how much of the weighing is behind the samples."""
    found = in_words(record["before_after"]) if record.get("before_after") else []
    competence, samples = record.get("competence"), record["samples"]
    if competence and not competence["warnings"]:  # the warnings are listed anyway
        parts = ", ".join(f"{100 * part:.0f} % of {float(mm):g} mm"
                          for mm, part in competence["followed"].items())
        found.append(f"The registration follows known shifts of the moving image: {parts}.")
    if samples.get("source") in AROUND:
        found.append(f"The samples come from {AROUND[samples['source']]}. The transform, its "
                     "overlap and landmark errors, and the check with known shifts are those of "
                     f"{record['backbone']['title']}.")
    if "ess_raw" in samples:
        found.append(f"Of {samples['proposals']} weighed alternatives the weight lies on "
                     f"{samples['ess_raw']:.1f} (raw effective number); flattened by the exponent "
                     f"{samples['tempering_exponent']:.2g}, to keep more of them: "
                     f"{samples['ess_tempered']:.0f}.")
    return found
