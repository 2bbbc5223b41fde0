"""Perturbation families: exact formulas, dense evaluation, seeds and the folding guard."""

import numpy as np
import pytest

from support.phantoms import GRID_PAIRS, smooth_field
from UncertainRegLib.geometry import DisplacementField, Grid, Image, jacobian_determinant, warp
from UncertainRegLib.geometry import grid as grids
from UncertainRegLib.perturbations import (
    FAMILIES,
    PAPER,
    Affine,
    Deform,
    Mixture,
    Rigid,
    Scale,
    Shear,
    Translation,
    family,
)

OBLIQUE = GRID_PAIRS["oblique"][0]
ANISOTROPIC = GRID_PAIRS["anisotropic"][0]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("grid", [OBLIQUE, ANISOTROPIC], ids=["oblique", "anisotropic"])
def test_dense_field_equals_points(name, grid):
    tau = family(name).draw(grid, rng(3))
    points = grid.points(np.zeros(0))
    assert np.allclose(tau.points(points) - points, tau.field(grid).vectors, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_push_is_tau_after_phi(name):
    phi = smooth_field(OBLIQUE)
    tau = family(name).draw(OBLIQUE, rng(4))
    points = OBLIQUE.points(np.zeros(0))
    exact = tau.points(points + phi.vectors) - points
    inside = (slice(8, -8),) * 3
    assert np.abs(tau.push(phi).vectors - exact)[inside].max() < 0.02


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("outside", [0.0, None])
def test_slab_by_slab_nothing_changes(name, library, outside, monkeypatch):
    """The perturbed image, its mask and what is pushed are those of whole arrays, on an oblique
    grid whose last slab is thinner."""
    shape = OBLIQUE.shape
    values, inside = rng(1).normal(size=shape).astype(np.float32), rng(2).uniform(size=shape) > 0.3
    image, phi = Image(values, OBLIQUE, inside), smooth_field(OBLIQUE)
    if library == "torch":
        torch = pytest.importorskip("torch")
        image = image.to_torch()
        phi = DisplacementField(torch.from_numpy(phi.vectors), OBLIQUE)
    tau = family(name).draw(OBLIQUE, rng(3))
    monkeypatch.setattr(grids, "SLAB_VOXELS", 7 * shape[1] * shape[2])
    assert len(list(OBLIQUE.slabs(values))) == -(-shape[0] // 7)
    found, pushed = tau.perturbed(image, outside).to_numpy(), tau.push(phi).to_numpy()
    monkeypatch.setattr(grids, "SLAB_VOXELS", 10**9)
    whole = warp(image, tau.field(OBLIQUE, image.array), outside).to_numpy()
    np.testing.assert_allclose(found.array, whole.array, atol=1e-4)
    assert (found.mask != whole.mask).mean() < 1e-3  # places half-way between two voxels
    np.testing.assert_allclose(pushed.vectors, tau.push(phi).to_numpy().vectors, atol=1e-4)


@pytest.mark.slow
def test_reading_the_spline_from_a_dense_grid_costs_less_than_a_hundredth_of_a_millimetre():
    """On a coarse working grid of a head; this is what lets ``push`` avoid the exact spline."""
    grid = Grid.from_spacing((100, 84, 117), (1.9, 1.9, 1.9))
    tau = Deform().draw(grid, rng(5))
    phi = smooth_field(grid.resized((50, 42, 58)))
    points = phi.grid.points(np.zeros(0))
    exact = tau.points(points + phi.vectors) - points
    difference = np.linalg.norm(tau.push(phi).vectors - exact, axis=-1)
    assert np.percentile(difference, 99) < 0.01
    assert difference.max() < 0.1  # at the border, where the displacement is clamped


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_gives_the_same_perturbation_in_torch(name):
    torch = pytest.importorskip("torch")
    a, b = (family(name).draw(OBLIQUE, rng(7)) for _ in range(2))
    assert a.facts == b.facts
    dense = b.field(OBLIQUE, torch.zeros(0))
    assert np.allclose(a.field(OBLIQUE).vectors, dense.vectors.numpy(), atol=1e-4)
    points = torch.tensor(OBLIQUE.points(), dtype=torch.float64)
    assert np.allclose(a.points(OBLIQUE.points(np.zeros(0))), b.points(points).numpy(), atol=1e-4)


def test_translation_along_the_axes_of_the_image():
    tau = Translation(0.01).draw(OBLIQUE, rng())
    shift = np.linalg.inv(OBLIQUE.direction) @ tau.field(OBLIQUE).vectors[0, 0, 0]
    assert np.allclose(shift, tau.facts["shift_mm"], atol=1e-4)
    many = np.array([Translation(0.01).draw(OBLIQUE, rng(s)).facts["shift_mm"] for s in range(300)])
    assert (np.abs(many) <= 0.01 * OBLIQUE.extent_mm).all()
    assert np.allclose(many.std(0), 0.01 * OBLIQUE.extent_mm / np.sqrt(3), rtol=0.15)


@pytest.mark.parametrize("one", [Scale(), Shear()])
def test_scale_and_shear_keep_the_image_centre(one):
    tau = one.draw(OBLIQUE, rng(1))
    assert np.allclose(tau.points(OBLIQUE.center), OBLIQUE.center)
    matrix = np.linalg.inv(OBLIQUE.direction) @ tau.matrix @ OBLIQUE.direction
    expected = np.diag(tau.facts["factors"]) if one.name == "scale" else tau.facts["matrix"]
    assert np.allclose(matrix, expected)


def test_rigid_keeps_distances_and_affine_does_not_fold():
    tau = Rigid().draw(OBLIQUE, rng(2))
    assert np.allclose(tau.matrix @ tau.matrix.T, np.eye(3))
    assert np.linalg.det(Affine().draw(OBLIQUE, rng(2)).matrix) > 0


def test_deform_reports_the_true_smallest_jacobian():
    grid = Grid.from_spacing((64, 64, 64), (2, 1, 1.5))
    tau = Deform(10, 0.4).draw(grid, rng(8))
    dense = jacobian_determinant(tau.field(grid, np.zeros(0)))[2:-2, 2:-2, 2:-2].min()
    assert tau.facts["min_jacobian"] == pytest.approx(tau.min_jacobian())
    assert tau.facts["min_jacobian"] == pytest.approx(dense, abs=0.05)


def test_deform_shrinks_rather_than_fold_or_loop_for_ever():
    tau = Deform(10, 1.5).draw(Grid.from_spacing((40, 40, 40)), rng(9))
    assert tau.facts["min_jacobian"] > 0
    assert tau.facts["redraws"] > 0
    assert tau.facts["fraction"] < 1.5


def test_deform_at_the_border_of_the_field_of_view_is_clamped():
    tau = Deform().draw(OBLIQUE, rng(10))
    edge = OBLIQUE.to_world([0, 12, 20])
    beyond = OBLIQUE.to_world([-9, 12, 20])
    assert np.allclose(tau.points(beyond) - beyond, tau.points(edge) - edge)


@pytest.mark.parametrize("weights, counts", [(None, [10, 10]), ((3.0, 1.0), [15, 5])])
def test_families_of_a_mixture_take_turns_in_a_run(weights, counts):
    taus = Mixture((Translation(), Scale()), weights).draws(OBLIQUE, np.random.default_rng(0))
    names = [next(taus).facts["family"] for _ in range(20)]
    assert [names.count(name) for name in ("translation", "scale")] == counts
    assert len(set(names[:4])) == 2  # in turn, not one after the other
    alone = Translation().draws(OBLIQUE, np.random.default_rng(0))
    expected = Translation().draw(OBLIQUE, np.random.default_rng(0))
    assert next(alone).facts == expected.facts


def test_mixture_follows_its_weights():
    mixture = Mixture((Translation(), Scale()), (3.0, 1.0))
    generator = rng(11)
    names = [mixture.draw(OBLIQUE, generator).facts["family"] for _ in range(400)]
    assert names.count("translation") / 400 == pytest.approx(0.75, abs=0.07)


def test_paper_presets_and_unknown_names():
    assert PAPER["tian-deform"] == Deform(10, 0.5) == family("tian-deform")
    with pytest.raises(ValueError, match="choose one of deform"):
        family("wobble")
    with pytest.raises(ValueError, match="no setting factor; it has low, high"):
        family("scale", factor=2)
    with pytest.raises(ValueError, match="control points"):
        Deform(3).draw(OBLIQUE, rng())
