"""The catalogue of table columns: one title, unit and meaning wherever a number is shown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        title: for people, without the unit.
        unit: empty for words and shares.
        meaning: one line.
        is_hidden: for programs: it is kept with the table and written to CSV, but not shown.
    """

    title: str
    unit: str = ""
    meaning: str = ""
    is_hidden: bool = False

    @property
    def heading(self) -> str:
        """Title and unit, in one line."""
        return heading(self.title, self.unit)


STRUCTURES = {
    "name": Column("Structure"),
    "label": Column("Label", "", "Number in the segmentation", is_hidden=True),
    "expected_mm": Column(
        "Expected error", "mm", "Mean expected error of the boundary, measured across it"
    ),
    "bound_mm": Column(
        "95 % bound",
        "mm",
        "95 % of the boundary is expected within this distance, measured across it",
    ),
    "u_p50_mm": Column("Disagreement, median", "mm", "Median disagreement at the boundary"),
    "u_p95_mm": Column(
        "Disagreement, 95th percentile",
        "mm",
        "Of the samples: exceeded at 5 % of the boundary; no bound of the error",
    ),
    "worst_u_mm": Column("Disagreement, worst", "mm", "Largest disagreement at the boundary"),
    "volume_ml": Column("Volume", "mL", "Mean volume over the samples"),
    "volume_from_ml": Column(
        "Volume, 95 % from", "mL", "Lower end of the 95 % interval of the true volume"
    ),
    "volume_to_ml": Column(
        "Volume, 95 % to", "mL", "Upper end of the 95 % interval of the true volume"
    ),
    "volume_low_ml": Column("Volume, lowest sample", "mL", "Lower end of the samples' volumes"),
    "volume_high_ml": Column("Volume, highest sample", "mL", "Upper end of the samples' volumes"),
    # Both ends in one cell, where a page has no room for two columns; no entries of a row.
    "volume_interval_ml": Column("Volume, 95 % interval", "mL", "95 % interval of the true volume"),
    "volume_samples_ml": Column("Volume, samples", "mL", "Lowest and highest of the samples"),
    "centroid_bound_mm": Column(
        "Centroid, 95 % bound", "mm", "95 % of centroids are expected within this distance"
    ),
    "volume_sd_ml": Column("Volume, SD", "mL", "Standard deviation of the volume over the samples"),
    "centroid_sd_mm": Column("Centroid, SD", "mm", "Spread of the centre over the samples"),
    "pairwise_dice": Column("Agreement", "", "Mean Dice overlap between two samples"),
    "mean_entropy": Column("Entropy", "nats", "Mean label entropy"),
    "dice_before": Column(
        "Dice before", "", "Overlap with the true structure of the images as they lie"
    ),
    "dice": Column("Dice after", "", "Overlap with the true structure"),
    "ece": Column("ECE", "", "Expected calibration error of the label probability"),
    "ause": Column("AUSE", "", "Area under the sparsification error curve"),
    "surface_cm2": Column("Surface", "cm²", "Area of its voxels' faces", is_hidden=True),
    "voxels": Column("Voxels", "", "Size in the fixed image", is_hidden=True),
    "worst_voxel_lps": Column("Worst at", "mm", "Where it is (R, A, S)", is_hidden=True),
}

LANDMARKS = {
    "label": Column("Landmark"),
    "expected_mm": Column("Expected error", "mm", "Expected distance from the true point"),
    "bound_mm": Column("95 % bound", "mm", "95 % of points are expected within this distance"),
    "u_mm": Column(
        "Disagreement",
        "mm",
        "Root of the trace of the covariance of the samples, in the fixed space",
    ),
    "tre_before_mm": Column("TRE before", "mm", "Distance of the points of the images as they lie"),
    "tre_mm": Column(
        "TRE after", "mm", "Distance of the registered from the true point, in the fixed space"
    ),
    "within_bound": Column("Within bound", "", "Is the TRE within the 95 % bound"),
    "inside95": Column("Inside ellipsoid", "", "Is the true point inside that of the samples"),
    "axes_mm": Column(
        "Ellipsoid of the samples, half-axes",
        "mm",
        "Half-axes, from its centre, of the ellipsoid that would hold a further sample in 95 % of "
        "cases, longest first; no bound of the error",
    ),
    "mean_lps": Column("Mean", "mm", "Mean position in the fixed image (R, A, S)"),
    "lost": Column(
        "Samples left out", "", "How many have no answer to this landmark", is_hidden=True
    ),
    "mahalanobis": Column(
        "Mahalanobis", "", "Distance of the mean from the true point in units of the disagreement"
    ),
}

