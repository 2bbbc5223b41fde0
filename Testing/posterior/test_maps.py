"""Maps of known covariances, against numpy's dense linear algebra."""

import math

import numpy as np
import pytest

from UncertainRegLib.geometry.arrays import to_numpy
from UncertainRegLib.posterior import maps

SIX = [0, 1, 2, 4, 5, 8]


def random_covariances(shape, seed=0):
    root = np.random.default_rng(seed).normal(size=(*shape, 3, 4))
    full = root @ root.swapaxes(-1, -2)
    return full, full.reshape(*shape, 9)[..., SIX]


def special_covariances():
    """Zero, identity, two equal eigenvalues, rank 1, and a tiny and a huge one."""
    direction = np.array([[1.0, 2.0, 2.0]]) / 3.0
    outer = direction.T @ direction
    full = np.stack(
        [
            np.zeros((3, 3)),
            np.eye(3),
            np.eye(3) + outer,
            np.eye(3) - 0.5 * outer,
            4.0 * outer,
            1e-8 * np.eye(3),
            1e6 * outer,
        ]
    )
    return full, full.reshape(-1, 9)[:, SIX]


def test_scalar_maps(convert):
    full, six = random_covariances((3, 4, 5))
    six = convert(six)
    values = np.linalg.eigvalsh(full)[..., ::-1]
    trace = np.trace(full, axis1=-2, axis2=-1)
    assert np.allclose(to_numpy(maps.uncertainty(six)), np.sqrt(trace))
    sd = to_numpy(maps.axis_sd(six))
    assert np.allclose(sd, np.sqrt(np.diagonal(full, axis1=-2, axis2=-1)))
    assert np.allclose(to_numpy(maps.largest_axis(six)), np.sqrt(values[..., 0]))
    assert np.allclose(to_numpy(maps.eigenvalues(six)), values, atol=1e-6)
    assert np.allclose((sd**2).sum(axis=-1), to_numpy(maps.uncertainty(six)) ** 2)


def test_eigenvalues_of_special_cases(convert):
    full, six = special_covariances()
    values = np.linalg.eigvalsh(full)[..., ::-1]
    scale = np.maximum(values[:, :1], 1e-12)
    assert (np.abs(to_numpy(maps.eigenvalues(convert(six))) - values) / scale < 1e-7).all()


def test_entropy_of_a_gaussian(convert):
    full, six = random_covariances((20,), seed=2)
    floored = full + maps.FLOOR_MM**2 * np.eye(3)
    expected = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * floored)[1]
    assert np.allclose(to_numpy(maps.displacement_entropy(convert(six))), expected)
    unit = np.array([1.0, 0, 0, 1.0, 0, 1.0])
    expected = 1.5 * math.log(2 * math.pi * math.e)
    assert maps.displacement_entropy(unit, 0.0) == pytest.approx(expected)


def test_entropy_at_the_floor():
    still = float(maps.displacement_entropy(np.zeros((1, 6), np.float32))[0])
    assert still == pytest.approx(3 * math.log(0.01 * math.sqrt(2 * math.pi * math.e)), rel=1e-6)
    flat = special_covariances()[1][4:5]  # rank 1
    expected = 0.5 * math.log((2 * math.pi * math.e) ** 3 * 4.0 * 1e-4**2)
    assert float(maps.displacement_entropy(flat)[0]) == pytest.approx(expected, abs=1e-4)


def test_clipping_gives_the_nearest_positive_matrix(convert):
    generator = np.random.default_rng(3)
    full = generator.normal(size=(40, 3, 3))
    full = full + full.swapaxes(1, 2)
    values, vectors = np.linalg.eigh(full)
    expected = (vectors * values.clip(0)[:, None]) @ vectors.swapaxes(1, 2)
    six = convert(full.reshape(-1, 9)[:, SIX].copy())
    before = to_numpy(six).copy()
    result = to_numpy(maps.clip_negative(six))
    assert np.allclose(result, expected.reshape(-1, 9)[:, SIX], atol=1e-7)
    assert (to_numpy(six) == before).all()


def test_clipping_leaves_covariances_alone(convert):
    _, six = random_covariances((3, 3, 3), seed=4)
    assert np.allclose(to_numpy(maps.clip_negative(convert(six))), six, atol=1e-12)


def test_type_and_shape_are_kept(convert):
    _, six = random_covariances((2, 3, 4))
    six = convert(six.astype(np.float32))
    for function, tail in (
        (maps.uncertainty, ()),
        (maps.axis_sd, (3,)),
        (maps.largest_axis, ()),
        (maps.displacement_entropy, ()),
        (maps.clip_negative, (6,)),
        (maps.eigenvalues, (3,)),
    ):
        result = function(six)
        assert tuple(result.shape) == (2, 3, 4, *tail)
        assert result.dtype == six.dtype


def test_more_voxels_than_a_slab(monkeypatch):
    _, six = random_covariances((7, 11))
    whole = maps.largest_axis(six)
    monkeypatch.setattr(maps, "SLAB", 10)
    assert np.allclose(maps.largest_axis(six), whole)
