"""Classical methods that are optional extras pass the same checks as the others."""

import importlib

import pytest

from UncertainRegLib.backbones import create
from UncertainRegLib.backbones.checks import verify

METHODS = {
    "bspline": ("SimpleITK", {"affine": False, "voxels": 30_000, "iterations": 15}),
    "elastix": ("itk", {"affine": False, "voxels": 30_000}),
    "ants": ("ants", {"affine": False, "voxels": 30_000}),
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
