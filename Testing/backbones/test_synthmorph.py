"""SynthMorph's command, played by a small script, and its warps in mm RAS."""

import stat
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from UncertainRegLib.backbones import create
from UncertainRegLib.backbones.synthmorph import read_ras_warp
from UncertainRegLib.geometry import Grid, Image
from UncertainRegLib.geometry.image import set_geometry

OBLIQUE = np.linalg.qr(np.array([[1, 0.3, 0], [-0.2, 1, 0.4], [0.1, -0.3, 1.0]]))[0]
GRID = Grid.from_spacing((6, 7, 8), (1.5, 2, 3), (5, -6, 7), OBLIQUE)
RAS = np.array([4.0, -2.0, 1.0])
LPS = RAS * [-1, -1, 1]

# Plays mri_synthmorph: writes a constant warp in mm RAS on the fixed grid, as a 4D NIfTI file.
SCRIPT = """#!{python}
import sys
import numpy as np, SimpleITK as sitk
arguments = sys.argv[1:]
{guard}
if "broken" in arguments:
    sys.exit("network weights are missing")
fixed, moving, warp = arguments[-1], arguments[-2], arguments[arguments.index("-t") + 1]
assert "fixed" in fixed and "moving" in moving and arguments[arguments.index("-m") + 1]
image = sitk.ReadImage(fixed)
one = [sitk.Image(image.GetSize(), sitk.sitkFloat32) + value for value in {ras}]
for part in one:
    part.CopyInformation(image)
sitk.WriteImage(sitk.JoinSeries(one), warp)
"""
OLD = 'if arguments[0] == "register": sys.exit("unrecognized arguments")'
NEW = 'if arguments[0] != "register": sys.exit("choose a command")\narguments = arguments[1:]'


@pytest.fixture
def command(tmp_path, monkeypatch):
    def install(guard):
        path = tmp_path / "mri_synthmorph"
        path.write_text(
            SCRIPT.format(python=sys.executable, guard=guard, ras=RAS.tolist()), "utf-8"
        )
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


@pytest.fixture
def pair():
    values = np.random.default_rng(1).random(GRID.shape).astype(np.float32)
    return Image(values, GRID), Image(values, GRID)


@pytest.mark.skipif(sys.platform == "win32", reason="FreeSurfer does not run on Windows")
@pytest.mark.parametrize("guard", [OLD, NEW])
def test_both_syntaxes_give_millimetres_in_lps(command, pair, guard):
    command(guard)
    backbone = create("synthmorph")
    field = backbone.register(*backbone.prepare(*pair))
    assert field.grid == GRID
    assert np.allclose(field.vectors, LPS, atol=1e-5)


@pytest.mark.skipif(sys.platform == "win32", reason="FreeSurfer does not run on Windows")
def test_its_failure_is_one_sentence(command, pair):
    command(OLD)
    with pytest.raises(ValueError, match="mri_synthmorph failed: "):
        create("synthmorph", model="broken").register(*pair)


def test_displacement_intent_is_not_flipped_twice(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    flip = np.diag([-1, -1, 1, 1])
    data = np.broadcast_to(RAS, (8, 7, 6, 1, 3)).astype(np.float32)
    for code in ("vector", "displacement vector"):
        image = nibabel.Nifti1Image(data, flip @ GRID.affine)
        image.header.set_intent(code)
        nibabel.save(image, tmp_path / f"{code}.nii.gz")
        field = read_ras_warp(tmp_path / f"{code}.nii.gz")
        assert field.grid == GRID
        assert np.allclose(field.vectors, LPS, atol=1e-5), code


def test_an_image_is_no_warp(tmp_path):
    image = set_geometry(sitk.GetImageFromArray(np.zeros(GRID.shape, np.float32)), GRID)
    sitk.WriteImage(image, str(tmp_path / "image.nii.gz"))
    with pytest.raises(ValueError, match="holds no displacement field"):
        read_ras_warp(tmp_path / "image.nii.gz")
