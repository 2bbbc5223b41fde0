"""Classical methods that are optional extras pass the same checks as the others."""

import importlib

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.backbones import create
from UncertainRegLib.backbones.checks import verify
from UncertainRegLib.backbones.greedy import Greedy
from UncertainRegLib.geometry import Grid, warp

METHODS = {
    "bspline": ("SimpleITK", {"affine": False, "voxels": 30_000, "iterations": 15}),
    "elastix": ("itk", {"affine": False, "voxels": 30_000}),
    "ants": ("ants", {"affine": False, "voxels": 30_000}),
    "greedy": ("picsl_greedy", {"affine": False, "voxels": 30_000}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_classical_method_passes_the_checks(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    package, settings = METHODS[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is an optional extra and not installed")
    checks = list(verify(create(name, **settings), competence=False))
    assert all(check.passed is not False for check in checks), checks
    assert not list(tmp_path.iterdir()), "it leaves files where it was started"


def test_a_wrong_metric_is_refused():
    with pytest.raises(ValueError, match="metric of bspline"):
        create("bspline", metric="squared")
    with pytest.raises(ValueError, match="preset of greedy is fast, balanced, accurate"):
        Greedy(preset="best")


def test_greedy_is_repeatable_exact_and_quiet(capfd):
    """Its correlation adds noise, its field is rounded to tenths of a voxel, and it would write on
    the standard output, where a worker speaks to the panel."""
    pytest.importorskip("picsl_greedy")
    grid = Grid.from_spacing((40, 48, 44), (2.0, 1.5, 2.5), (0, 0, 0))
    moving, truth = textured(grid), smooth_field(grid, 4.0)
    fixed = warp(moving, truth, outside=None)
    backbone = create("greedy", affine=False)
    pair = backbone.prepare(fixed, moving)
    first, second = backbone.register(*pair), backbone.register(*pair)
    assert np.array_equal(first.vectors, second.vectors)
    tenths = first.vectors / (0.1 * grid.spacing)
    assert np.abs(tenths - np.round(tenths)).max() > 0.4
    inside = fixed.array > 20
    error = np.linalg.norm(first.resample(grid).vectors - truth.vectors, axis=-1)[inside]
    assert error.mean() < 0.2 * np.linalg.norm(truth.vectors, axis=-1)[inside].mean()
    assert capfd.readouterr() == ("", "")
