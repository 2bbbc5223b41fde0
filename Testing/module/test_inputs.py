"""What the module hands to the worker lies where Slicer shows it, whatever is above the nodes."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from support import ROOT

qt_host = pytest.importorskip(
    "support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError
)

from support.fake_result import oblique_direction  # noqa: E402
from UncertainRegLib.geometry import read_image, read_segmentation  # noqa: E402

FLIP = np.array([-1.0, -1.0, 1.0])
SHAPE = (12, 10, 8)  # Z, Y, X
GEOMETRIES = {
    "identity": np.eye(3),
    "anisotropic": np.diag([1.0, 2.0, 3.5]),
    "oblique": oblique_direction() @ np.diag([1.0, 2.0, 3.5]),
    "left-handed": oblique_direction(left_handed=True) @ np.diag([1.0, 2.0, 3.5]),
}


@pytest.fixture
def inputs(monkeypatch):
    """The module's file for inputs, with an empty scene."""

    host = qt_host.start()
    monkeypatch.syspath_prepend(str(ROOT / "UncertainReg"))
    import slicer
    import UncertainRegParts.worker.inputs

    slicer.mrmlScene.Clear()
    yield UncertainRegParts.worker.inputs
    host.check()


def add_volume(matrix, kind="vtkMRMLScalarVolumeNode", array=None):
    import slicer

    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3], ijk_to_ras[:3, 3] = matrix, (11.0, -7.0, 23.0)
    if array is None:
        array = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    return slicer.util.addVolumeFromArray(
        array, ijkToRAS=slicer.util.vtkMatrixFromArray(ijk_to_ras), name="CT", nodeClassName=kind
    )


