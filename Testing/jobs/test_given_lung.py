"""A real lung whose images lie 35 mm apart: right transforms are left alone, wrong ones are named."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from UncertainRegLib import backbones
from UncertainRegLib.geometry import (
    DisplacementField,
    Image,
    invert,
    read_image,
    read_labels,
    write_field,
)
from UncertainRegLib.geometry.transform_file import FLIP, read_transform
from UncertainRegLib.jobs.given import on_fixed
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.jobs.misreadings import suspicions

VOXELS = 120_000
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lung(shared_data):
    """The inputs with landmarks, and a registration by demons on the fixed grid."""
    images, folder = [], shared_data / "lung_ct_followup"
    for name in ("baseline", "followup"):
        image = read_image(folder / f"{name}.mha")
        mask = read_labels(folder / f"{name}_mask.mha").array.astype(np.uint8)
        images.append(Image(image.array, image.grid, mask).resample(image.grid.at_most(VOXELS)))
    with open(folder / "landmarks_lps.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    inputs = Inputs(*images)
    inputs.fixed_points, inputs.moving_points = (
        np.array([[float(row[f"{name}_{axis}"]) for axis in "xyz"] for row in rows])
        for name in ("baseline", "followup")
    )
    backbone = backbones.create("demons", "cpu", voxels=VOXELS)
    own = backbone.register(*backbone.prepare(*images)).to_numpy()
    return inputs, own, own.resample(images[0].grid)


def said(lung, *files):
    inputs, own, _ = lung
    inputs.given = on_fixed(read_transform(files), inputs.fixed.grid, "fixed", lambda text: None)
    return suspicions(inputs, own)


def written(folder, vectors, grid):
    file = folder / "warp.nii.gz"
    write_field(DisplacementField(np.ascontiguousarray(vectors, np.float32), grid), file)
    return file


def test_its_own_registration_is_left_alone(lung, tmp_path):
    _, _, field = lung
    assert said(lung, written(tmp_path, field.vectors, field.grid)) == []


def test_so_is_a_translation_that_brings_the_lungs_together(lung, tmp_path):
    """Far from perfect, and read as it was meant."""
    _, _, field = lung
    shift = sitk.TranslationTransform(3, field.vectors.reshape(-1, 3).mean(0).tolist())
    sitk.WriteTransform(shift, str(tmp_path / "shift.tfm"))
    assert said(lung, tmp_path / "shift.tfm") == []


def test_four_wrong_ones_are_named(lung, tmp_path):
    inputs, _, field = lung
    vectors, grid = field.vectors, field.grid
    back = invert(field, inputs.moving.grid, iterations=60)[0]
    voxels = vectors @ np.linalg.inv(grid.affine[:3, :3]).T
    other = np.roll(vectors[::-1, :, ::-1] * (1, -1, -0.4), 7, axis=1)
    for wrong, place, words in (
        (back.vectors, back.grid, "as its inverse"),
        (vectors * (-1, -1, 1), grid, "turned from RAS to LPS"),
        (voxels, grid, "in voxels along the axes"),
        (other, grid, "probably belongs to other images"),
    ):
        (sentence,) = said(lung, written(tmp_path, wrong, place))
        assert words in sentence, sentence
        assert "landmarks" in sentence


def test_a_matrix_in_ras_is_named(lung, tmp_path):
    _, _, field = lung
    matrix = np.eye(4)
    matrix[:3, 3] = field.vectors.reshape(-1, 3).mean(0)
    wrong = FLIP @ matrix @ FLIP
    shift = sitk.TranslationTransform(3, wrong[:3, 3].tolist())
    sitk.WriteTransform(shift, str(tmp_path / "shift.tfm"))
    (sentence,) = said(lung, tmp_path / "shift.tfm")
    assert "from RAS to LPS" in sentence or "in RAS as a whole" in sentence
