"""One of sixteen samples lies 8.9 mm off: the robust sums are those of the other fifteen."""

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib import backbones
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import DisplacementField, Grid, Image, read_image, warp, write_image
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent

GRID = Grid.from_spacing((24, 28, 32), (2.0, 2.0, 2.0))
TRUTH = smooth_field(GRID, 2.0)
SPREAD_MM, ASTRAY_MM = 0.4, 8.9
ASTRAY = 5  # number of the sample, from 0


class Wavering(Backbone):
    """A registration that knows the answer to a fraction of a mm, and fails once."""

    facts = Facts("wavering", "Wavering")

    def __init__(self, astray: bool):
        self.astray, self.calls = astray, -1

    def register(self, fixed, moving):
        """The truth, and three smooth errors that each call draws anew."""
        self.calls += 1  # call 0 registers the pair, before the samples
        drawn = np.random.default_rng(self.calls).normal(0, SPREAD_MM, (3, 3))
        along = (GRID.points() - GRID.center) / (0.5 * GRID.extent_mm)
        error = drawn[0] + along[..., :1] * drawn[1] + along[..., 1:2] * drawn[2]
        if self.calls == 0:
            error *= 0.0
        if self.astray and self.calls == ASTRAY + 1:
            error = error + ASTRAY_MM / np.sqrt(3)
        return DisplacementField((TRUTH.vectors + error).astype(np.float32), GRID)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run with and without the stray sample: (folder, record) of each."""
    folder = tmp_path_factory.mktemp("sixteen")
    labels = np.zeros(GRID.shape, np.int16)
    labels[8:16, 10:20, 10:22] = 1
    moving = textured(GRID, seed=1)
    images = {
        "moving": moving,
        "fixed": warp(moving, TRUTH, None),
        "moving_labels": Image(labels, GRID),
        "fixed_labels": warp(Image(labels, GRID), TRUTH, 0, "nearest"),
    }
    files = {name: str(folder / f"{name}.nrrd") for name in images}
    for name, image in images.items():
        write_image(image, files[name])
    found = {}
    for astray in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backbones, "create", lambda *a, astray=astray, **k: Wavering(astray))
            settings = {"perturbation": {"fraction": 0.005}}  # which nobody follows here
            job = Job(
                **files,
                out=str(folder / str(astray)),
                samples=16,
                perturbation="translation",
                parameters=settings,
            )
            found[astray] = folder / str(astray), run(job, Silent())
    return found


def numbers(folder, entry):
    """Median u (mm) in the structure's neighbourhood, and the volume interval (ml)."""
    u = read_image(folder / entry["maps"]["uncertainty_mm"]["file"]).array
    row = entry["labels"][0]
    return float(np.median(u)), row["volume_low_ml"], row["volume_high_ml"]


def test_the_robust_numbers_are_those_of_the_other_fifteen(runs):
    (folder, record), (other_folder, other) = runs[True], runs[False]
    robust = record["without_strays"]
    assert robust["left_out"] == [ASTRAY] and other["without_strays"] is None
    plain_u, *plain_volume = numbers(folder, record)
    robust_u, *robust_volume = numbers(folder, robust)
    u, *volume = numbers(other_folder, other)
    print(f"median u {plain_u:.2f} -> {robust_u:.2f} (all sixteen right: {u:.2f}) mm")
    print(f"volume {plain_volume} -> {robust_volume} (all sixteen right: {volume}) ml")
    assert plain_u > 2 * u and robust_u == pytest.approx(u, rel=0.15)
    assert np.ptp(robust_volume) < np.ptp(plain_volume)
    assert robust_volume == pytest.approx(volume, rel=0.05)


def test_the_stray_sample_is_named_with_its_distance(runs):
    _, record = runs[True]
    status = record["samples"]["status"][ASTRAY]
    assert status["stray"] and status["from_median_mm"] == pytest.approx(ASTRAY_MM, abs=1.0)
    assert any("far from the others" in text for text in record["warnings"])
