"""Label maps of a blur, of samples, and of samples and registration together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from UncertainRegLib.geometry import DisplacementField, Grid, Image
from UncertainRegLib.posterior.label_map import (
    SAMPLES_SHARE,
    WITHIN_MM,
    blurred,
    broadened,
    label_map,
)
from UncertainRegLib.posterior.labels import LabelProbabilities

GRID = Grid.from_spacing((20, 22, 24), (1.0, 1.0, 2.0))


def boxes() -> np.ndarray:
    labels = np.zeros(GRID.shape, np.int32)
    labels[5:15, 5:12, 6:18] = 1
    labels[5:15, 12:18, 6:18] = 7
    return labels


def of_shifts(*shifts_mm: float, labels: np.ndarray | None = None) -> LabelProbabilities:
    """Samples that are shifts along x."""
    probabilities = LabelProbabilities(Image(boxes() if labels is None else labels, GRID), GRID)
    for shift in shifts_mm:
        vectors = np.zeros((*GRID.shape, 3), np.float32)
        vectors[..., 0] = shift
        probabilities.add(DisplacementField(vectors, GRID))
    return probabilities


def entropy_of(p: np.ndarray) -> np.ndarray:
    """Of probabilities (L, ...)."""
    return -(p * np.log(np.maximum(p, 1e-30))).sum(axis=0)


def test_half_of_the_belief_is_the_samples_and_half_the_registration_within_its_width():
    labels = np.zeros(GRID.shape, np.int32)
    labels[..., 12:] = 3
    # Samples at the registration and 4 mm beside it: planes x = 12 … 15 have p = ½ by them.
    found = label_map(of_shifts(0.0, -4.0, labels=labels), labels)
    x = np.arange(24)
    samples = np.where(x < 12, 0.0, np.where(x < 16, 0.5, 1.0))
    own = np.array([0.5 * (1 + math.erf((i - 11.5) / WITHIN_MM / math.sqrt(2))) for i in x])
    p = SAMPLES_SHARE * samples + (1 - SAMPLES_SHARE) * own
    assert np.allclose(found.score[10, 11], entropy_of(np.stack([p, 1 - p])), atol=0.02)
    assert np.allclose(found.confidence[10, 11], np.maximum(p, 1 - p), atol=0.02)
    assert np.array_equal(found.top[10, 11], np.where(p > 0.5, 3, 0))


def test_it_is_between_the_samples_alone_and_the_blur_alone():
    probabilities, warped = of_shifts(0.0, 3.0), boxes()
    samples, blur = label_map(probabilities, warped, 1.0), blurred(warped, GRID, WITHIN_MM)
    np.testing.assert_allclose(samples.score, probabilities.entropy(), atol=1e-5)
    np.testing.assert_array_equal(samples.top, probabilities.top_label()[0])
    np.testing.assert_allclose(label_map(probabilities, warped, 0.0).score, blur.score, atol=1e-5)
    # Entropy is concave: a mixture has at least the mean entropy of its parts.
    mixed = label_map(probabilities, warped)
    assert (mixed.score >= 0.5 * (samples.score + blur.score) - 1e-5).all()


def test_a_label_that_only_the_samples_or_only_the_registration_has():
    warped = boxes()
    warped[warped == 7] = 0
    warped[0, 0, 0] = 9
    labels = boxes()
    labels[19, 21, 23] = 9
    probabilities = of_shifts(200.0, labels=labels)  # out of the image: all background
    found = label_map(probabilities, warped)
    assert np.isfinite(found.score).all() and not found.top.any()
    assert found.score[0, 0, 0] > 0
    found = label_map(of_shifts(0.0, labels=labels), warped)
    assert found.score[10, 16, 10] == pytest.approx(math.log(2), abs=0.02)  # 7 or background


def test_blurred_labels_are_probabilities_with_the_width_in_millimetres():
    labels = np.zeros((1, 1, 200), np.int32)
    labels[..., 100:] = 3
    grid = Grid.from_spacing(labels.shape, (0.5, 1, 1))
    found = blurred(labels, grid, 4.0)
    # Across a plane, p is the normal distribution function of the distance.
    distance = (np.arange(200) - 99.5) * 0.5
    p = np.array([0.5 * (1 + math.erf(d / 4.0 / math.sqrt(2))) for d in distance])
    p = p.clip(1e-9, 1 - 1e-9)
    inner = slice(20, 180)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert np.allclose(found.score[0, 0, inner], entropy[inner], atol=5e-3)
    assert np.allclose(found.confidence[0, 0, inner], np.maximum(p, 1 - p)[inner], atol=5e-3)
    assert np.array_equal(found.top[0, 0], labels[0, 0])


def test_samples_are_broadened_label_by_label_on_top_of_what_they_say():
    labels = Image(boxes(), GRID)
    still = DisplacementField(np.zeros((*GRID.shape, 3), np.float32), GRID)
    moved = DisplacementField(still.vectors + np.float32([0, 0, 6.0]), GRID)
    once, twice = (LabelProbabilities(labels, GRID) for _ in range(2))
    once.add(still)
    same, constant = broadened(once, 1.5), blurred(boxes(), GRID, 1.5)
    # one sample alone: a blur of constant width
    np.testing.assert_allclose(same.score, constant.score, atol=1e-5)
    np.testing.assert_allclose(same.confidence, constant.confidence, atol=1e-5)
    assert np.array_equal(same.top, constant.top)
    for field in (still, moved):
        twice.add(field)
    np.testing.assert_allclose(broadened(twice, 1e-3).score, twice.entropy(), atol=1e-5)
    assert broadened(twice, 1.5).score.sum() > max(twice.entropy().sum(), same.score.sum())


def test_a_thin_label_is_outvoted_by_its_blurred_neighbours():
    labels = np.zeros((15, 15, 15), np.int32)
    labels[7] = 2
    found = blurred(labels, Grid.from_spacing(labels.shape), 3.0)
    assert not found.top.any() and found.confidence.min() > 0.5
