"""Known errors against what was stated about them: how the bounds hold, how maps rank the error."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from ..expected_error.fit import KnownErrors, in_units
from ..expected_error.model import ErrorModel
from ..metrics.correlation import spearman
from ..metrics.sparsification import risk
from ..posterior.region import prediction_radius

EXPECTED, DISAGREEMENT = "expected error", "disagreement"
EMPTY = dict.fromkeys(("within", "bound", "constant", "naurc", "spearman"), "")


def judge(errors: KnownErrors, model: ErrorModel, samples: int) -> list[dict]:
    """Rows of one pair, one a kind of error and map.

    The expected error has the bound that is stated of it. The disagreement has that of a further
    sample by Student's distribution, as in AUTODIRECT (Kim et al. 2017): what samples alone can
    promise.

    Args:
        samples: that the disagreement is of.
    """
    factors, units = model.factors, in_units(errors, model)
    across = model.across_mm(errors.cues, errors.means, errors.voxel_mm)
    sqrt3 = np.sqrt(3.0)  # the disagreement is of all three axes
    rows = [
        *_of_points(
            "boundary",
            errors.across_mm,
            {EXPECTED: across, **errors.maps},
            {EXPECTED: factors.boundary, DISAGREEMENT: student_factor(samples) / sqrt3},
        ),
        *_of_points(
            "point",
            errors.length_mm,
            {EXPECTED: model.length_mm(across), **errors.maps},
            {EXPECTED: factors.point, DISAGREEMENT: prediction_radius(samples) / sqrt3},
        ),
        *_of_wholes("volume", np.diff(errors.volumes_ml)[:, 0], units["volume"], factors.volume),
        *_of_wholes("centroid", errors.centroids_mm, units["centroid"], factors.centroid),
    ]
    if errors.is_simulated:
        rows = [{**row, "kind": f"simulated {row['kind']}"} for row in rows]
    return rows


def _of_points(
    kind: str, truth: np.ndarray, maps: dict[str, np.ndarray], factors: dict[str, float]
) -> list[dict]:
    """Rows of the errors at points; ``factors`` make bounds of some of the maps."""
    known = np.isfinite(truth)
    if not known.any():
        return []
    rows, error = [], np.abs(truth[known])
    for name, values in maps.items():
        score = values[known]
        row = {
            **{"kind": kind, "map": name, "points": error.size},
            "mean_error": float(error.mean()),
            **EMPTY,
            "naurc": risk(score, error).normalised,
            "spearman": spearman(score, error),
        }
        if name in factors:
            bound = factors[name] * score
            row |= {
                "within": float((error <= bound).mean()),
                "bound": float(bound.mean()),
                "constant": float(np.percentile(error, 95)),
            }
        rows.append(row)
    return rows


def _of_wholes(kind: str, truth: np.ndarray, in_units: np.ndarray, factor: float) -> list[dict]:
    """The row of the errors of whole structures; none without any."""
    if not truth.size:
        return []
    return [
        {
            **{"kind": kind, "map": EXPECTED, "points": truth.size},
            "mean_error": float(np.abs(truth).mean()),
            **EMPTY,
            "within": float((in_units <= factor).mean()),
        }
    ]


def student_factor(samples: int) -> float:
    """Half-width of the 95 % prediction interval of a further sample along an axis, in units of
    the samples' biased standard deviation; NaN with fewer than two."""
    if samples < 2:
        return float("nan")
    return float(stdtrit(samples - 1, 0.975) * np.sqrt((samples + 1) / (samples - 1)))
