"""Metrics of a registration itself: distances, folding, similarity."""

import numpy as np
import pytest
from scipy import ndimage

from UncertainRegLib.geometry import DisplacementField, Grid, jacobian_determinant
from UncertainRegLib.metrics.folding import folding_fraction, sd_log_jacobian
from UncertainRegLib.metrics.landmarks import distances
from UncertainRegLib.metrics.similarity import local_ncc, mean_squared_error, mutual_information


@pytest.fixture
def grid():
    return Grid.from_spacing((10, 12, 14), (1.0, 2.0, 3.0), (-5.0, 7.0, 11.0))


def test_distances_of_landmarks():
    points = np.array([[0.0, 0, 0], [1.5, -2, 3]])
    assert distances(points, points + (3.0, 0.0, 4.0)).tolist() == pytest.approx([5.0, 5.0])
    with pytest.raises(ValueError, match=r"\(P, 3\)"):
        distances(points, points[:1])


def test_scaling_does_not_fold_and_a_mirror_does(grid):
    points = grid.points() - grid.center
    scaled = jacobian_determinant(DisplacementField((points * 0.1).astype(np.float32), grid))
    assert folding_fraction(scaled) == 0.0
    assert sd_log_jacobian(scaled) == pytest.approx(0.0, abs=1e-5)
    mirror = points * np.array([-2.0, 0.0, 0.0])
    mirrored = jacobian_determinant(DisplacementField(mirror.astype(np.float32), grid))
    assert folding_fraction(mirrored) == 1.0


def test_sd_of_log_jacobian_by_hand():
    jacobian = np.array([1.0, np.e, np.e**2, -3.0])
    assert sd_log_jacobian(jacobian, jacobian > 0) == pytest.approx(np.std([0, 1, 2]))
    assert sd_log_jacobian(jacobian) > 5.0
    assert folding_fraction(jacobian) == 0.25


def test_similarity_of_equal_independent_and_inverted_images():
    generator = np.random.default_rng(0)
    image = ndimage.gaussian_filter(generator.random((20, 22, 24)), 1)
    image = (image - image.min()) / np.ptp(image)
    other = generator.permutation(image.ravel()).reshape(image.shape)
    assert mean_squared_error(image, image + 0.1) == pytest.approx(0.01)
    assert local_ncc(image, image) > 0.99
    assert local_ncc(image, 1 - image) > 0.99
    assert local_ncc(image, other) < 0.1
    assert mutual_information(image, 1 - image) > 2.0
    assert mutual_information(image, other) < 0.5


def test_local_ncc_is_the_mean_of_squared_window_correlations():
    generator = np.random.default_rng(1)
    a, b = generator.random((2, 7, 7, 7))
    expected = []
    for z in range(2, 5):
        for y in range(2, 5):
            for x in range(2, 5):
                box = tuple(slice(c - 2, c + 3) for c in (z, y, x))
                expected.append(np.corrcoef(a[box].ravel(), b[box].ravel())[0, 1] ** 2)
    mask = np.zeros((7, 7, 7), bool)
    mask[2:5, 2:5, 2:5] = True
    assert local_ncc(a, b, mask, window=5) == pytest.approx(np.mean(expected), abs=1e-5)


def test_mutual_information_same_as_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(2)
    a = generator.random(3000)
    b = a + generator.random(3000)
    cells = [np.minimum(((v - v.min()) / np.ptp(v) * 100).astype(int), 99) for v in (a, b)]
    assert mutual_information(a, b) == pytest.approx(sklearn.mutual_info_score(*cells), rel=1e-3)
