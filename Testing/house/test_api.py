"""The Python door, and the lines of the README that show it."""

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from support import ROOT
from support.phantoms import smooth_field, textured
from UncertainRegLib import map_uncertainty
from UncertainRegLib.api import Result
from UncertainRegLib.geometry import (
    Grid,
    Image,
    Segmentation,
    invert,
    read_field,
    read_image,
    warp,
    write_field,
    write_image,
)
from UncertainRegLib.geometry.image import to_sitk
from UncertainRegLib.report.html import write_report
from UncertainRegLib.studies.validation import validate

GRID = Grid.from_spacing((20, 22, 24), (2, 2, 2), (-20, 5, 7))
FEW = {"samples": 3, "parameters": {"backbone": {"affine": False, "voxels": 12_000}}}


@pytest.fixture(scope="module")
def pair():
    """Fixed, moving, and where the moving image is bright."""
    fixed = textured(GRID, 3)
    moving = warp(fixed, smooth_field(GRID, 1.5))
    return fixed, moving, Image((moving.array > 40).astype(np.int32), GRID)


def test_the_lines_of_the_readme_run(pair, tmp_path, monkeypatch, capsys):
    (lines,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    for image, name in zip(pair, ("fixed", "moving", "moving_labels")):
        write_image(image, tmp_path / f"{name}.nii.gz")
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(compile(lines, "README.md", "exec"), scope)
    assert "mm at its boundary" in capsys.readouterr().out
    saved = Result("result")
    assert saved.record.samples.finished == 16
    assert np.array_equal(saved.maps["expected_error_mm"].array, scope["expected"].array)
    assert np.array_equal(saved.maps["uncertainty_mm"].array, scope["disagreement"].array)
    (row,) = saved.structures
    stated = row.get("bound_mm") is not None
    assert stated is (saved.record.expected_error.refused is None)
    assert write_report("result", None).is_file()


def test_files_and_images_in_memory_give_the_same(pair, tmp_path):
    fixed, moving, labels = pair
    for image, name in zip(pair, ("f", "m", "l")):
        write_image(image, tmp_path / f"{name}.nrrd")
    points = {"a": (0, 20, 25), "b": (4, 30, 30)}
    of_files = map_uncertainty(
        tmp_path / "f.nrrd",
        str(tmp_path / "m.nrrd"),
        tmp_path / "out",
        moving_labels=tmp_path / "l.nrrd",
        moving_points=points,
        **FEW,
    )
    in_memory = map_uncertainty(
        to_sitk(fixed), moving, moving_labels=Segmentation((labels,)), moving_points=points, **FEW
    )
    assert of_files.folder == tmp_path / "out" and of_files.status == "complete"
    assert of_files.transform.grid == GRID
    assert np.array_equal(of_files.transform.vectors, in_memory.transform.vectors)
    assert np.array_equal(
        of_files.transform.vectors, read_field(tmp_path / "out" / "transform.nrrd").vectors
    )
    assert of_files.maps.keys() == in_memory.maps.keys() > {"uncertainty_mm", "jacobian"}
    for name, image in of_files.maps.items():
        assert image.grid == GRID and image.array.shape == GRID.shape
        assert np.array_equal(image.array, in_memory.maps[name].array), name
    assert sorted(row["label"] for row in of_files.landmarks) == ["a", "b"]
    assert (
        [row["volume_ml"] for row in of_files.structures]
        == [row["volume_ml"] for row in in_memory.structures]
        != []
    )
    assert len(list(of_files.samples())) == 3
    assert of_files.weights.tolist() == pytest.approx([1 / 3] * 3)
    assert np.corrcoef(of_files.warped.array.ravel(), fixed.array.ravel())[0, 1] > 0.98


def test_a_mask_of_an_image_counts(pair):
    fixed, moving, _ = pair
    mask = np.zeros(GRID.shape, np.uint8)
    mask[4:-4, 4:-4, 4:-4] = 1
    masked = map_uncertainty(Image(fixed.array, GRID, mask), moving, **FEW)
    apart = map_uncertainty(fixed, moving, fixed_mask=Image(mask, GRID), **FEW)
    assert "fixed_mask" in masked.record.inputs
    assert np.array_equal(masked.transform.vectors, apart.transform.vectors)


def test_a_saved_result_has_its_inputs(pair, tmp_path):
    fixed, moving, labels = pair
    result = map_uncertainty(fixed, moving, moving_labels=labels, fixed_labels=labels, **FEW)
    left = result.folder
    saved = Result(result.save(tmp_path / "saved"))
    with pytest.raises(FileExistsError):
        result.save(tmp_path / "saved")
    del result
    assert not left.exists()
    assert np.array_equal(read_image(saved.record.inputs["fixed"].file).array, fixed.array)
    assert validate(saved.folder, saved.record)["labels"] is not None


def test_what_cannot_be_read_is_said(pair, tmp_path):
    with pytest.raises(TypeError, match="fixed is of the type ndarray; give a file, an image"):
        map_uncertainty(pair[0].array, pair[1])
    with pytest.raises(TypeError, match="moving_points is of the type list; give a file or a dict"):
        map_uncertainty(*pair[:2], moving_points=[1, 2])
    with pytest.raises(ValueError, match="samples is 1"):
        map_uncertainty(*pair[:2], tmp_path / "out", samples=1)
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match="not empty"):
        map_uncertainty(*pair[:2], tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_leaves_ctrl_c_as_it_was_and_may_be_in_a_thread(pair, ctrl_c):
    found = []
    thread = threading.Thread(target=lambda: found.append(map_uncertainty(*pair[:2], **FEW)))
    thread.start()
    map_uncertainty(*pair[:2], **FEW)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    thread.join()
    assert found[0].status == "complete"


def test_a_run_that_was_stopped_at_once_says_so(pair, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cancel").touch()
    result = map_uncertainty(*pair[:2], tmp_path / "out", **FEW)
    assert (result.status, result.maps, list(result.samples())) == ("partial", {}, [])
    assert result.weights.shape == (0,)
    assert any("Stopped before two samples" in text for text in result.warnings)
    with pytest.raises(ValueError, match="has no registration"):
        result.transform  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, UncertainRegLib; "
            "print({'numpy', 'SimpleITK', 'torch', 'UncertainRegLib.api'} & set(sys.modules))",
        ],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.strip() == "set()"
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from UncertainRegLib import nothing")


def test_a_simpleitk_image_of_vectors_is_refused(pair):
    vectors = sitk.GetImageFromArray(np.zeros((8, 8, 8, 3), np.float32), isVector=True)
    with pytest.raises(ValueError, match="values per voxel"):
        map_uncertainty(vectors, pair[1])


def test_a_registration_in_memory_is_judged_like_one_in_files(pair, tmp_path):
    fixed, moving, _ = pair
    field = smooth_field(GRID, 1.5)
    back, _ = invert(field)
    kept = map_uncertainty(fixed, moving, tmp_path / "out", transform=back, inverse=field, **FEW)
    write_field(back, tmp_path / "back.nrrd")
    of_files = map_uncertainty(fixed, moving, transform=[tmp_path / "back.nrrd"], **FEW)
    assert np.array_equal(kept.transform.vectors, of_files.transform.vectors)
    assert kept.record.given.files == ["transform.nrrd"]
    assert Path(kept.record.inputs["transform_1"].file).parent == tmp_path / "out" / "inputs"
    assert {"given_offset_mm", "inverse_consistency_mm"} <= kept.maps.keys()
    assert "inverse_consistency_mm" not in of_files.maps
    with pytest.raises(TypeError, match="several files or a DisplacementField"):
        map_uncertainty(fixed, moving, transform=3, **FEW)
