"""The papers' evaluation rules, one frozen preset each, so that numbers compare.

A preset holds where voxels are taken from, which error is ranked, in how many bins, and what
happens to equal values.
"""

from dataclasses import dataclass

import numpy as np

from .calibration import Reliability, reliability
from .correlation import pearson, spearman
from .rings import boundary_ring
from .sparsification import Ranking, ause, risk, sparsification_curve


@dataclass(frozen=True)
class Protocol:
    """Evaluation rules of one paper.

    Attributes:
        name: short name.
        source: the paper.
        region: "labels" (inside the given labels or mask), "ring" (dilated label boundary) or
            "image" (every voxel).
        error: what the true error of a voxel is.
        bins: fractions removed in a sparsification curve; None takes every voxel.
        ties: "shared" or "kept", see `sparsification.sparsification_curve`.
        ends_at_zero: the curve is drawn with a 0 at 100 % removed (this leaves the AUSE as it is).
        ring: dilation of the ring in voxels.
        ece_bins: bins of the reliability diagram.
    """

    name: str
    source: str
    region: str
    error: str
    bins: int | None = None
    ties: str = "shared"
    ends_at_zero: bool = False
    ring: int = 3
    ece_bins: int = 15

    def mask(self, labels: np.ndarray | None) -> np.ndarray | None:
        """Booleans of the voxels that count; None for all.

        Args:
            labels: true labels or mask of the fixed image (Z, Y, X), 0 = background.

        Raises:
            ValueError: the paper judges inside labels and none are given.
        """
        if self.region == "image":
            return None
        if labels is None:
            raise ValueError(f"{self.name} judges voxels by labels: give the fixed image's labels")
        if self.region == "ring":
            return boundary_ring(labels, self.ring)
        return np.asarray(labels) != 0

    def scores(
        self, uncertainty: np.ndarray, error: np.ndarray, labels: np.ndarray | None = None
    ) -> dict[str, float]:
        """Every ranking score of a map, over this paper's voxels and with its bins and ties.

        Args:
            uncertainty: (Z, Y, X), larger is less certain.
            error: (Z, Y, X), this paper's ``error``.
            labels: true labels or mask (Z, Y, X).

        Returns:
            pearson, spearman, mean_error, aurc, oracle_aurc, naurc, ause.

        Raises:
            ValueError: see `mask` and `sparsification.risk`.
        """
        mask = self.mask(labels)
        areas = risk(uncertainty, error, mask)
        area = areas.ause
        if self.bins is not None:
            area = ause(uncertainty, error, mask, bins=self.bins, ties=self.ties)
        return {
            "pearson": pearson(uncertainty, error, mask),
            "spearman": spearman(uncertainty, error, mask),
            "mean_error": areas.mean_error,
            "aurc": areas.aurc,
            "oracle_aurc": areas.oracle,
            "naurc": areas.normalised,
            "ause": area,
        }

    def curves(
        self, uncertainty: np.ndarray, error: np.ndarray, labels: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sparsification curves as the paper draws them (50 bins where it has none).

        Returns:
            Removed fraction, remaining error, and the oracle's remaining error.

        Raises:
            ValueError: see `mask` and `sparsification.sparsification_curve`.
        """
        mask, bins = self.mask(labels), self.bins or 50
        removed, curve = sparsification_curve(uncertainty, error, mask, bins=bins, ties=self.ties)
        _, best = sparsification_curve(error, error, mask, bins=bins, ties=self.ties)
        if self.ends_at_zero:
            removed = np.append(removed, 1.0)
            curve, best = np.append(curve, 0.0), np.append(best, 0.0)
        return removed, curve, best

    def reliability(
        self, confidence: np.ndarray, correct: np.ndarray, labels: np.ndarray | None = None
    ) -> Reliability:
        """Reliability of the most probable label (`calibration.reliability`)."""
        return reliability(confidence, correct, self.mask(labels), self.ece_bins)


TIAN = Protocol(
    name="tian",
    source="Tian et al., equivariance uncertainty (arXiv 2509.23355), App. C.3",
    region="labels",
    error="Euclidean distance in mm of the estimated and the true mapped position",
)
GONG = Protocol(
    name="gong",
    source="Gong et al., WACV 2022, 4.2.2",
    region="image",
    error="label error, by class, averaged over the foreground classes (`class_ause`)",
    bins=50,
)
HETERO = Protocol(
    name="hetero",
    source="Zhang et al., heteroscedastic registration, MICCAI 2024, 5.3",
    region="image",
    error="squared intensity difference of the fixed and the warped moving image",
    bins=50,
    ties="kept",
    ends_at_zero=True,
)
SIR = Protocol(
    name="sir",
    source="Simpson and Campbell, Structured SIR (arXiv 2603.17415), 5.2",
    region="ring",
    error="1 where the most probable label is wrong, else 0",
)


def label_ece(
    probability: np.ndarray, truth: np.ndarray, label: int, protocol: Protocol = SIR
) -> float | None:
    """Expected calibration error of the probability of one label, in the ring around that label.

    Simpson and Campbell, 5.2, in words: the predicted probability of a label against its observed
    frequency; their tables have the mean and standard deviation over the structures. Most voxels of
    the ring have a probability near 0 or 1, so that it is smaller than that of the top label.

    Args:
        probability: of the label, (Z, Y, X).
        truth: true label map (Z, Y, X).

    Returns:
        None where the true label has no boundary.
    """
    mask = truth == label
    ring = boundary_ring(mask, protocol.ring)
    return reliability(probability, mask, ring, protocol.ece_bins).ece if ring.any() else None


def class_ause(
    uncertainty: np.ndarray,
    predicted: np.ndarray,
    truth: np.ndarray,
    classes: list[int],
    protocol: Protocol = GONG,
) -> dict[str, float]:
    """Gong et al.'s three AUSE, each the mean over the foreground classes.

    For each class the voxels are removed by that class's uncertainty, the oracle's by its one-hot
    error |Ŝ - S|; what remains is judged by ERR = mean |Ŝ - S|, MR = FN / (FN + TP) and
    FDR = FP / (FP + TP), a rate without voxels being 0.

    Args:
        uncertainty: (Z, Y, X) for all classes, or (C, Z, Y, X) in the order of ``classes``.
        predicted: label map (Z, Y, X).
        truth: true label map (Z, Y, X).
        classes: foreground labels.
        protocol: gives bins and tie rule.

    Returns:
        {"err": …, "mr": …, "fdr": …}

    Raises:
        ValueError: shapes differ or no class is given.
    """
    if not classes:
        raise ValueError("give at least one foreground class")
    uncertainty, predicted, truth = map(np.asarray, (uncertainty, predicted, truth))
    shared = uncertainty.ndim == predicted.ndim
    ranking = Ranking(uncertainty) if shared else None
    totals = {"err": 0.0, "mr": 0.0, "fdr": 0.0}
    for place, value in enumerate(classes):
        here, true = predicted == value, truth == value
        wrong = here != true
        oracle = Ranking(wrong)
        if not shared:
            ranking = Ranking(uncertainty[place])
        rates = {"err": (wrong, None), "mr": (true & ~here, true), "fdr": (here & ~true, here)}
        for name, (error, weight) in rates.items():
            rule = {"weight": weight, "bins": protocol.bins, "ties": protocol.ties}
            gap = ranking.curve(error, **rule) - oracle.curve(error, **rule)
            totals[name] += float(gap.mean())
    return {name: total / len(classes) for name, total in totals.items()}
