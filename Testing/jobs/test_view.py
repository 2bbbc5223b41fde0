"""What lies outside the moving image counts where there is anatomy."""

import numpy as np
import pytest

from support.phantoms import textured
from UncertainRegLib.geometry import Grid, Image, write_image
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent

GRID = Grid.from_spacing((28, 28, 28), (1.5, 1.5, 1.5))


@pytest.mark.parametrize(("planes", "told"), [(22, False), (14, True)])
def test_a_field_of_view_that_ends_in_the_air_is_not_named(tmp_path, planes, told):
    """The anatomy ends at plane 19 of 28; the moving image shows the first so many."""
    array = np.zeros(GRID.shape, np.float32)
    array[8:20, 8:20, 8:20] = 100 + textured(GRID, seed=1).array[8:20, 8:20, 8:20]
    array[::27, ::27, ::27] = 1.0  # so that the air is not cropped away
    write_image(Image(array, GRID), tmp_path / "fixed.nrrd")
    seen = GRID.part((0, 0, 0), (planes, 28, 28))
    write_image(Image(array[:planes], seen), tmp_path / "moving.nrrd")
    record = run(
        Job(
            str(tmp_path / "fixed.nrrd"),
            str(tmp_path / "moving.nrrd"),
            str(tmp_path / "out"),
            perturbation="translation",
            samples=2,
            competence=False,
            parameters={"backbone": {"affine": False, "voxels": 4000}},
        ),
        Silent(),
    )
    said = [text for text in record["warnings"] if "lie outside the moving image" in text]
    assert len(said) == told
    assert all("% of the anatomy in the fixed image" in text for text in said)
