"""Structures that overlap keep their voxels and names, from a file to a warp and back."""

import numpy as np
import pytest
import SimpleITK as sitk

from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    Segmentation,
    read_segmentation,
    write_segmentation,
)
from UncertainRegLib.geometry.segmentation import distinct, packed

GRID = Grid.from_spacing((12, 14, 16), (1, 1.5, 2), (3, 4, 5), np.diag([-1.0, -1.0, 1.0]))


def mask(label, low, high):
    array = np.zeros(GRID.shape, np.int32)
    array[low:high, low:high, low:high] = label
    return Image(array, GRID)


LIVER, LESION, SPLEEN = mask(1, 1, 9), mask(2, 3, 5), mask(7, 9, 12)
ORGANS = Segmentation(
    tuple(packed([LIVER, LESION, SPLEEN])),
    {1: "Liver", 2: "Lésion", 7: "Spleen"},
    {2: [1.0, 0.5, 0.0]},
)


def test_structures_share_layers_where_they_do_not_overlap():
    assert ORGANS.labels_of_layers == [[1, 7], [2]] and ORGANS.labels == [1, 2, 7]
    assert np.array_equal(ORGANS.layers[1].array, LESION.array)
    assert ORGANS.foreground().array.sum() == 8**3 + 3**3


def test_a_file_keeps_layers_names_and_colours(tmp_path):
    write_segmentation(ORGANS, tmp_path / "s.seg.nrrd")
    said = []
    found = read_segmentation(tmp_path / "s.seg.nrrd", said.append)
    assert (found.names, found.colors, found.grid) == (ORGANS.names, ORGANS.colors, GRID)
    assert all(np.array_equal(a.array, b.array) for a, b in zip(found.layers, ORGANS.layers))
    assert not said


def test_slicer_reads_what_is_written(tmp_path):
    slicer = pytest.importorskip("slicer")
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.segments import layers_of

    write_segmentation(ORGANS, tmp_path / "s.seg.nrrd")
    with HeadlessScene() as headless:
        node = headless.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        storage = headless.scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(tmp_path / "s.seg.nrrd"))
        assert storage.ReadData(node)
        sizes = {
            name: int((layer.image.array == label).sum())
            for layer in layers_of(node)
            for label, name in layer.names.items()
        }
        assert sizes == {"Liver": 8**3, "Lésion": 2**3, "Spleen": 3**3}
        node.GetSegmentation().GetNthSegment(2).SetName("Liver")
        storage.SetFileName(str(tmp_path / "t.seg.nrrd"))
        assert storage.WriteData(node)
    assert slicer
    said = []
    found = read_segmentation(tmp_path / "t.seg.nrrd", said.append)
    assert sorted(found.names.values()) == ["Liver", "Liver (2)", "Lésion"]
    assert "segments of the same name; the later ones are called Liver (2)" in said[0]


def test_a_name_is_not_the_number_of_a_label_without_one(tmp_path):
    write_segmentation(
        Segmentation(tuple(packed([LIVER, LESION])), {1: "2"}), tmp_path / "n.seg.nrrd"
    )
    said = []
    found = read_segmentation(tmp_path / "n.seg.nrrd", said.append)
    assert [found.name(label) for label in found.labels] == ["2 (2)", "2"]
    assert "called 2 (2)" in said[0]
    found = Segmentation(tuple(packed([LIVER, LESION]))).named({1: "2"})
    assert [found.name(label) for label in found.labels] == ["2 (2)", "2"]


def layered(path, arrays, header):
    image = sitk.GetImageFromArray(np.stack(arrays, -1).astype(np.uint8), isVector=True)
    for key, value in header.items():
        image.SetMetaData(key, str(value))
    sitk.WriteImage(image, str(path))
    return path


def test_labels_that_two_layers_share_are_told_apart(tmp_path):
    path = layered(
        tmp_path / "s.seg.nrrd",
        [LIVER.array, LESION.array // 2],
        {
            "Segment0_LabelValue": 1,
            "Segment0_Name": "Liver",
            "Segment1_LabelValue": 1,
            "Segment1_Layer": 1,
            "Segment1_Name": "Lesion",
            "Segment2_LabelValue": 5,
            "Segment2_Layer": 1,
            "Segment2_Name": "Cyst",
        },
    )
    said = []
    found = read_segmentation(path, said.append)
    assert found.labels_of_layers == [[1], [2]] and found.names == {1: "Liver", 2: "Lesion"}
    assert said == ["s.seg.nrrd: these segments are empty and left out: Cyst."]


@pytest.mark.parametrize(
    ("arrays", "header", "words"),
    [
        ([LIVER.array, LESION.array], {}, "2 values per voxel"),  # a vector image, no segmentation
        ([0 * LIVER.array] * 2, {"Segment0_LabelValue": 1}, "no labelled voxel"),
        (
            [LIVER.array, LESION.array],
            {"Segment0_LabelValue": 1, "Segment1_LabelValue": 1},
            "gives the label 1 to more than one segment",
        ),
    ],
)
def test_layers_that_cannot_be_used_are_refused(tmp_path, arrays, header, words):
    path = layered(tmp_path / "s.seg.nrrd", arrays, header)
    with pytest.raises(ValueError, match=words):
        read_segmentation(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=r"s\.seg\.nrrd: "):
        read_segmentation(path)


def test_every_layer_is_warped_and_resampled():
    vectors = np.zeros((*GRID.shape, 3), np.float32)
    vectors[..., 2] = 2.0  # one voxel along k: y + 1
    warped = ORGANS.warp(DisplacementField(vectors, GRID))
    for before, after in zip(ORGANS.layers, warped.layers):
        assert np.array_equal(after.array[:-1], before.array[1:])
    assert warped.names == ORGANS.names
    assert ORGANS.resample(GRID.at_most(500)).grid == GRID.at_most(500)


def test_other_labels():
    found = ORGANS.relabelled({1: 40, 7: 3})
    assert found.labels_of_layers == [[3, 40], []] and found.names == {40: "Liver", 3: "Spleen"}
    assert np.array_equal(found.layers[0].array == 40, LIVER.array == 1)


def test_names_of_which_none_occurs_twice():
    assert distinct(["a", "b", "a", "a (2)", "a"]) == ["a", "b", "a (2)", "a (2) (2)", "a (3)"]
