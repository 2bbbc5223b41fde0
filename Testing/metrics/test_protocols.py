"""The papers' presets: the right voxels, bins and ties."""

import dataclasses

import numpy as np
import pytest

from UncertainRegLib.metrics.protocols import GONG, HETERO, SIR, TIAN, class_ause, label_ece
from UncertainRegLib.metrics.rings import boundary_ring
from UncertainRegLib.metrics.sparsification import risk


@pytest.fixture
def case():
    generator = np.random.default_rng(0)
    labels = np.zeros((16, 16, 16), int)
    labels[4:12, 4:12, 4:12] = 1
    labels[6:10, 6:10, 6:10] = 2
    error = generator.gamma(2.0, 1.0, labels.shape)
    return error * generator.lognormal(0, 0.5, labels.shape), error, labels


def test_presets_are_frozen_and_complete():
    assert (GONG.bins, HETERO.bins, TIAN.bins, SIR.ece_bins, SIR.ring) == (50, 50, None, 15, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        TIAN.bins = 3


def test_regions(case):
    _, _, labels = case
    assert (TIAN.mask(labels) == (labels > 0)).all()
    assert (SIR.mask(labels) == boundary_ring(labels, 3)).all()
    assert HETERO.mask(labels) is None
    with pytest.raises(ValueError, match="labels"):
        TIAN.mask(None)


def test_tian_scores_are_aurc_inside_the_labels(case):
    u, e, labels = case
    scores = TIAN.scores(u, e, labels)
    expected = risk(u, e, labels > 0)
    assert scores["aurc"] == expected.aurc
    assert scores["naurc"] == expected.normalised
    assert scores["ause"] == pytest.approx(expected.ause)
    assert 0 < scores["spearman"] < 1


def test_hetero_is_percentiles_of_the_whole_image_with_a_zero_at_the_end(case):
    u, e, _ = case
    u = np.round(u, 1)  # ties
    removed, curve, best = HETERO.curves(u, e)
    thresholds = np.percentile(u, 100 - 2 * np.arange(50))
    expected = [e[u <= t].mean() for t in thresholds] + [0.0]
    assert curve.tolist() == pytest.approx(expected)
    assert removed[-1] == 1.0
    area = np.trapezoid(curve, removed) - np.trapezoid(best, removed)
    assert HETERO.scores(u, e)["ause"] == pytest.approx(area, rel=1e-9)


def test_gong_rates_average_over_classes(case):
    u, _, truth = case
    predicted = np.roll(truth, 1, axis=2)
    scores = class_ause(u, predicted, truth, [1, 2])
    each = [class_ause(u, predicted, truth, [c]) for c in (1, 2)]
    for name in ("err", "mr", "fdr"):
        assert scores[name] == pytest.approx(np.mean([s[name] for s in each]))
        assert scores[name] > 0.0
    oracle = (predicted != truth).astype(float)
    assert class_ause(oracle, predicted, truth, [1, 2])["err"] < 0.1 * scores["err"]
    own = np.stack([(predicted == c) != (truth == c) for c in (1, 2)]).astype(float)
    perfect = class_ause(own, predicted, truth, [1, 2])
    assert list(perfect.values()) == pytest.approx([0.0] * 3)


def test_sir_reliability_is_of_the_ring(case):
    _, _, labels = case
    confidence = np.where(boundary_ring(labels, 3), 0.7, 0.0)
    correct = np.random.default_rng(0).random(labels.shape) < 0.7
    assert SIR.reliability(confidence, correct, labels).ece < 0.03


def test_the_error_of_each_label_counts_both_sides_of_its_probability():
    """One bin: the gap of the stated probability and the share of the label in its ring."""
    truth = np.zeros((8, 8, 8), int)
    truth[2:6, 2:6, 2:6] = 3
    ring = boundary_ring(truth == 3, 3)
    share = (truth[ring] == 3).mean()
    p = np.full(truth.shape, 0.7)
    assert label_ece(p, truth, 3) == pytest.approx(abs(0.7 - share))
    assert label_ece((truth == 3).astype(float), truth, 3) == 0
    assert label_ece(p, truth, 5) is None