def put_under(node, linear, offset=(3.0, -20.0, 8.0)):
    """Put a node under a linear transform; returns the transform node."""
    import slicer

    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, offset
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def world_of(node, index):
    """RAS mm where Slicer shows voxel (i, j, k) of a volume node."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    point = (slicer.util.arrayFromVTKMatrix(matrix) @ [*index, 1.0])[:3]
    shown = [0.0, 0.0, 0.0]
    node.TransformPointToWorld(point, shown)
    return np.array(shown)


@pytest.mark.parametrize("above", ["nothing", "rotation"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_voxels_lie_where_slicer_shows_them(inputs, tmp_path, name, above):
    fixed, moving = add_volume(np.eye(3)), add_volume(GEOMETRIES[name])
    if above == "rotation":
        put_under(moving, oblique_direction().T)
    job = inputs.writeInputs(fixed, moving, None, None, tmp_path)
    image = sitk.ReadImage(job["moving"])
    import slicer

    assert np.array_equal(sitk.GetArrayFromImage(image), slicer.util.arrayFromVolume(moving))
    for index in [(0, 0, 0), (7, 0, 0), (2, 9, 0), (3, 4, 11)]:
        found = np.array(image.TransformIndexToPhysicalPoint(index)) * FLIP
        assert np.abs(found - world_of(moving, index)).max() < 1e-4
    assert moving.GetName() == "CT" and "moving_labels" not in job


def test_a_sheared_volume_is_resampled_onto_a_right_angled_grid(inputs, tmp_path):
    k, j, i = np.meshgrid(*map(np.arange, (30, 32, 34)), indexing="ij")
    at = (15.0, 14.0, 17.0)
    blob = np.exp(-((i - at[0]) ** 2 + (j - at[1]) ** 2 + (k - at[2]) ** 2) / 18.0).astype(
        np.float32
    )
    moving = add_volume(np.diag([1.0, 1.5, 2.0]), array=blob)
    put_under(moving, [[1.0, 0.2, 0.0], [0.0, 1.1, 0.1], [0.0, 0.0, 0.9]])
    job = inputs.writeInputs(add_volume(np.eye(3)), moving, None, None, tmp_path)
    said = []
    image = read_image(job["moving"], said.append)  # as the worker reads it, and says it
    assert len(said) == 1 and "is sheared" in said[0]
    direction = image.grid.direction
    assert np.allclose(direction.T @ direction, np.eye(3), atol=1e-6)
    weights = image.array / image.array.sum()
    center = (weights[..., None] * image.grid.points()).sum((0, 1, 2))
    assert np.linalg.norm(center * FLIP - world_of(moving, at)) < 0.1
    assert image.array.max() > 0.9


def test_segments_keep_place_name_and_colour(inputs, tmp_path):
    import slicer

    labels = np.zeros(SHAPE, np.uint8)
    labels[2:5, 3:6, 1:4], labels[7:9, 5:9, 4:7] = 1, 2
    labelmap = add_volume(GEOMETRIES["oblique"], "vtkMRMLLabelMapVolumeNode", labels)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    logic = slicer.modules.segmentations.logic()
    logic.ImportLabelmapToSegmentationNode(labelmap, segmentation)
    for index, (name, color) in enumerate((("Thalamus", (1, 0, 0)), ("Noyau caudé", (0, 0, 1)))):
        segmentation.GetSegmentation().GetNthSegment(index).SetName(name)
        segmentation.GetSegmentation().GetNthSegment(index).SetColor(*color)
    transform = put_under(segmentation, oblique_direction())
    labelmap.SetAndObserveTransformNodeID(transform.GetID())
    volume = add_volume(np.eye(3))
    job = inputs.writeInputs(volume, add_volume(np.eye(3)), segmentation, None, tmp_path)
    found = read_segmentation(job["moving_labels"])
    assert found.names == {1: "Thalamus", 2: "Noyau caudé"}
    assert found.colors == {1: [1, 0, 0], 2: [0, 0, 1]} and len(found.layers) == 1
    image = sitk.ReadImage(job["moving_labels"])
    array = sitk.GetArrayFromImage(image)
    for value in (1, 2):
        assert (array == value).sum() == (labels == value).sum()
        found = np.argwhere(array == value)[:, ::-1].mean(0).tolist()
        wanted = world_of(labelmap, np.argwhere(labels == value)[:, ::-1].mean(0))
        place = np.array(image.TransformContinuousIndexToPhysicalPoint(found)) * FLIP
        assert np.abs(place - wanted).max() < 1e-3
    border = array.copy()
    border[1:-1, 1:-1, 1:-1] = 0
    assert not border.any()  # background all around: nothing can grow over the edge


def segmentation_of(masks, matrix=None, name="Organs"):
    """A node with a segment a mask, none sharing its voxels with another."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    logic = slicer.modules.segmentations.logic()
    for title, mask in masks:
        labelmap = add_volume(
            np.eye(3) if matrix is None else matrix,
            "vtkMRMLLabelMapVolumeNode",
            mask.astype(np.uint8),
        )
        logic.ImportLabelmapToSegmentationNode(labelmap, node)
        segments = node.GetSegmentation()
        segments.GetNthSegment(segments.GetNumberOfSegments() - 1).SetName(title)
    return node


def test_overlapping_segments_are_all_written(inputs, tmp_path):
    """A lesion in the liver, a spleen beside it, and two cysts of one name."""
    liver, lesion, spleen, cyst, other = (np.zeros(SHAPE, bool) for _ in range(5))
    liver[1:9, 1:7, 1:7], lesion[3:6, 3:5, 3:5], spleen[9:11, 7:9, 1:5] = True, True, True
    cyst[1:3, 1:3, 1:3], other[10:12, 8:10, 6:8] = True, True
    wanted = {"Liver": liver, "Lesion": lesion, "Spleen": spleen, "Cyst": cyst, "Cyst (2)": other}
    node = segmentation_of(
        [("Liver", liver), ("Lesion", lesion), ("Spleen", spleen), ("Cyst", cyst), ("Cyst", other)],
        GEOMETRIES["left-handed"],
    )
    put_under(node, oblique_direction())
    job = inputs.writeInputs(add_volume(np.eye(3)), add_volume(np.eye(3)), node, None, tmp_path)
    found = read_segmentation(job["moving_labels"])
    assert [found.name(label) for label in found.labels] == list(wanted)
    assert len(found.layers) == 2  # whatever does not overlap shares one
    masks = {
        found.name(label): layer.array == label
        for layer, labels in zip(found.layers, found.labels_of_layers)
        for label in labels
    }
    assert {name: mask.sum() for name, mask in masks.items()} == {
        name: mask.sum() for name, mask in wanted.items()
    }
    assert (
        inputs.maskImage(node, add_volume(np.eye(3))).array.sum()
        == np.any(list(wanted.values()), axis=0).sum()
    )
    from UncertainRegLib.scene.segments import mask_of

    assert mask_of(node, "Cyst (2)").array.sum() == other.sum()


