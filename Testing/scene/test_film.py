"""A film shown from kept slices shows what it would show without them, pixel by pixel."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")

import vtk  # noqa: E402
from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

from support.fake_result import SAMPLES, write_fake_result  # noqa: E402
from UncertainRegLib.scene import display, film, views  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_bundle  # noqa: E402
from UncertainRegLib.scene.film import Film  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.result import load_result  # noqa: E402

SIZE = 120


class Shown:
    """A result with its samples in three slice views: the moving image, outlines, a map in front."""

    def __init__(self, headless, result, slices):
        self.headless, self.result, self.slices = headless, result, slices
        display.show_map(result)
        display.show_sample(result, 0)
        for view in display.slice_views(result.scene):
            view.SetBackgroundVolumeID(result.moving.GetID())
        result.moving_segmentation.GetDisplayNode().SetVisibility2DFill(True)
        headless.fit_slices(SIZE, SIZE)
        self.resliced = 0
        for view in slices:
            reslice = view.logic.GetBackgroundLayer().GetReslice()
            reslice.AddObserver("EndEvent", self._count)

    def _count(self, *_):
        self.resliced += 1

    def film(self):
        return Film(self.result.sample_browser, [(v.logic, v.renderer) for v in self.slices])

    def round(self, samples=range(SAMPLES)):
        """(samples, views, height, width, 3) pixels of a round of the film."""
        pictures = []
        for sample in samples:
            self.result.sample_browser.SetSelectedItemNumber(sample)
            pictures.append([view.pixels() for view in self.slices])
        return np.array(pictures)


@pytest.fixture
def shown(tmp_path):
    try:
        views.check_opengl()
    except views.NoOpenGLError as error:
        pytest.skip(str(error))
    with HeadlessScene() as headless:
        slices = [views.SliceView(headless, name, (SIZE, SIZE)) for name in headless.slices]
        yield Shown(headless, load_result(write_fake_result(tmp_path), headless.scene), slices)


def test_every_round_shows_the_same_pixels_and_only_the_first_one_reslices(shown):
    expected = shown.round()
    assert len({picture.tobytes() for picture in expected}) == SAMPLES
    kept = shown.film()
    shown.resliced = 0
    for resliced in (3 * SAMPLES, 0, 0):
        assert np.array_equal(shown.round(), expected)
        assert shown.resliced == resliced
        shown.resliced = 0
    kept.close()
    assert np.array_equal(shown.round(), expected)
    assert shown.resliced == 3 * SAMPLES
    kept.close()


def _window(result):
    result.moving.GetDisplayNode().AutoWindowLevelOff()
    result.moving.GetDisplayNode().SetWindowLevelMinMax(10, 40)


def _nearest(result):
    result.moving.GetDisplayNode().SetInterpolate(False)


def _values(result):
    array = slicer.util.arrayFromVolume(result.moving)
    array[:, : array.shape[1] // 2] = 0
    slicer.util.arrayFromVolumeModified(result.moving)


def _place(result):
    origin = np.array(result.moving.GetOrigin()) + (4, 0, 0)
    result.moving.SetOrigin(*origin)


def _field(result):
    item = result.sample_sequence.GetNthDataNode(0)
    other = result.sample_sequence.GetNthDataNode(3).GetTransformFromParent()
    item.SetAndObserveTransformFromParent(other)


def _users_transform(result):
    node = result.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(1, 3, 6.0)
    node.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(result.sample_transform.GetID())
    for each in (result.moving, result.moving_segmentation):
        each.SetAndObserveTransformNodeID(node.GetID())


def _users_transform_moves(result):
    if result.moving.GetParentTransformNode() is result.sample_transform:
        _users_transform(result)
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, -5.0)
    result.moving.GetParentTransformNode().SetMatrixTransformToParent(matrix)


def _another_volume(result):
    for view in display.slice_views(result.scene):
        view.SetBackgroundVolumeID(result.fixed.GetID())


def _not_moved(result):
    display.show_moving(result, "transform")


def _slice_moves(result):
    for node in display.slice_nodes(result.scene):
        node.SetSliceOffset(node.GetSliceOffset() + 5.0)


def _zoom(result):
    for node in display.slice_nodes(result.scene):
        width, height, depth = node.GetFieldOfView()
        node.SetFieldOfView(width / 2, height / 2, depth)


def _opacity(result):
    display.set_opacity(result, 0.2)


def _segment_hidden(result):
    node = result.moving_segmentation
    node.GetDisplayNode().SetSegmentVisibility(node.GetSegmentation().GetNthSegmentID(0), False)


def _thicker(result):
    result.moving_segmentation.GetDisplayNode().SetSliceIntersectionThickness(5)


def _segment_edited(result):
    segmentation = result.moving_segmentation.GetSegmentation()
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    labelmap = segmentation.GetNthSegment(0).GetRepresentation(name)
    array = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    array[: len(array) // 2] = 0
    labelmap.GetPointData().GetScalars().Modified()
    labelmap.Modified()
    segmentation.Modified()


CHANGES = [
    _window, _nearest, _values, _place, _field, _users_transform, _users_transform_moves,
    _another_volume, _not_moved, _slice_moves, _zoom, _opacity, _segment_hidden, _thicker,
    _segment_edited,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_shows_at_once_and_in_the_next_rounds(shown, change):
    if change is _users_transform_moves:
        _users_transform(shown.result)
    kept = shown.film()
    samples = (0, 3, 5)
    before = [shown.round(samples), shown.round(samples)][-1]
    change(shown.result)
    at_once = np.array([view.pixels() for view in shown.slices])  # the same sample: no step
    with_film = [shown.round(samples), shown.round(samples)]
    kept.close()
    without = shown.round(samples)
    assert not np.array_equal(without, before)
    assert np.array_equal(at_once, without[-1])
    for pictures in with_film:
        assert np.array_equal(pictures, without)


def test_a_proxy_that_is_not_at_the_sample_is_drawn_as_it_is(shown):
    browser, sequence = shown.result.sample_browser, shown.result.sample_sequence
    expected = shown.round()
    kept = shown.film()
    shown.round()
    browser.SetSelectedItemNumber(1)
    browser.SetPlayback(sequence, False)
    assert np.array_equal(shown.round([4])[0], expected[1])
    browser.SetPlayback(sequence, True)
    assert np.array_equal(shown.round(), expected)
    kept.close()


def test_beyond_the_memory_samples_are_resliced_each_time(shown, monkeypatch):
    expected = shown.round()
    kept = shown.film()
    shown.round([0, 1])
    monkeypatch.setattr(film, "MEMORY", kept._size)
    shown.round()
    shown.resliced = 0
    assert np.array_equal(shown.round(), expected)
    assert shown.resliced == 3 * (SAMPLES - 2)
    kept.close()


def test_nothing_of_a_film_is_in_the_scene(shown, tmp_path):
    scene = shown.result.scene
    before = scene.GetNumberOfNodes()
    kept = shown.film()
    shown.round(), shown.round()
    assert scene.GetNumberOfNodes() == before
    write_bundle(scene, tmp_path / "scene.mrb")
    kept.close()
    with HeadlessScene() as other:
        read_bundle(tmp_path / "scene.mrb", other.scene)
        volumes = other.scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")
        assert volumes == scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")


def test_a_film_whose_nodes_are_removed_draws_what_is_left(shown):
    kept = shown.film()
    shown.round(), shown.round()
    for node in (shown.result.moving_segmentation, shown.result.moving):
        shown.result.scene.RemoveNode(node)
    for view in shown.slices:
        view.pixels()
    shown.result.scene.RemoveNode(shown.result.sample_browser)
    for view in shown.slices:
        view.pixels()
    kept.close()
