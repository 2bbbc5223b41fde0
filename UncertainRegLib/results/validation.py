"""The comparison with a truth: the entry "validation" of ``result.json`` as typed views."""

from __future__ import annotations

from dataclasses import dataclass, field

from .views import known


@dataclass(frozen=True)
class MapScores:
    """How well a map finds mislabelled voxels near a boundary; None where it cannot be said."""

    auroc: float | None = None
    ause: float | None = None
    ece: float | None = None
    mce: float | None = None


@dataclass(frozen=True)
class LabelScores:
    """The registered segmentation against the true one, and maps against where it is wrong.

    ``ece_per_label``, ``ece_per_label_sd``: of the samples' probabilities of each label, mean and
    standard deviation over the labels; None of a single sample.
    """

    dice: float
    mislabelled: float
    maps: dict[str, MapScores]
    ece_per_label: float | None = None
    ece_per_label_sd: float | None = None


@dataclass(frozen=True)
class LandmarkScores:
    """Landmarks against their true positions; ``bound_coverage`` None without a bound."""

    count: int
    tre_mean_mm: float
    tre_median_mm: float
    tre_p95_mm: float
    inside95: float | None = None
    spearman: float | None = None
    aurc_mm: float | None = None
    naurc: float | None = None
    bound_coverage: float | None = None


@dataclass(frozen=True)
class Validation:
    """The entry; its attributes as in `studies.validation.validate`."""

    labels: LabelScores | None = None
    landmarks: LandmarkScores | None = None
    curves: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, content: dict | None) -> Validation | None:
        """The view of the entry; None where there is none."""
        if not content:
            return None
        values = known(cls, content)
        if labels := values.get("labels"):
            maps = {
                name: MapScores(**known(MapScores, one)) for name, one in labels["maps"].items()
            }
            values["labels"] = LabelScores(**known(LabelScores, labels) | {"maps": maps})
        if landmarks := values.get("landmarks"):
            values["landmarks"] = LandmarkScores(**known(LandmarkScores, landmarks))
        return cls(**values)
