"""A registration as DICOM: what plastimatch wrote is read back, and leads to the same places."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from support.fake_result import write_fake_result
from support.phantoms import OBLIQUE
from support.written_files import BLOB, DICOM, dicom
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import DisplacementField, Grid, write_field
from UncertainRegLib.geometry import dicom_registration as module
from UncertainRegLib.geometry.dicom_registration import (
    read_dicom_registration,
    write_dicom_registration,
)
from UncertainRegLib.geometry.errors import InputError
from UncertainRegLib.results.schema import FILE

pydicom = pytest.importorskip("pydicom", reason="DICOM registrations are read with pydicom")

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
needs_program = pytest.mark.skipif(
    shutil.which("plastimatch", path=PATH) is None, reason="the program plastimatch is not there"
)


@pytest.fixture(autouse=True)
def program_of_this_environment(monkeypatch):
    monkeypatch.setenv("PATH", PATH)


@pytest.fixture(params=["axial", "oblique"])
def affine(request):
    """Voxel index to LPS mm of the fixed series."""
    turn = np.eye(4)
    turn[:3, :3] = np.eye(3) if request.param == "axial" else OBLIQUE
    return turn @ DICOM


@pytest.fixture
def series(tmp_path, affine):
    """The two folders, in frames of reference of their own."""
    moved = affine.copy()
    moved[:3, 3] += 40.0
    return dicom(tmp_path / "fixed", "1", affine), dicom(tmp_path / "moving", "2", moved)


@pytest.fixture
def field(affine):
    vectors = np.random.default_rng(0).normal(0, 5, (*BLOB.shape, 3)).astype(np.float32)
    return DisplacementField(vectors, Grid(BLOB.shape, affine))


@needs_program
def test_what_is_read_leads_to_the_same_places(field, series, tmp_path):
    """Direction, order of the axes and components, place and frames, at a thousand points."""
    (Path(series[0]) / ".DS_Store").touch()  # as a file manager leaves it
    file = write_dicom_registration(field, *series, tmp_path / "out")
    found, frames = read_dicom_registration(file)
    assert frames == ("1.2.3.1.9", "1.2.3.2.9")
    index = np.random.default_rng(1).uniform(0, field.grid.size - 1, (1000, 3))
    points = field.grid.to_world(index)
    assert np.linalg.norm(found.map(points) - field.map(points), axis=-1).max() < 0.01
    assert pydicom.dcmread(file).Modality == "REG"


@needs_program
def test_the_command_takes_the_series_of_the_run_or_others(field, series, tmp_path, capsys):
    folder = write_fake_result(tmp_path / "result")
    write_field(field, folder / "transform.nrrd")
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    for side, place in zip(("fixed", "moving"), series):
        content["inputs"][side]["file"] = str(place)
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")
    assert not main(["export", str(folder), "--dicom", str(tmp_path / "out")])
    file = Path(capsys.readouterr().out.strip())
    found, frames = read_dicom_registration(file)
    assert found.grid == field.grid and frames == ("1.2.3.1.9", "1.2.3.2.9")
    again = ["export", str(folder), "--dicom", str(tmp_path / "other")]
    assert main([*again, "--fixed-series", str(folder)]) == 1
    assert "is no folder with a DICOM series" in capsys.readouterr().err
    assert main([*again, "--fixed-series", str(series[1])]) == 1
    assert "is not the series of the fixed image" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@needs_program
def test_a_folder_that_holds_something_is_left_alone(field, series, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "plan.dcm").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        write_dicom_registration(field, *series, tmp_path / "out")


@needs_program
def test_a_file_that_leads_elsewhere_is_not_kept(field, series, tmp_path, monkeypatch):
    """As if the program had turned the registration round."""
    read = read_dicom_registration

    def turned(path):
        found, frames = read(path)
        return DisplacementField(-found.vectors, found.grid), frames

    monkeypatch.setattr(module, "read_dicom_registration", turned)
    with pytest.raises(InputError, match="another registration"):
        write_dicom_registration(field, *series, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_the_program_the_sentence_says_how_to_get_it(field, series, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="pip install plastimatch"):
        write_dicom_registration(field, *series, tmp_path / "out")


def test_another_dicom_file_is_no_registration(series):
    with pytest.raises(InputError, match="one deformable registration"):
        read_dicom_registration(next(series[0].iterdir()))
