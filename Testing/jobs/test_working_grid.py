"""A method may look at a part of the fixed image only: the rest is blank, and its size is said."""

import numpy as np
import pytest

from support.phantoms import textured
from UncertainRegLib import backbones
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import Grid, Image, identity, read_volume, write_image
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.jobs.products import computed, not_computed
from UncertainRegLib.report.overlay import read_overlay
from UncertainRegLib.results.reader import read_record

FIXED = Grid.from_spacing((24, 28, 32), (2.0, 2.0, 2.0), (-32, -28, -24))
PART = Grid.from_spacing((12, 28, 32), (2.0, 2.0, 2.0), (-32, -28, -24))  # the lower half


class Half(Backbone):
    """A registration that is computed on one half of the fixed image."""

    facts = Facts("half", "Half a look")

    def register(self, fixed, moving):
        """No displacement at all."""
        return identity(PART)


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (1.3, 0.9, 3.7)])
def test_half_a_voxel_beyond_the_centres_is_still_on_the_working_grid(spacing):
    grid = Grid.from_spacing((24, 28, 32), spacing, (5, -8, 11))
    for working in (grid, grid.at_most(5000), grid.at_most(700), grid.resized((48, 56, 64))):
        assert computed(grid, working).all()  # the grids of demons and B-splines change nothing
    assert computed(FIXED, PART).mean() == 0.5
    cropped = Grid.from_spacing((12, 28, 32), (2.0, 2.0, 2.0), (-32, -28, -23.1))
    assert computed(FIXED, cropped)[0].all() and not computed(FIXED, cropped)[12].any()


def test_the_share_is_of_the_anatomy_or_of_the_mask():
    array = np.zeros(FIXED.shape, np.float32)
    array[8:16, 8:16, 8:16] = 100.0
    assert not_computed(Image(array, FIXED), PART) == 0.5
    mask = np.zeros(FIXED.shape, np.uint8)
    mask[9:13] = 1
    assert not_computed(Image(array, FIXED, mask), PART) == 0.25
    assert not_computed(Image(0 * array, FIXED), PART) == 0.0


def test_maps_are_blank_where_nothing_was_computed_and_the_run_says_so(tmp_path, monkeypatch):
    image = textured(FIXED)
    labels = np.zeros(FIXED.shape, np.int16)
    labels[4:9, 8:20, 8:22], labels[15:20, 8:20, 8:22] = 1, 2
    files = {}
    for name, each in (
        ("fixed", image),
        ("moving", image),
        ("moving_labels", Image(labels, FIXED)),
    ):
        files[name] = str(tmp_path / f"{name}.nrrd")
        write_image(each, files[name])
    monkeypatch.setattr(backbones, "create", lambda *args, **kwargs: Half())
    job = Job(**files, out=str(tmp_path / "out"), samples=4, perturbation="translation")
    record = run(job, Silent())
    share = not_computed(image, PART)
    (said,) = (text for text in record["warnings"] if "Nothing is computed there" in text)
    assert "Half a look" in said and f"{100 * share:.0f} % of the anatomy" in said
    validity = read_volume(tmp_path / "out" / record["maps"]["validity"]["file"]).array
    assert (validity[:12] > 0.5).mean() > 0.9 and not validity[12:].any()
    overlay = read_overlay(tmp_path / "out", read_record(tmp_path / "out"))
    assert np.isfinite(overlay.values.array[:12]).any()
    assert np.isnan(overlay.values.array[12:]).all()
    rows = {row["label"]: row for row in record["labels"]}
    assert rows[1]["u_p95_mm"] is not None and rows[2]["u_p95_mm"] is None
