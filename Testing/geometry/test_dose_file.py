"""Reading doses: RT Dose against the reader of SimpleITK, and one sentence for what is none."""

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import OBLIQUE
from UncertainRegLib.geometry import Grid, Image, write_image
from UncertainRegLib.geometry.dose_file import read_dose
from UncertainRegLib.geometry.errors import InputError

pytest.importorskip("pydicom", reason="RT Dose is read with pydicom")
from support.rt_dose import write_rt_dose

AXIAL = Grid.from_spacing((5, 6, 7), (2.5, 3.0, 4.0), (-10, 20, -35))
TURNED = Grid.from_spacing((5, 6, 7), (2.5, 3.0, 4.0), (-10, 20, -35), OBLIQUE)


def gray(grid: Grid) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 60, grid.shape)


@pytest.mark.parametrize("grid", [AXIAL, TURNED], ids=["axial", "oblique"])
def test_an_rt_dose_lies_and_is_as_simpleitk_reads_it(tmp_path, grid):
    path = write_rt_dose(tmp_path / "dose.dcm", gray(grid), grid)
    said = []
    dose = read_dose(path, say=said.append)
    assert not said
    np.testing.assert_allclose(dose.array, gray(grid), atol=1e-4)
    np.testing.assert_allclose(dose.grid.affine, grid.affine, atol=1e-6)
    other = sitk.ReadImage(str(path), sitk.sitkFloat64)
    np.testing.assert_allclose(other.GetOrigin(), dose.grid.origin, atol=1e-4)
    np.testing.assert_allclose(other.GetSpacing(), dose.grid.spacing, atol=1e-4)


def test_offsets_may_be_positions_and_go_down(tmp_path):
    """The second way of the standard: the offsets are the z of the slices."""
    z = AXIAL.origin[2] + 4.0 * np.arange(5)
    path = write_rt_dose(tmp_path / "a.dcm", gray(AXIAL), AXIAL, GridFrameOffsetVector=z.tolist())
    assert read_dose(path).grid == AXIAL
    down = (-4.0 * np.arange(5)).tolist()
    path = write_rt_dose(tmp_path / "b.dcm", gray(AXIAL), AXIAL, GridFrameOffsetVector=down)
    grid = read_dose(path).grid
    np.testing.assert_allclose(grid.to_world([0, 0, 4]), AXIAL.origin + [0, 0, -16], atol=1e-6)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"DoseUnits": "RELATIVE"}, "relative, not in Gy"),
        ({"DoseType": "ERROR"}, "error of a dose"),
        ({"Modality": "CT"}, "not an RT Dose"),
        ({"GridFrameOffsetVector": [0, 4, 8, 12, 21]}, "resample"),
        ({"GridFrameOffsetVector": [7, 11, 15, 19, 23]}, "neither 0 nor"),
        ({"GridFrameOffsetVector": None}, "no volume of slices"),
        ({"DoseGridScaling": 1.0}, "no treatment gives"),
        ({"DoseGridScaling": 0.0}, "nowhere above 0 Gy"),
        ({"PixelData": b"\0\0"}, "cannot be read"),
    ],
)
def test_what_is_no_dose_in_gy_is_refused_in_one_sentence(tmp_path, other, words):
    path = write_rt_dose(tmp_path / "dose.dcm", gray(AXIAL), AXIAL, **other)
    with pytest.raises(InputError, match=words):
        read_dose(path)


def test_what_may_mislead_is_said(tmp_path):
    path = write_rt_dose(
        tmp_path / "d.dcm", gray(AXIAL), AXIAL, DoseType="EFFECTIVE", DoseSummationType="BEAM"
    )
    said = []
    read_dose(path, "cGy", said.append)
    assert ["own unit" in said[0], "effective" in said[1], "beam" in said[2]] == [True] * 3


def test_an_image_needs_a_unit(tmp_path):
    write_image(Image(100 * gray(AXIAL), AXIAL), tmp_path / "dose.nrrd")
    dose = read_dose(tmp_path / "dose.nrrd", "cGy")
    np.testing.assert_allclose(dose.array, gray(AXIAL), rtol=1e-5)
    for unit, words in (("", "Gy or in cGy"), ("Gy", "no treatment"), ("rad", "no unit")):
        with pytest.raises(InputError, match=words):
            read_dose(tmp_path / "dose.nrrd", unit)
    write_image(Image(gray(AXIAL), AXIAL), tmp_path / "gray.nrrd")
    said = []
    read_dose(tmp_path / "gray.nrrd", "Gy", said.append)
    assert not said
    read_dose(tmp_path / "gray.nrrd", "cGy", said.append)
    assert len(said) == 1 and "goes up to 0.6 Gy only, if its values are in cGy" in said[0]
    write_image(Image(gray(AXIAL) - 30, AXIAL), tmp_path / "change.nrrd")
    with pytest.raises(InputError, match="negative"):
        read_dose(tmp_path / "change.nrrd", "Gy")
