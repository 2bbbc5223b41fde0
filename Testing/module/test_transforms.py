"""A transform node to be judged: its file carries a fixed point to where Slicer takes it from."""

import numpy as np
import pytest

from support.panel import add_volume, apply_and_wait, run_until

pytest.importorskip("support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError)

from support.fake_result import oblique_direction
from UncertainRegLib.geometry import Grid, read_image
from UncertainRegLib.geometry.transform_file import read_transform
from UncertainRegLib.sample_pair import smooth_field

FLIP = np.array([-1.0, -1.0, 1.0])
GRID = Grid.from_spacing((24, 28, 32), (1.5, 2.0, 2.5), (10, -20, 30), oblique_direction())
MATRIX = np.array(
    [[1.02, 0.1, 0, 4.0], [-0.1, 0.98, 0, -3.0], [0, 0.03, 1.01, 2.0], [0, 0, 0, 1.0]]
)


@pytest.fixture
def transforms(module):
    """The module's file that writes transforms, with an empty scene."""
    import UncertainRegParts.worker.transforms

    return UncertainRegParts.worker.transforms


def add(kind: str):
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass(kind, "Warp")


def linear():
    import slicer

    node = add("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(MATRIX))
    return node


def grid():
    from UncertainRegLib.scene.transform import grid_transform

    node = add("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformFromParent(grid_transform(smooth_field(GRID, 3.0)))
    return node


def grid_to_parent():
    from UncertainRegLib.scene.transform import grid_transform

    node = add("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformToParent(grid_transform(smooth_field(GRID, 3.0)))
    return node


def spline():
    import slicer
    import vtk

    values = np.random.default_rng(1).normal(0, 3, (9, 9, 9, 3))
    image = vtk.vtkImageData()
    image.SetDimensions(9, 9, 9)
    image.SetOrigin(-70.0, -70.0, -20.0)
    image.SetSpacing(18.0, 18.0, 18.0)
    image.AllocateScalars(vtk.VTK_DOUBLE, 3)
    vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())[:] = values.reshape(
        -1, 3
    )
    transform = slicer.vtkOrientedBSplineTransform()
    transform.SetCoefficientData(image)
    node = add("vtkMRMLBSplineTransformNode")
    node.SetAndObserveTransformFromParent(transform)
    return node


def composite():
    node, above = grid(), linear()
    node.SetAndObserveTransformNodeID(above.GetID())
    return node


@pytest.mark.parametrize(
    ("make", "limit_mm"),
    [(linear, 1e-3), (grid, 0.02), (grid_to_parent, 0.05), (spline, 0.05), (composite, 0.05)],
)
def test_a_fixed_point_goes_to_the_moving_point_that_slicer_draws_there(
    transforms, tmp_path, make, limit_mm
):
    node = make()
    file = transforms.writeTransform(node, GRID, tmp_path / "Warp.nrrd")
    index = np.random.default_rng(2).uniform(8, 18, (30, 3))
    moving = GRID.to_world(index) * FLIP  # RAS
    shown = np.zeros_like(moving)
    points = add("vtkMRMLMarkupsFiducialNode")
    points.SetAndObserveTransformNodeID(node.GetID())
    for m, s in zip(moving, shown):
        points.TransformPointToWorld(m.tolist(), s)
    found, covered = read_transform([file]).map(shown * FLIP)
    assert covered.all()
    assert np.linalg.norm(found - moving * FLIP, axis=1).max() < limit_mm
    assert read_transform([file]).is_linear == (make is linear)


def test_a_grid_that_stands_alone_keeps_its_own_extent(transforms, tmp_path):
    file = transforms.writeTransform(
        grid(), GRID.part((-20, -20, -20), (60, 60, 60)), tmp_path / "Warp.nrrd"
    )
    assert read_transform([file]).field.grid == GRID


def test_a_moving_volume_under_it_is_written_as_it_lies_without_it(module, tmp_path):
    """Also deformable ones, which refuse a moving volume otherwise."""
    from UncertainRegParts.worker.inputs import writeInputs

    fixed, moving, node = add_volume("CT"), add_volume("MR", 1), grid()
    moving.SetAndObserveTransformNodeID(node.GetID())
    job = writeInputs(fixed, moving, None, None, tmp_path, transform=node)
    alone = read_image(job["moving"])
    moving.SetAndObserveTransformNodeID(None)
    again = writeInputs(fixed, moving, None, None, tmp_path / "again")
    assert alone.grid == read_image(again["moving"]).grid
    assert [file.rsplit("/", 1)[1] for file in job["transform"]] == ["Warp.nrrd"]
    assert moving.GetParentTransformNode() is None


def test_the_panel_hands_it_to_the_worker_and_the_scene_keeps_the_choice(
    widget, inputs, host, tmp_path, monkeypatch
):
    import json

    ui, node = widget.ui, linear()
    ui.inverseCheckBox.checked = True
    ui.transformSelector.setCurrentNode(node)
    assert not ui.inverseCheckBox.enabled  # it says nothing of a transform made elsewhere
    ui.resultsPathLineEdit.currentPath = str(tmp_path)
    assert apply_and_wait(host, widget) == "complete"
    (file,) = tmp_path.glob("*/job.json")
    job = json.loads(file.read_text(encoding="utf-8"))
    assert job["transform"][0].endswith("Warp.tfm") and job["names"]["transform"] == "Warp"
    assert job["inverse_consistency"] is False
    assert widget._parameterNode.transform is node
    ui.transformSelector.setCurrentNode(None)
    assert ui.inverseCheckBox.enabled and ui.inverseCheckBox.checked


def test_the_other_way_round_is_asked_for_by_a_box(widget, inputs, host, tmp_path):
    import json

    widget.ui.inverseCheckBox.click()
    widget.ui.resultsPathLineEdit.currentPath = str(tmp_path)
    assert apply_and_wait(host, widget) == "complete"
    (file,) = tmp_path.glob("*/job.json")
    job = json.loads(file.read_text(encoding="utf-8"))
    assert job["inverse_consistency"] is True and "transform" not in job


def test_a_grid_transform_is_judged_by_the_real_worker_from_apply_to_verdict(
    real_worker, widget, host
):
    """A pair whose truth is known: what Slicer holds is what is judged."""
    import slicer

    from support.phantoms import textured
    from UncertainRegLib.geometry import warp
    from UncertainRegLib.scene.frames import ijk_to_ras
    from UncertainRegLib.scene.transform import grid_transform

    truth, moving = smooth_field(GRID, 3.0), textured(GRID, seed=1)
    nodes = [
        slicer.util.addVolumeFromArray(image.array, ijkToRAS=ijk_to_ras(GRID), name=name)
        for image, name in ((warp(moving, truth, None), "CT"), (moving, "MR"))
    ]
    node = add("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformFromParent(grid_transform(truth))
    nodes[1].SetAndObserveTransformNodeID(node.GetID())  # as its user looks at it
    ui = widget.ui
    ui.fixedSelector.setCurrentNode(nodes[0])
    ui.movingSelector.setCurrentNode(nodes[1])
    ui.transformSelector.setCurrentNode(node)
    ui.samplesSpinBox.value = 2
    assert apply_and_wait(host, widget) == "complete", widget.logic.run.message
    result = widget.results.result
    assert result.given.suspicions == [] and "given_offset_mm" in result.maps
    assert "Warp.nrrd" in ui.verdictLabel.text and "not its error" in ui.verdictLabel.text
    found = np.array(result.transform.GetTransformFromParent().TransformPoint(GRID.center * FLIP))
    assert np.linalg.norm(found * FLIP - truth.map(GRID.center)) < 0.05
    ui.judgeButton.click()
    evaluating = widget.results.acceptance._evaluating
    run_until(host, lambda: not evaluating.isActive)
    assert evaluating.evaluation.state == "complete", evaluating.message
    assert "<b>NOT VERIFIED</b>" in ui.acceptanceLabel.text