PAIRS = {  # of a cohort
    "id": Column("Pair"),
    "group": Column("Group"),
    "status": Column("Status", "", "complete, failed or missing"),
    "sentence": Column("Why", "", "Why there is no result"),
    "expected_error_mean_mm": Column(
        "Expected error, mean", "mm", "Mean expected error over the anatomy"
    ),
    "expected_error_p95_mm": Column(
        "Expected error, 95th percentile", "mm", "Exceeded in 5 % of the anatomy; no bound"
    ),
    "expected_error_boundary_mm": Column(
        "Expected error, boundaries",
        "mm",
        "Mean expected error of the boundaries of the structures, by their surface",
    ),
    "uncertainty_mean_mm": Column("Disagreement, mean", "mm", "Mean disagreement over the anatomy"),
    "uncertainty_p95_mm": Column(
        "Disagreement, 95th percentile",
        "mm",
        "Exceeded in 5 % of the anatomy; no bound of the error",
    ),
    "similarity_before": Column("Similarity before", "", "Of the images as they lie"),
    "similarity": Column("Similarity after", "", "Mean squared local correlation, 0 to 1"),
    "dice_before": Column("Dice before", "", "Mean over the structures of the images as they lie"),
    "dice": Column("Dice after", "", "Mean over the structures"),
    "tre_before_mm": Column(
        "TRE before", "mm", "Mean over the landmarks of the images as they lie"
    ),
    "tre_mm": Column("TRE after", "mm", "Mean over the landmarks, in the fixed space"),
    "verdict": Column("Verdict", "", "PASS, FAIL or NOT VERIFIED"),
    "decision": Column("Decision", "", "What a person decided last"),
    "reason": Column("Reason", "", "Of that decision"),
    "decided_by": Column("By", "", "Who decided"),
    "decided_at": Column("Decided at", "", "When"),
    "samples": Column("Samples", "", "How many are finished"),
    "warnings": Column("Warnings", "", "How many the result has"),
    "seconds": Column("Time", "s", "Of the run"),
    "fixed": Column("Fixed image", "", "Its file", is_hidden=True),
    "moving": Column("Moving image", "", "Its file", is_hidden=True),
    "version": Column("Version", "", "Of UncertainReg", is_hidden=True),
}

_LOW, _HIGH = "5 % of the samples are below", "95 % of the samples are below"
DOSE = {
    "name": Column("Structure", "", "As the segmentation names it"),
    "mean_gy": Column("Dmean", "Gy", "Mean dose, by the registration"),
    "mean_low_gy": Column("Dmean, 5 %", "Gy", _LOW),
    "mean_high_gy": Column("Dmean, 95 %", "Gy", _HIGH),
    "d95_gy": Column("D95", "Gy", "Dose that 95 % of the volume receive, by the registration"),
    "d95_low_gy": Column("D95, 5 %", "Gy", _LOW),
    "d95_high_gy": Column("D95, 95 %", "Gy", _HIGH),
    "d2_gy": Column("D2", "Gy", "Dose that 2 % of the volume receive, by the registration"),
    "d2_low_gy": Column("D2, 5 %", "Gy", _LOW),
    "d2_high_gy": Column("D2, 95 %", "Gy", _HIGH),
    "limit_gy": Column("Limit", "Gy", "Dose of the next columns"),
    "above_percent": Column(
        "V", "%", "Volume that receives the limit or more, by the registration"
    ),
    "above_low_percent": Column("V, 5 %", "%", _LOW),
    "above_high_percent": Column("V, 95 %", "%", _HIGH),
}

MEASURES = {  # of a validation
    "measure": Column("Measure"),
    "value": Column("Value"),
    "unit": Column("Unit"),
    "meaning": Column("Meaning"),
}


ACCEPTANCE = {  # of a verdict
    "where": Column("Where", "", "The whole image, or a structure"),
    "metric": Column("Metric"),
    "state": Column("State", "", "PASS, FAIL, or NOT VERIFIED without data"),
    "value": Column("Value"),
    "unit": Column("Unit"),
    "tolerance": Column("Tolerance", "", "What the value is judged by"),
    "source": Column("Source", "", "Which files and which computation the value comes from"),
}


def half_axes(axes_mm: Iterable[float] | None) -> str:
    """An ellipsoid in mm by its half-axes, those of 0.0 mm left out; empty without any."""
    texts = [f"{axis:.1f}" for axis in axes_mm or () if math.isfinite(axis)]
    return " × ".join(f"±{text}" for text in texts if text != "0.0")


def heading(title: str, unit: str) -> str:
    """Title and unit, in one line."""
    return f"{title} ({unit})" if unit else title


def in_two_lines(text: str) -> str:
    """A heading for a narrow column: broken after its comma, else before its unit."""
    for mark, broken in ((", ", ",\n"), (" (", "\n(")):
        if mark in text:
            return text.replace(mark, broken, 1)
    return text


def is_hidden(name: str) -> bool:
    """Is a column only for programs? Also one component of a vector."""
    return any(
        column.is_hidden and (name == key or name.startswith(f"{key}_"))
        for table in (STRUCTURES, LANDMARKS)
        for key, column in table.items()
    )