def test_surfaces_get_the_voxels_of_their_volume(inputs, tmp_path):
    import slicer
    import vtk

    volume = add_volume(GEOMETRIES["oblique"], array=np.zeros((30, 40, 50), np.float32))
    transform = put_under(volume, oblique_direction())
    center = np.array(
        slicer.util.arrayFromVTKMatrix(inputs.linearToWorld(volume)) @ [*middle_of(volume), 1.0]
    )[:3]
    ball = vtk.vtkSphereSource()
    ball.SetRadius(12.0)
    ball.SetCenter(*center)
    ball.SetThetaResolution(400)  # triangles of a tenth of a millimetre
    ball.SetPhiResolution(200)
    ball.Update()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Surfaces")
    segment = slicer.vtkSegment()
    segment.SetName("Ball")
    segment.AddRepresentation("Closed surface", ball.GetOutput())
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.GetSegmentation().AddSegment(segment)
    for above in (None, transform):
        if above is not None:
            node.SetAndObserveTransformNodeID(above.GetID())
            center = middle_of(volume)
            ball.SetCenter(*center)
            ball.Update()
        image = inputs.segmentationOf(node, volume).layers[0]
        assert image.grid.spacing == pytest.approx([1.0, 2.0, 3.5])
        assert image.array.size < 30 * 40 * 50
        inside = np.argwhere(image.array)[:, ::-1]
        assert len(inside) * 7.0 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.06)
        place = image.grid.to_world(inside.mean(0)) * FLIP
        assert np.abs(place - world_of(volume, (25, 20, 15))).max() < 0.3
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def middle_of(volume):
    """RAS mm of the middle voxel, before the transform above the volume."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return (slicer.util.arrayFromVTKMatrix(matrix) @ [25.0, 20.0, 15.0, 1.0])[:3]


def test_landmarks_are_written_in_lps_under_their_transform(inputs, tmp_path):
    import slicer

    from UncertainRegLib.geometry import read_points

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    slicer.util.updateMarkupsControlPointsFromArray(node, np.array([[1.0, 2, 3], [4, 5, 6]]))
    node.SetNthControlPointLabel(0, "apex, left")
    node.AddControlPoint([0.0, 0, 0])
    node.UnsetNthControlPointPosition(2)
    put_under(node, oblique_direction())
    job = inputs.writeInputs(add_volume(np.eye(3)), add_volume(np.eye(3)), None, node, tmp_path)
    said = []
    labels, points = read_points(job["moving_points"], said.append)
    assert labels[0] == "apex, left" and len(labels) == 2
    assert "no position and are left out: F-3" in said[0]
    world = slicer.util.arrayFromMarkupsControlPoints(node, world=True)[:2]
    assert np.abs(points * FLIP - world).max() < 1e-6


def test_landmarks_that_are_no_pairs_are_refused_by_the_names_of_their_nodes(inputs, tmp_path):
    import slicer

    nodes = []
    for name, count in (("Before", 2), ("After", 3), ("After, two", 2)):
        nodes.append(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name))
        for number in range(count):  # with the names that Slicer gives them
            nodes[-1].AddControlPoint([5.0 * number, 0, 0])
    volume, other = add_volume(np.eye(3)), add_volume(np.eye(3))
    with pytest.raises(inputs.InputsError, match=r"“After”: has 3 landmarks .* “Before” has 2"):
        inputs.writeInputs(volume, other, None, nodes[0], tmp_path, fixedLandmarks=nodes[1])
    job = inputs.writeInputs(volume, other, None, nodes[0], tmp_path, fixedLandmarks=nodes[2])
    assert set(job) >= {"moving_points", "fixed_points"}
    nodes[0].SetNthControlPointLabel(1, nodes[0].GetNthControlPointLabel(0))
    with pytest.raises(inputs.InputsError, match="“Before”: has more than one landmark named"):
        inputs.writeInputs(volume, other, None, nodes[0], tmp_path, fixedLandmarks=nodes[2])


def test_the_transform_of_an_earlier_run_does_not_count(inputs):
    import slicer

    moving = add_volume(GEOMETRIES["oblique"])
    before = inputs.volumeImage(moving).grid
    earlier = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Registration")
    earlier.SetAttribute("UncertainReg.Run", "abc")
    moving.SetAndObserveTransformNodeID(earlier.GetID())
    assert inputs.volumeImage(moving).grid == before


def test_unusable_nodes_are_refused_with_one_sentence(inputs, tmp_path):
    import slicer

    scene, good = slicer.mrmlScene, add_volume(np.eye(3))
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    no_segments = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    no_points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    for nodes, words in (
        ((empty, good, None, None), "“Empty” is empty"),
        ((good, good, no_segments, None), "has no segments"),
        ((good, good, None, no_points), "has no points"),
    ):
        with pytest.raises(inputs.InputsError, match=words):
            inputs.writeInputs(*nodes, tmp_path)


def test_whole_numbers_of_64_bits_are_written(host, module, tmp_path):
    import slicer
    import vtk
    from UncertainRegParts.worker.inputs import volumeImage

    from UncertainRegLib.geometry import read_image, write_image

    image = vtk.vtkImageData()
    image.SetDimensions(4, 5, 6)
    image.AllocateScalars(vtk.VTK_LONG_LONG, 1)
    values = vtk.vtkLongLongArray()
    values.SetNumberOfValues(120)
    for index in range(120):
        values.SetValue(index, index - 7)
    image.GetPointData().SetScalars(values)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Long")
    node.SetAndObserveImageData(image)
    write_image(volumeImage(node), tmp_path / "long.nrrd")
    assert read_image(tmp_path / "long.nrrd").array.ravel()[[0, 119]].tolist() == [-7.0, 112.0]


def test_surfaces_that_cannot_be_filled_are_named(host, module, monkeypatch):
    import slicer
    import vtk
    from UncertainRegParts.worker.inputs import InputsError, segmentationOf

    from UncertainRegLib.scene.segments import mask_of

    volume = add_volume(np.eye(3))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Surfaces")
    ball = vtk.vtkSphereSource()
    ball.Update()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.AddSegmentFromClosedSurfaceRepresentation(ball.GetOutput(), "ball", [1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="Surfaces has surfaces only; make a binary label map"):
        mask_of(node, "ball")

    class NoRule(slicer.vtkSegmentation):
        def CreateRepresentation(self, name):
            raise RuntimeError("no conversion path")

    class Copy(slicer.vtkMRMLSegmentationNode):
        def GetSegmentation(self):
            return rule

    rule = NoRule()
    monkeypatch.setattr(slicer, "vtkMRMLSegmentationNode", Copy)
    with pytest.raises(InputsError, match="“Surfaces” cannot be made into a label map"):
        segmentationOf(node, volume)


def test_files_are_called_like_the_volumes(inputs, tmp_path):
    nodes = [add_volume(np.eye(3)) for _ in range(2)]
    for node in nodes:
        node.SetName("CT: thorax/2")
    job = inputs.writeInputs(*nodes, None, None, tmp_path / "inputs")
    assert {Path(job[name]).name for name in ("fixed", "moving")} == {"CT_ thorax_2.nrrd"}
    assert job["fixed"] != job["moving"]
    arguments = {"fixed": nodes[0], "moving": nodes[1], "segmentation": None}
    assert inputs.namesOf(job, arguments) == {"fixed": "CT: thorax/2", "moving": "CT: thorax/2"}
