"""Principal components and modes of samples that are built from known ones."""

import numpy as np
import pytest

from UncertainRegLib.posterior.modes import find_modes, principal_components

SHAPE = (4, 5, 6, 3)


def directions(seed=0):
    generator = np.random.default_rng(seed)
    q, _ = np.linalg.qr(generator.normal(size=(np.prod(SHAPE), 2)))
    return q[:, 0].reshape(SHAPE), q[:, 1].reshape(SHAPE)


@pytest.fixture
def samples():
    """Two well separated groups along one direction, spread along another."""
    generator = np.random.default_rng(1)
    first, second = directions()
    far = np.array([-20.0] * 7 + [20.0] * 5)
    return [f * first + s * second for f, s in zip(far, generator.normal(0, 3, 12))], far


def dense(samples, weights):
    flat = np.stack(samples).reshape(len(samples), -1)
    mean = weights @ flat
    values, vectors = np.linalg.eigh((flat - mean).T @ np.diag(weights) @ (flat - mean))
    return mean.reshape(SHAPE), values[::-1], vectors[:, ::-1]


@pytest.mark.parametrize("log_weights", [None, np.linspace(-1, 1, 12)])
def test_same_as_dense(samples, log_weights):
    fields, _ = samples
    result = principal_components(fields, log_weights, count=2)
    weights = np.ones(12) if log_weights is None else np.exp(log_weights)
    weights = weights / weights.sum()
    mean, values, vectors = dense(fields, weights)
    assert np.allclose(result.mean, mean, atol=1e-5)
    assert np.allclose(result.variances, values[:2])
    assert result.explained.sum() == pytest.approx(1.0)
    for k in range(2):
        component = (result.field(k, 1.0) - result.mean) / np.sqrt(values[k])
        assert abs(component.ravel() @ vectors[:, k]) == pytest.approx(1.0, abs=1e-5)
    # The scores' weighted variance is the component's.
    assert np.allclose(weights @ result.scores, 0.0, atol=1e-6)
    assert np.allclose(weights @ result.scores**2, values[:2])


def test_sweep_goes_through_the_mean(samples):
    result = principal_components(samples[0])
    assert np.allclose(result.field(0, 0.0), result.mean)
    assert np.allclose(result.field(0, 2.0) + result.field(0, -2.0), 2 * result.mean, atol=1e-4)
    shift = np.linalg.norm(result.field(0, 2.0) - result.mean)
    assert shift == pytest.approx(2 * np.sqrt(result.variances[0]), rel=1e-4)


def test_samples_are_rebuilt_from_all_components(samples):
    fields = samples[0]
    result = principal_components(fields, count=11)
    for n in (0, 9):
        rebuilt = result.mean.astype(float)
        for k in range(2):
            sd = result.scores[n, k] / np.sqrt(result.variances[k])
            rebuilt = rebuilt + result.field(k, sd) - result.mean
        assert np.allclose(rebuilt, fields[n], atol=1e-3)


def test_two_groups_are_found_with_their_weights(samples):
    fields, far = samples
    modes = find_modes(principal_components(fields))
    assert [mode.weight for mode in modes] == pytest.approx([7 / 12, 5 / 12])
    assert modes[0].members == np.flatnonzero(far < 0).tolist()
    for mode in modes:
        assert mode.sample in mode.members
        center = np.mean([fields[n] for n in mode.members], axis=0)
        gaps = [np.linalg.norm(fields[n] - center) for n in mode.members]
        assert mode.members[int(np.argmin(gaps))] == mode.sample


def test_weights_decide_the_order_and_seeds_repeat(samples):
    fields, far = samples
    log_weights = np.where(far > 0, 2.0, 0.0)
    components = principal_components(fields, log_weights)
    modes = find_modes(components, seed=3)
    weights = np.exp(log_weights)
    assert modes[0].weight == pytest.approx(weights[far > 0].sum() / weights.sum())
    assert find_modes(components, seed=3) == modes


def test_identical_samples_have_one_mode():
    components = principal_components([np.ones(SHAPE, np.float32)] * 4)
    assert np.allclose(components.variances, 0.0)
    assert np.allclose(components.field(0, 2.0), 1.0)


def test_torch_samples():
    torch = pytest.importorskip("torch")
    fields = [np.random.default_rng(n).normal(size=SHAPE) for n in range(4)]
    a = principal_components(fields)
    b = principal_components([torch.as_tensor(f) for f in fields])
    assert np.allclose(a.variances, b.variances)


def test_bad_samples_are_told():
    with pytest.raises(ValueError, match="two samples"):
        principal_components([np.zeros(SHAPE)])
    with pytest.raises(ValueError, match="one shape"):
        principal_components([np.zeros(SHAPE), np.zeros((2, 3))])
    with pytest.raises(ValueError, match="as many samples"):
        find_modes(principal_components([np.zeros(SHAPE), np.ones(SHAPE)]), count=3)
