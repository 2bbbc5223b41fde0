"""A run with structures that overlap: every one has its row, its outline and its segment."""

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.geometry import (
    Grid,
    Image,
    Segmentation,
    read_image,
    read_segmentation,
    warp,
    write_image,
    write_segmentation,
)
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.results.reader import read_record, read_result
from UncertainRegLib.studies.validation import validate

GRID = Grid.from_spacing((28, 30, 32), (1.5, 1.5, 1.5), (10, 20, -5))


def box(low, high, label):
    array = np.zeros(GRID.shape, np.int32)
    array[low:high, low:high, low:high] = label
    return Image(array, GRID)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The same structures under other labels and in other layers on the fixed image."""
    folder = tmp_path_factory.mktemp("overlap")
    truth, moving = smooth_field(GRID, 1.5), textured(GRID, seed=1)
    write_image(moving, folder / "moving.nrrd")
    write_image(warp(moving, truth, None), folder / "fixed.nrrd")
    write_segmentation(
        Segmentation(
            (box(6, 20, 1), box(10, 15, 2)), {1: "Liver", 2: "Lesion"}, {2: [1.0, 0.5, 0.0]}
        ),
        folder / "moving.seg.nrrd",
    )
    write_segmentation(
        Segmentation((box(10, 15, 1), box(6, 20, 2)), {1: "Lesion", 2: "Liver"}).warp(truth),
        folder / "fixed.seg.nrrd",
    )
    files = {name: str(folder / f"{name}.nrrd") for name in ("fixed", "moving")}
    files |= {f"{name}_labels": str(folder / f"{name}.seg.nrrd") for name in files}
    run(
        Job(
            **files, out=str(folder / "out"), samples=4, parameters={"backbone": {"affine": False}}
        ),
        Silent(),
    )
    return folder / "out"


def test_every_structure_has_a_row(finished):
    record = read_result(finished)
    rows = {row["name"]: row for row in record["labels"]}
    assert set(rows) == {"Liver", "Lesion"} and rows["Lesion"]["color"] == [1.0, 0.5, 0.0]
    for name, voxels in (("Liver", 14**3), ("Lesion", 5**3)):
        assert rows[name]["voxels"] == pytest.approx(voxels, rel=0.2)
        assert rows[name]["volume_ml"] == pytest.approx(voxels * 1.5**3 / 1000, rel=0.2)
        assert rows[name]["dice"] > 0.8 and rows[name]["u_p95_mm"] > 0
        assert rows[name]["ece"] is not None and rows[name]["mean_entropy"] > 0
    keys = [row["u_p95_mm"] for row in record["labels"]]
    assert keys == sorted(keys, reverse=True)
    assert sum("paired by name" in text for text in record["warnings"]) == 1
    assert record["oracle_sample"] is not None


def test_the_entropy_is_the_largest_of_the_layers(finished):
    entropy = read_image(finished / read_result(finished)["maps"]["label_entropy"]["file"]).array
    for low, high in ((6, 20), (10, 15)):  # around the boundary of each
        assert entropy[low - 1 : low + 2, 12, 12].max() > 0.3
        assert entropy[high - 2 : high + 2, 12, 12].max() > 0.3
    assert entropy.max() <= np.log(2) + 1e-6


def test_the_registered_structures_are_in_the_folder(finished):
    warped = read_segmentation(finished / read_result(finished)["warped_labels"])
    assert warped.names == {1: "Liver", 2: "Lesion"} and len(warped.layers) == 2
    liver, lesion = (layer.array > 0 for layer in warped.layers)
    assert (liver & lesion).sum() == lesion.sum()


def test_report_and_validation_take_them(finished):
    from UncertainRegLib.__main__ import main
    from UncertainRegLib.report.overlay import read_overlay

    assert main(["report", str(finished)]) == 0
    assert "Lesion" in (finished / "report.html").read_text(encoding="utf-8")
    record = read_record(finished)
    overlay = read_overlay(finished, record)
    overlay.point = GRID.to_world([12.0, 12.0, 12.0])  # in both
    picture = overlay.plane("axial").astype(int)
    overlay.labels = Segmentation(overlay.labels.layers[:1])
    assert np.abs(picture - overlay.plane("axial")).sum() > 0  # the lesion's outline is one more
    found = validate(finished, record)["labels"]
    assert found["dice"] == pytest.approx(np.mean([row["dice"] for row in record.labels]))
    assert found["maps"]["label entropy"]["auroc"] > 0.5


def test_the_scene_has_every_structure(finished):
    slicer = pytest.importorskip("slicer")
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.result import load_result
    from UncertainRegLib.scene.segments import mask_of
    from UncertainRegLib.scene.surfaces import probability_of

    assert slicer
    with HeadlessScene() as headless:
        result = load_result(finished, headless.scene)
        for name, voxels in (("Liver", 14**3), ("Lesion", 5**3)):
            assert mask_of(result.moving_segmentation, name).array.sum() == voxels
            assert probability_of(result, name).array.max() > 0.9
        segments = result.moving_segmentation.GetSegmentation()
        assert segments.GetSegment(segments.GetSegmentIdBySegmentName("Lesion")).GetColor() == (
            1.0,
            0.5,
            0.0,
        )


def test_the_scene_takes_the_labels_of_an_atlas(tmp_path):
    slicer = pytest.importorskip("slicer")
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.inputs import _set_segments
    from UncertainRegLib.scene.segments import mask_of

    assert slicer
    atlas = Image(box(3, 6, 614454277).array + box(8, 10, 997).array, GRID)
    write_image(atlas, tmp_path / "atlas.nrrd")
    with HeadlessScene() as headless:
        node = headless.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        _set_segments(node, tmp_path / "atlas.nrrd", [{"label": 614454277, "name": "Isocortex"}])
        assert mask_of(node, "Isocortex").array.sum() == 27
        assert mask_of(node, "Label 997").array.sum() == 8


def test_a_study_of_one_label_map_refuses_them(finished, tmp_path, capsys):
    from UncertainRegLib.__main__ import main

    folder = finished.parent
    code = main(
        [
            "evaluate",
            "labels",
            "--out",
            str(tmp_path / "study"),
            "--samples",
            "2",
            "--fixed",
            str(folder / "fixed.nrrd"),
            "--moving",
            str(folder / "moving.nrrd"),
            "--fixed-labels",
            str(folder / "fixed.seg.nrrd"),
            "--moving-labels",
            str(folder / "moving.seg.nrrd"),
            "--progress",
            "none",
        ]
    )
    assert code == 1 and "needs structures that do not overlap" in capsys.readouterr().err
