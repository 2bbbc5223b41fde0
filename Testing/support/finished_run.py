"""Fixtures: the result folder of a small real run with true labels and landmarks."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import Grid, Image, invert_at, warp, warp_labels, write_image
from UncertainRegLib.geometry.landmarks import write_points

GRID = Grid.from_spacing((20, 22, 24), (1.5, 1.5, 1.5))


@pytest.fixture
def finished(run_once, tmp_path):
    """A result folder of the test's own: what one test adds, another must not need."""
    return Path(shutil.copytree(run_once, tmp_path / "finished"))


@pytest.fixture(scope="module")
def run_once(tmp_path_factory):
    """The folder of a small run with true labels and landmarks."""
    folder = tmp_path_factory.mktemp("pair")
    moving, field = textured(GRID), smooth_field(GRID, 2.0)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[6:14, 6:12, 6:16], labels[6:14, 12:17, 6:16] = 1, 4
    labels = Image(labels, GRID)
    points = GRID.to_world(np.random.default_rng(0).uniform(7, 14, (12, 3)))
    fixed_points, _ = invert_at(field, points)
    names = [str(n) for n in range(len(points))]
    options = []
    for name, image in (
        ("moving", moving),
        ("fixed", warp(moving, field)),
        ("moving-labels", labels),
        ("fixed-labels", warp_labels(labels, field)),
    ):
        write_image(image, folder / f"{name}.nrrd")
        options += [f"--{name}", str(folder / f"{name}.nrrd")]
    for name, where in (("moving-points", points), ("fixed-points", fixed_points)):
        write_points(names, where, folder / f"{name}.csv")
        options += [f"--{name}", str(folder / f"{name}.csv")]
    out = folder / "result"
    code = main(["run", *options, "--out", str(out), "--samples", "4", "--progress", "none"])
    assert code == 0
    return out
