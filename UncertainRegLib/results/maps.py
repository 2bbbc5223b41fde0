"""The catalogue of maps: what each is called, its unit, what it says, and how it is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .columns import heading


class MapKind(NamedTuple):
    """One kind of scalar map.

    Attributes:
        title: for people, without the unit.
        unit: empty for a share or a ratio.
        meaning: one line.
        colours: name of a colour table of `palette`.
        window: (low, high, hide below) where they do not follow the values.
        is_said: the read-out at a point has words of its own for it.
        is_ratio: in Slicer it is shown as the change in %, which ``window`` is for; files have the
            ratio.
    """

    title: str
    unit: str
    meaning: str
    colours: str
    window: tuple[float, float, float] | None = None
    is_said: bool = False
    is_ratio: bool = False

    @property
    def heading(self) -> str:
        """Title and unit, as it is shown."""
        return heading(self.title, "%" if self.is_ratio else self.unit)


EXPECTED, DISAGREEMENT = "expected_error_mm", "uncertainty_mm"
SHARE = (0.0, 1.0, 0.0)
EVERYTHING = -1e9  # a limit below which nothing lies

MAPS = {  # in the order in which people look for them
    EXPECTED: MapKind(
        "Expected error",
        "mm",
        "expected length of the error of the registration, judged by the images and the samples "
        "as on pairs whose error is known",
        "inferno",
        is_said=True,
    ),
    DISAGREEMENT: MapKind(
        "Disagreement",
        "mm",
        "disagreement: sqrt of the trace of the covariance of the samples",
        "inferno",
        is_said=True,
    ),
    "given_offset_mm": MapKind(
        "Given transform: distance from the samples",
        "mm",
        "distance of the given transform from the mean of the samples; not its error",
        "inferno",
    ),
    "given_level": MapKind(
        "Given transform: share of samples nearer",
        "",
        "probability of the smallest region around the samples' mean that reaches the given "
        "transform; above 0.95 it is outside the one that would hold a further sample in 95 % of "
        "cases",
        "inferno",
        (0.0, 1.0, 0.95),
    ),
    "inverse_consistency_mm": MapKind(
        "Inverse consistency",
        "mm",
        "distance from where a point started, after the registration and then the inverse; it "
        "predicts the error worse than the disagreement does",
        "inferno",
    ),
    "spread_mm": MapKind(
        "Intrinsic spread",
        "mm",
        "intrinsic spread: what the method's own randomness does to its answer",
        "inferno",
    ),
    "jitter_mm": MapKind(
        "Bias jitter",
        "mm",
        "bias jitter: how much its mean answer depends on the perturbation",
        "inferno",
    ),
    "within_mm": MapKind(
        "Disagreement within methods",
        "mm",
        "how far the answers of one and the same member of the committee differ, on average",
        "inferno",
    ),
    "between_mm": MapKind(
        "Disagreement between methods",
        "mm",
        "how far the mean answers of the members of the committee differ; not all are right",
        "inferno",
    ),
    "largest_axis_mm": MapKind(
        "Largest axis",
        "mm",
        "standard deviation along the direction of largest disagreement",
        "inferno",
    ),
    "axis_rl_mm": MapKind("Right-left", "mm", "standard deviation along right-left", "inferno"),
    "axis_ap_mm": MapKind(
        "Anterior-posterior", "mm", "standard deviation along anterior-posterior", "inferno"
    ),
    "axis_si_mm": MapKind(
        "Superior-inferior", "mm", "standard deviation along superior-inferior", "inferno"
    ),
    "mode_difference_mm": MapKind(  # of a scene: made on demand from two samples
        "Modes A and B differ by", "mm", "", "diverging"
    ),
    "displacement_entropy": MapKind(
        "Displacement entropy",
        "nats",
        "entropy of a Gaussian with the samples' covariance",
        "viridis",
    ),
    "label_entropy": MapKind(  # the numbers are those of posterior.label_map
        "Label entropy",
        "nats",
        "how unsure the label is in all, above 0 at every boundary: entropy of label "
        "probabilities, 50 % by the samples and the rest by the registration, taken as right "
        "within 1.25 mm (standard deviation); where structures overlap, the largest of their "
        "layers",
        "viridis",
    ),
    "label_information": MapKind(
        "Disagreement about the label",
        "nats",
        "how much the samples disagree about the label: their mutual information, 0 where all "
        "agree, right or wrong; where structures overlap, the largest of their layers",
        "viridis",
    ),
    "predictive_uncertainty": MapKind(
        "Predicted error of the labels",
        "",
        "error of the warped labels (0 to 1) that the network expects, the largest of the "
        "structures",
        "inferno",
    ),
    "predictive_residual": MapKind(
        "Predicted difference of the images",
        "",
        "difference of the warped and the fixed image that the network expects, as a share of the "
        "intensity range",
        "inferno",
    ),
    "predicted_uncertainty_mm": MapKind(
        "Predicted uncertainty",
        "mm",
        "standard deviation of the displacement that the network predicts, over all three axes",
        "inferno",
    ),
    "image_noise": MapKind(
        "Image noise (share of the range)",
        "",
        "standard deviation of the noise that the network finds in the images, as a share of the "
        "intensity range",
        "inferno",
    ),
    "correspondence_score": MapKind(
        "Correspondence score",
        "",
        "how well the moving image can correspond to this place: 1 fully, 0 where it shows "
        "something else",
        "share",
        SHARE,
    ),
    "dose_expected_gy": MapKind(
        "Expected dose", "Gy", "mean of the samples' doses to the tissue at this place", "viridis"
    ),
    "dose_sd_gy": MapKind(
        "Dose, standard deviation",
        "Gy",
        "standard deviation of the samples' doses to the tissue at this place",
        "inferno",
    ),
    "dose_low_gy": MapKind(
        "Dose, 5 % of the samples", "Gy", "5 % of the samples give this dose or less", "viridis"
    ),
    "dose_high_gy": MapKind(
        "Dose, 95 % of the samples", "Gy", "95 % of the samples give this dose or less", "viridis"
    ),
    "folding": MapKind(
        "Folding", "", "1 where the registration folds", "inferno", (0.0, 1.0, 0.01)
    ),
    "validity": MapKind(
        "Share of samples inside",
        "",
        "fraction of samples whose point stays inside the moving image; 0 outside the grid that "
        "they were computed on",
        "share",
        SHARE,
    ),
    "displacement_mm": MapKind(
        "Displacement", "mm", "length of the displacement by the registration", "viridis"
    ),
    "jacobian": MapKind(
        "Local volume change",
        "",
        "local volume of the moving image as a multiple of that of the fixed one, the Jacobian "
        "of the registration; 0 or less is folding",
        "diverging",
        (-100.0, 100.0, EVERYTHING),
        is_said=True,
        is_ratio=True,
    ),
    "probability": MapKind(  # of a scene: made on demand for one structure
        "Probability of the structure", "", "", "viridis", (0.0, 1.0, 0.05)
    ),
}


PREDICTED = (
    "predictive_uncertainty",
    "predictive_residual",
    "predicted_uncertainty_mm",
    "image_noise",
    "correspondence_score",
)  # by networks, without a spread of samples
HIGH_IS_SURE = ("correspondence_score",)
OF_DOSE = ("dose_expected_gy", "dose_sd_gy", "dose_low_gy", "dose_high_gy")


def kind_of(name: str, unit: str | None = None) -> MapKind:
    """The kind of a map; one that is not in the catalogue gets its title from its name."""
    if name in MAPS:
        return MAPS[name]
    title = name.removesuffix(f"_{unit}").replace("_", " ").capitalize()
    return MapKind(title, unit or "", "", "inferno" if unit == "mm" else "viridis")


def main_map(names: Iterable[str]) -> str | None:
    """The map that a result is first judged by: the expected error, else the disagreement."""
    return next((name for name in (EXPECTED, DISAGREEMENT) if name in set(names)), None)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of maps as a person looks for them: known ones first, in the order of the catalogue."""
    known = list(MAPS)
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))
