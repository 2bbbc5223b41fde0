"""A result folder becomes nodes with exact values, and is refreshed in place."""

import json
import os

import numpy as np
import pytest
import SimpleITK as sitk

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

from support.fake_result import SAMPLES, write_fake_result  # noqa: E402
from UncertainRegLib.results.maps import MAPS  # noqa: E402
from UncertainRegLib.results.reader import ResultError, ResultFolder  # noqa: E402
from UncertainRegLib.scene import display, worst  # noqa: E402
from UncertainRegLib.scene.colors import colors  # noqa: E402
from UncertainRegLib.scene.frames import lps_to_ras  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.legend import legend_of  # noqa: E402
from UncertainRegLib.scene.maps import window_of  # noqa: E402
from UncertainRegLib.scene.nodes import find_folder  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result, loading, update_result  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    return write_fake_result(tmp_path)


@pytest.fixture
def headless():
    with HeadlessScene() as headless:
        yield headless


def _edit(folder, change) -> None:
    path = folder / "result.json"
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(json.dumps(record), "utf-8")


def _file(folder, name) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / name)))


def _column(table, name) -> list:
    column = table.GetTable().GetColumnByName(name)
    return [column.GetValue(row) for row in range(column.GetNumberOfValues())]


# ---- maps


def test_map_values_are_exact_inside_the_body(folder, headless):
    result = load_result(folder, headless.scene)
    assert list(result.maps) == [
        "expected_error_mm",
        "uncertainty_mm",
        "axis_rl_mm",
        "label_entropy",
        "jacobian",
    ]
    assert result.warnings == []
    body = _file(folder, "fixed.nrrd") > 30
    for name, node in result.maps.items():
        array = slicer.util.arrayFromVolume(node)
        assert array.dtype == np.float32
        file = _file(folder, f"maps/{name}.nrrd")
        if name == "jacobian":  # its change in %
            np.testing.assert_allclose(array[body], 100 * (file[body] - 1), atol=1e-4)
        else:
            np.testing.assert_array_equal(array[body], file[body])
    assert np.isnan(array[0, 0, 0])  # air: no statement


def test_map_lies_on_the_fixed_image(folder, headless):
    result = load_result(folder, headless.scene)
    matrices = []
    for node in (result.fixed, result.maps["uncertainty_mm"]):
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        matrices.append(slicer.util.arrayFromVTKMatrix(matrix))
    np.testing.assert_allclose(*matrices)
    image = sitk.ReadImage(str(folder / "fixed.nrrd"))
    at = np.array(image.TransformIndexToPhysicalPoint((3, 5, 7)))
    np.testing.assert_allclose((matrices[0] @ [3, 5, 7, 1])[:3], lps_to_ras(at), atol=1e-6)


def test_mask_of_the_run_blanks_the_rest(folder, headless):
    fixed = sitk.ReadImage(str(folder / "fixed.nrrd"))
    mask = sitk.GetImageFromArray((_file(folder, "fixed.nrrd") > 80).astype(np.uint8))
    mask.CopyInformation(fixed)
    sitk.WriteImage(mask, str(folder / "mask.nrrd"))
    _edit(folder, lambda r: r["inputs"].update(fixed_mask={"file": str(folder / "mask.nrrd")}))
    result = load_result(folder, headless.scene)
    shown = ~np.isnan(slicer.util.arrayFromVolume(result.maps["uncertainty_mm"]))
    np.testing.assert_array_equal(shown, sitk.GetArrayFromImage(mask) > 0)


def test_places_that_leave_the_moving_image_are_blank(folder, headless):
    fixed = sitk.ReadImage(str(folder / "fixed.nrrd"))
    validity = np.ones(_file(folder, "fixed.nrrd").shape, np.float32)
    validity[:, :, 12:] = 0.4
    image = sitk.GetImageFromArray(validity)
    image.CopyInformation(fixed)
    sitk.WriteImage(image, str(folder / "maps/validity.nrrd"))
    _edit(
        folder,
        lambda r: r["maps"].update(
            validity={"file": "maps/validity.nrrd", "unit": "", "meaning": ""}
        ),
    )
    result = load_result(folder, headless.scene)
    shown = ~np.isnan(slicer.util.arrayFromVolume(result.maps["uncertainty_mm"]))
    assert shown[:, :, :12].any() and not shown[:, :, 12:].any()
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(result.maps["validity"]), validity)
    # Anatomy where nothing is known is hatched: bare, it would look like a hidden low value.
    lines = slicer.util.arrayFromVolume(result.unknown) > 0
    body = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "fixed.nrrd"))) > 0
    unknown = body & (validity < 0.5)
    assert not lines[~unknown].any() and 0.1 < lines[unknown].mean() < 0.6
    display.show_map(result)
    for view in display.slice_views(result.scene):
        assert view.GetLabelVolumeID() == result.unknown.GetID()
    rgba = np.ones(4)
    result.unknown.GetDisplayNode().GetColorNode().GetColor(0, rgba)
    assert rgba[3] == 0.0


def test_nothing_is_hatched_where_all_is_known(folder, headless):
    result = load_result(folder, headless.scene)
    assert result.unknown is None
    display.show_map(result)
    assert {view.GetLabelVolumeID() for view in display.slice_views(result.scene)} == {None}


def test_a_value_of_zero_is_not_drawn():
    values = np.zeros((8, 8, 8), np.float32)
    values[:2] = 0.6  # a label entropy: 0 but at the boundaries
    low, high, hidden = window_of(values, "label_entropy")
    assert low == 0.0 and high == pytest.approx(0.6, rel=0.05) and 0.0 < hidden < 0.01
    assert window_of(values, "validity") == (0.0, 1.0, 0.0)  # here 0 is what matters


def test_a_share_is_not_yellow_where_it_is_good():
    assert {MAPS[name].colours for name in ("validity", "correspondence_score")} == {"share"}
    few, all_of_them = colors("share")[[0, 255]].astype(int)
    assert few[0] > few[2] + 80 and all_of_them[2] > all_of_them[0] + 80  # orange, blue


def test_damaged_mask_is_a_warning(folder, headless):
    (folder / "mask.nrrd").write_bytes(b"NRRD0004\nnonsense")
    _edit(folder, lambda r: r["inputs"].update(fixed_mask={"file": str(folder / "mask.nrrd")}))
    result = load_result(folder, headless.scene)
    assert len(result.warnings) == 1 and "uncertainty_mm" in result.maps


def test_window_threshold_colors_and_legend(folder, headless):
    result = load_result(folder, headless.scene)
    node = result.maps["uncertainty_mm"]
    shown = node.GetDisplayNode()
    assert not shown.GetAutoWindowLevel()
    low, high = shown.GetWindowLevelMin(), shown.GetWindowLevelMax()
    assert low == 0.0 and 3.5 <= high <= 4.0  # the map's largest value is 4 mm
    assert shown.GetApplyThreshold()
    array = slicer.util.arrayFromVolume(node)
    hidden = np.mean(array[np.isfinite(array)] < shown.GetLowerThreshold())
    assert 0.35 < hidden < 0.65  # half of the body stays bare
    table = shown.GetColorNode()
    rgba = np.zeros(4)
    for index in (0, 100, 255):
        table.GetColor(index, rgba)
        np.testing.assert_allclose(rgba[:3] * 255, colors("inferno")[index], atol=0.6)
    legend = legend_of(node)
    assert legend.GetTitleText() == "Disagreement (mm)"
    assert legend.GetPrimaryDisplayNode() is shown
    assert not legend.GetVisibility()  # until its map is shown
    display.show_map(result, "uncertainty_mm")
    assert legend.GetVisibility()
    assert node.GetAttribute("UncertainReg.Unit") == "mm"
    entropy = result.maps["label_entropy"].GetDisplayNode()
    assert entropy.GetColorNode().GetName() == "UncertainReg viridis"
    jacobian = result.maps["jacobian"].GetDisplayNode()
    assert (jacobian.GetWindowLevelMin(), jacobian.GetWindowLevelMax()) == (-100.0, 100.0)


def test_maps_that_are_not_known_here_get_unit_and_meaning(folder, headless):
    _edit(
        folder,
        lambda r: r["maps"].update(
            {
                name: {"file": "maps/axis_rl_mm.nrrd", "unit": unit, "meaning": f"About {name}."}
                for name, unit in (("spread_mm", "mm"), ("widening_mm", "mm"), ("image_noise", ""))
            }
        ),
    )
    result = load_result(folder, headless.scene)
    titles = {
        name: legend_of(result.maps[name]).GetTitleText()
        for name in ("spread_mm", "widening_mm", "image_noise")
    }
    assert titles["spread_mm"] == "Intrinsic spread (mm)"
    assert titles["widening_mm"] == "Widening (mm)"
    assert titles["image_noise"].startswith("Image noise")
    assert result.maps["widening_mm"].GetDescription() == "About widening_mm."
    assert result.maps["widening_mm"].GetAttribute("UncertainReg.Unit") == "mm"


@pytest.mark.parametrize("name", ["inferno", "viridis"])
def test_color_tables_follow_matplotlib(name):
    matplotlib = pytest.importorskip("matplotlib")
    ends = (0.12, 0.97) if name == "inferno" else (0.0, 1.0)
    truth = matplotlib.colormaps[name](np.linspace(*ends, 256))[:, :3] * 255
    assert np.abs(truth - colors(name)).max() <= 4


def test_color_tables_are_made_once_per_scene(folder, headless):
    load_result(folder, headless.scene)
    count = headless.scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")
    load_result(folder, headless.scene)
    assert headless.scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode") == count


# ---- samples


def test_samples_are_a_sequence_without_skipping(folder, headless):
    result = load_result(folder, headless.scene)
    assert result.sample_sequence.GetNumberOfDataNodes() == SAMPLES
    browser = result.sample_browser
    assert browser.GetPlaybackRateFps() == 4.0
    assert not browser.GetPlaybackItemSkippingEnabled()
    assert browser.GetPlaybackLooped()
    assert not browser.GetPlaybackActive()
    assert not browser.GetSaveChanges(result.sample_sequence)
    item = result.sample_sequence.GetNthDataNode(3)
    assert float(item.GetAttribute("UncertainReg.LogWeight")) == pytest.approx(-0.3)


def test_selected_sample_moves_the_moving_nodes(folder, headless):
    result = load_result(folder, headless.scene)
    proxy = result.sample_transform
    for index in (2, 4, 0):
        display.show_sample(result, index)
        assert result.sample_browser.GetProxyNode(result.sample_sequence) is proxy
        array = slicer.util.arrayFromGridTransform(proxy)
        truth = _file(folder, f"samples/sample-{index:04d}.nrrd") * np.float32([-1, -1, 1])
        np.testing.assert_array_equal(array, truth)
        for node in (result.moving, result.moving_segmentation, result.moving_points):
            assert node.GetParentTransformNode() is proxy
    display.show_moving(result, "transform")
    assert result.moving.GetParentTransformNode() is result.transform
    display.show_moving(result, None)
    assert result.moving.GetParentTransformNode() is None


# ---- tables, landmarks


def test_label_table_has_columns_titles_and_units(folder, headless):
    table = load_result(folder, headless.scene).label_table
    assert table.GetLocked()
    assert table.GetUseColumnTitleAsColumnHeader()
    assert _column(table, "name") == ["Shell", "Core"]
    assert _column(table, "label") == [1, 2]
    assert _column(table, "u_p95_mm") == [3.5, 3.1]
    assert table.GetColumnUnitLabel("u_p95_mm") == "mm"
    assert table.GetColumnUnitLabel("volume_ml") == "mL"
    assert table.GetColumnUnitLabel("mean_entropy") == "nats"
    assert table.GetColumnTitle("volume_sd_ml") == "Volume, SD (mL)"
    assert table.GetColumnIndex("dice") == -1  # no structure has one
    record = json.loads((folder / "result.json").read_text("utf-8"))
    worst = [[_column(table, f"worst_voxel_lps_{axis}")[row] for axis in "ras"] for row in (0, 1)]
    np.testing.assert_allclose(
        worst, lps_to_ras([row["worst_voxel_lps"] for row in record["labels"]])
    )


def test_landmark_table_keeps_missing_values_apart(folder, headless):
    table = load_result(folder, headless.scene).landmark_table
    assert _column(table, "label") == ["apex", "base"]
    assert _column(table, "inside95") == ["yes", ""]
    tre = _column(table, "tre_mm")
    assert tre[0] == 1.2 and np.isnan(tre[1])
    assert _column(table, "axes_mm_1") == [5.6, 3.0]


def test_a_landmark_that_no_sample_carries_is_listed_and_not_drawn(folder, headless):
    names = ("mean_lps", "covariance_mm2", "axes_mm", "directions", "u_mm", "tre_mm", "inside95")
    _edit(folder, lambda r: r["landmarks"][1].update(dict.fromkeys(names), lost=16))
    result = load_result(folder, headless.scene)
    assert _column(result.landmark_table, "label") == ["apex", "base"]
    assert np.isnan([_column(result.landmark_table, n)[1] for n in ("u_mm", "mean_lps_r")]).all()
    assert result.landmarks.GetNumberOfControlPoints() == 1
    scalars = slicer.util.arrayFromModelPointData(result.ellipsoids, "u_mm")
    assert np.unique(scalars) == pytest.approx([2.29])
    assert result.moving_points.GetNumberOfControlPoints() == 2


def test_landmarks_are_drawn_in_the_fixed_space(folder, headless):
    result = load_result(folder, headless.scene)
    rows = json.loads((folder / "result.json").read_text("utf-8"))["landmarks"]
    points = slicer.util.arrayFromMarkupsControlPoints(result.landmarks)
    np.testing.assert_allclose(points, lps_to_ras([row["mean_lps"] for row in rows]), atol=1e-5)
    assert result.landmarks.GetParentTransformNode() is None
    assert result.landmarks.GetNthControlPointLabel(0) == "apex"
    assert result.landmarks.GetNthControlPointDescription(0) == "u = 2.29 mm"
    assert result.landmarks.GetLocked()


def test_ellipsoids_have_the_given_axes(folder, headless):
    result = load_result(folder, headless.scene)
    rows = json.loads((folder / "result.json").read_text("utf-8"))["landmarks"]
    points = slicer.util.arrayFromModelPoints(result.ellipsoids)
    scalars = slicer.util.arrayFromModelPointData(result.ellipsoids, "u_mm")
    for row in rows:
        mine = points[np.isclose(scalars, row["u_mm"])] - lps_to_ras(row["mean_lps"])
        for length, direction in zip(row["axes_mm"], lps_to_ras(row["directions"])):
            along = mine @ direction
            assert along.max() == pytest.approx(length, rel=0.02)  # a mesh of flat faces
            assert along.min() == pytest.approx(-length, rel=0.02)
        scaled = mine @ lps_to_ras(row["directions"]).T / row["axes_mm"]
        np.testing.assert_allclose((scaled**2).sum(-1), 1.0, atol=1e-4)
    shown = result.ellipsoids.GetDisplayNode()
    assert shown.GetActiveScalarName() == "u_mm" and shown.GetVisibility2D()


def test_segmentation_has_names_and_colors(folder, headless):
    segmentation = load_result(folder, headless.scene).moving_segmentation.GetSegmentation()
    names = [segmentation.GetNthSegment(i).GetName() for i in range(2)]
    assert names == ["Shell", "Core"]
    assert segmentation.GetNthSegment(1).GetColor() == (0.2, 0.8, 0.2)


# ---- run


def test_run_is_described_and_gathered_in_one_folder(folder, headless):
    result = load_result(folder, headless.scene)
    for node in (result.transform, result.maps["uncertainty_mm"], result.label_table):
        assert node.GetAttribute("UncertainReg.Method") == "equivariance"
        assert node.GetAttribute("UncertainReg.Backbone") == "demons"
        assert node.GetAttribute("UncertainReg.Seed") == "1"
        assert node.GetAttribute("UncertainReg.Samples") == f"{SAMPLES} of {SAMPLES}"
        assert node.GetAttribute("UncertainReg.Status") == "complete"
        assert json.loads(node.GetAttribute("UncertainReg.Parameters")) == {
            "perturbation": "deform",
            "settings": {},
        }
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(headless.scene)
    item = find_folder(headless.scene, result.run)
    assert tree.GetItemName(item) == "UncertainReg: fixed from moving (Demons (SimpleITK))"
    for node in (
        *result.maps.values(),
        result.transform,
        result.mean_transform,
        result.fixed,
        result.label_table,
        result.landmarks,
        result.ellipsoids,
        result.moving,
        result.sample_transform,
        result.moving_segmentation,
    ):
        assert tree.GetItemParent(tree.GetItemByDataNode(node)) == item


def test_results_are_found_again(folder, headless):
    first = load_result(folder, headless.scene)
    second = load_result(folder, headless.scene, map_names=["uncertainty_mm"])
    assert [found.run for found in find_results(headless.scene)] == [first.run, second.run]
    found = find_results(headless.scene)[0]
    found.warnings = first.warnings
    assert found == first
    assert set(second.maps) == {"uncertainty_mm"}


def test_nodes_of_the_user_are_used_and_left_alone(folder, headless):
    scene = headless.scene
    fixed = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    moving = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MR")
    for node, name in ((fixed, "fixed"), (moving, "moving")):
        slicer.util.updateVolumeFromArray(node, _file(folder, f"{name}.nrrd"))
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Mine")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    before = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    given = {
        "fixed": fixed,
        "moving": moving,
        "moving_segmentation": segmentation,
        "moving_points": points,
    }
    result = load_result(folder, scene, given)
    assert (result.fixed, result.moving) == (fixed, moving)
    assert (result.moving_segmentation, result.moving_points) == (segmentation, points)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before + len(result.maps)
    assert moving.GetParentTransformNode() is result.transform
    assert moving.GetAttribute("UncertainReg.Run") is None


def _moved_by_the_user(scene, folder, class_name: str):
    moving = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MR")
    slicer.util.updateVolumeFromArray(moving, _file(folder, "moving.nrrd"))
    couch = scene.AddNewNodeByClass(class_name, "Couch")
    moving.SetAndObserveTransformNodeID(couch.GetID())
    return moving, couch


def test_a_linear_transform_of_the_user_stays_between(folder, headless):
    scene = headless.scene
    moving, couch = _moved_by_the_user(scene, folder, "vtkMRMLLinearTransformNode")
    result = load_result(folder, scene, {"moving": moving})
    assert result.warnings == []
    assert moving.GetParentTransformNode() is couch
    for under in ("transform", "sample_transform", "transform"):
        display.show_moving(result, under)
        assert couch.GetParentTransformNode() is getattr(result, under)
    display.show_moving(result, None)
    assert couch.GetParentTransformNode() is None
    assert moving.GetParentTransformNode() is couch


def test_a_transform_that_deforms_or_holds_the_fixed_image_is_left_alone(folder, headless):
    scene = headless.scene
    moving, warp = _moved_by_the_user(scene, folder, "vtkMRMLBSplineTransformNode")
    result = load_result(folder, scene, {"moving": moving})
    assert warp.GetParentTransformNode() is None
    assert len(result.warnings) == 1 and "Couch" in result.warnings[0]
    moving, couch = _moved_by_the_user(scene, folder, "vtkMRMLLinearTransformNode")
    fixed = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(fixed, _file(folder, "fixed.nrrd"))
    fixed.SetAndObserveTransformNodeID(couch.GetID())
    result = load_result(folder, scene, {"fixed": fixed, "moving": moving})
    assert couch.GetParentTransformNode() is None and len(result.warnings) == 1


def test_second_run_takes_the_moving_image_over(folder, headless):
    first = load_result(folder, headless.scene)
    second = load_result(folder, headless.scene, {"fixed": first.fixed, "moving": first.moving})
    assert second.warnings == []
    assert first.moving.GetParentTransformNode() is second.transform


def test_the_fixed_image_leaves_the_transform_of_an_earlier_run(folder, headless):
    scene = headless.scene
    first = load_result(folder, scene)
    second = load_result(folder, scene, {"fixed": first.moving, "moving": first.fixed})
    assert second.moving.GetParentTransformNode() is second.transform
    for node in (second.fixed, first.moving_segmentation, first.moving_points):
        assert node.GetParentTransformNode() is None  # all of it is of the fixed image now
    display.show_moving(first, "sample_transform")  # and back to the first run
    assert first.fixed.GetParentTransformNode() is None
    for node in (first.moving, first.moving_segmentation, first.moving_points):
        assert node.GetParentTransformNode() is first.sample_transform
    moving, couch = _moved_by_the_user(scene, folder, "vtkMRMLLinearTransformNode")
    third = load_result(folder, scene, {"moving": moving})
    assert couch.GetParentTransformNode() is third.transform
    load_result(folder, scene, {"fixed": moving})
    assert couch.GetParentTransformNode() is None
    assert moving.GetParentTransformNode() is couch


# ---- incomplete and bad folders


def test_partial_result_without_optional_parts(folder, headless):
    def strip(record):
        record.update(status="partial", labels=[], landmarks=[], mean_transform=None)
        record["inputs"].pop("moving_labels")
        record["samples"].update(files=[], log_weights=[], finished=0)
        record["maps"] = {"uncertainty_mm": record["maps"]["uncertainty_mm"]}

    _edit(folder, strip)
    result = load_result(folder, headless.scene)
    assert result.warnings == []
    assert set(result.maps) == {"uncertainty_mm"}
    for part in (
        "mean_transform",
        "sample_browser",
        "label_table",
        "landmark_table",
        "landmarks",
        "ellipsoids",
        "moving_segmentation",
        "moving_points",
    ):
        assert getattr(result, part) is None
    with pytest.raises(ValueError, match="no samples"):
        display.show_sample(result, 0)


def test_missing_and_damaged_files_are_warnings(folder, headless):
    (folder / "maps/jacobian.nrrd").unlink()
    (folder / "maps/label_entropy.nrrd").write_bytes(b"NRRD0004\nnonsense")
    (folder / "samples/sample-0001.nrrd").write_bytes(b"NRRD0004\nnonsense")
    (folder / "moving.nrrd").unlink()
    result = load_result(folder, headless.scene)
    assert set(result.maps) == {"expected_error_mm", "uncertainty_mm", "axis_rl_mm"}
    assert result.moving is None and result.fixed is not None
    assert result.sample_sequence.GetNumberOfDataNodes() == SAMPLES - 1
    assert len(result.warnings) == 4
    for name in ("jacobian", "label_entropy", "sample-0001", "moving.nrrd"):
        assert any(name in warning for warning in result.warnings)


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "no result.json"),
        ("{", "damaged"),
        ('{"schema": "uncertainreg-result/7"}', "'uncertainreg-result/7'.*update"),
        ("[]", "schema None"),
    ],
)
def test_what_is_no_result_is_refused_in_one_sentence(tmp_path, headless, text, message):
    if text is not None:
        (tmp_path / "result.json").write_text(text, "utf-8")
    before = headless.scene.GetNumberOfNodes()
    with pytest.raises(ResultError, match=message) as error:
        load_result(tmp_path, headless.scene)
    assert "\n" not in str(error.value)
    assert headless.scene.GetNumberOfNodes() == before


# ---- live refinement


def _ids(scene) -> list[str]:
    return [scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())]


def test_update_keeps_nodes_and_what_the_user_set(tmp_path, headless):
    folder = write_fake_result(tmp_path, seed=1)
    result = load_result(folder, headless.scene)
    display.set_threshold(result, "uncertainty_mm", 2.5)
    result.sample_browser.SetSelectedItemNumber(3)
    result.maps["uncertainty_mm"].SetName("My map")
    before = _ids(headless.scene)
    old = slicer.util.arrayFromVolume(result.maps["uncertainty_mm"]).copy()

    write_fake_result(tmp_path, seed=2)
    path = folder / "maps/uncertainty_mm.nrrd"
    image = sitk.ReadImage(str(path))
    sitk.WriteImage(image * 0.5, str(path))
    _edit(folder, lambda r: r["labels"][0].update(u_p95_mm=9.0))
    updated = update_result(result, folder)

    assert _ids(headless.scene) == before
    new = slicer.util.arrayFromVolume(updated.maps["uncertainty_mm"])
    np.testing.assert_array_equal(new, old * np.float32(0.5))  # and blank where it was blank
    assert updated.maps["uncertainty_mm"].GetDisplayNode().GetLowerThreshold() == 2.5
    assert updated.maps["uncertainty_mm"].GetName() == "My map"
    assert _column(updated.label_table, "u_p95_mm")[0] == 9.0
    assert updated.sample_browser.GetSelectedItemNumber() == 3
    shown = slicer.util.arrayFromGridTransform(updated.sample_transform)
    truth = _file(folder, "samples/sample-0003.nrrd") * np.float32([-1, -1, 1])
    np.testing.assert_array_equal(shown, truth)


def test_window_follows_the_values_until_the_user_sets_it(folder, headless):
    result = load_result(folder, headless.scene)
    shown = result.maps["uncertainty_mm"].GetDisplayNode()
    image = sitk.ReadImage(str(folder / "maps/uncertainty_mm.nrrd"))

    def scale(factor):
        sitk.WriteImage(image * factor, str(folder / "maps/uncertainty_mm.nrrd"))
        update_result(result, folder)
        return shown.GetWindowLevelMax(), shown.GetLowerThreshold()

    top, floor = scale(1.0)
    assert scale(2.0) == pytest.approx((2 * top, 2 * floor), rel=0.06)
    shown.SetWindowLevelMinMax(0.0, 5.0)
    assert scale(3.0) == pytest.approx((5.0, 3 * floor), rel=0.06)
    display.set_threshold(result, "uncertainty_mm", 1.25)
    assert scale(0.5) == (5.0, 1.25)


def test_snapshot_that_was_replaced_meanwhile_is_read_anew(folder, headless, monkeypatch):
    # the worker writes snapshot 2 and removes snapshot 1 after its result.json has been read
    (folder / "maps/uncertainty_mm.nrrd").rename(folder / "maps/new.nrrd")
    text = (folder / "result.json").read_text("utf-8")
    read = ResultFolder.file

    def file(self, name):
        newer = text.replace("maps/uncertainty_mm.nrrd", "maps/new.nrrd")
        (folder / "result.json").write_text(newer, "utf-8")
        return read(self, name)

    monkeypatch.setattr(ResultFolder, "file", file)
    result = load_result(folder, headless.scene)
    assert result.warnings == [] and "uncertainty_mm" in result.maps


def test_live_samples_arrive_one_by_one(tmp_path, headless):
    result = load_result(
        write_fake_result(tmp_path, samples=2, status="partial"),
        headless.scene,
        map_names=["uncertainty_mm"],
    )
    browser = result.sample_browser
    display.show_sample(result, 1)
    for count in range(3, SAMPLES + 1):
        folder = write_fake_result(tmp_path, samples=count, status="partial")
        result = update_result(result, folder, map_names=["uncertainty_mm"])
        assert result.sample_sequence.GetNumberOfDataNodes() == count
        assert result.sample_browser is browser and browser.GetSelectedItemNumber() == 1
        assert result.moving.GetParentTransformNode() is result.sample_transform
        assert result.transform.GetAttribute("UncertainReg.Samples") == f"{count} of {SAMPLES}"
    assert set(result.maps) == {"uncertainty_mm"}
    assert set(update_result(result, folder).maps) > {"uncertainty_mm", "label_entropy"}


def test_unchanged_files_are_not_read_again(folder, headless):
    result = load_result(folder, headless.scene)
    node = result.maps["uncertainty_mm"]
    slicer.util.arrayFromVolume(node)[:] = -1.0
    update_result(result, folder)
    assert (slicer.util.arrayFromVolume(node) == -1.0).all()
    os.utime(folder / "maps/uncertainty_mm.nrrd", (1, 1))
    update_result(result, folder)
    assert slicer.util.arrayFromVolume(node).max() > 3.0


def test_a_transform_is_modified_once_and_only_where_something_changed(folder, headless):
    """Whatever hangs below it is drawn anew each time."""
    result = load_result(folder, headless.scene)
    nodes, modified = [result.transform, *result.maps.values()], []
    for node in nodes:
        node.AddObserver("ModifiedEvent", lambda caller, _event: modified.append(caller))
    update_result(result, folder)
    assert modified == []
    _edit(folder, lambda record: record.update(seed=7, method="other", warnings=["One."]))
    update_result(result, folder)
    assert sorted(map(id, modified)) == sorted(map(id, nodes))
    assert result.transform.GetAttribute("UncertainReg.Seed") == "7"


def test_a_loading_that_is_given_up_leaves_nothing(folder, headless):
    before = headless.scene.GetNumberOfNodes()
    steps = loading(folder, headless.scene)
    for _ in range(6):
        next(steps)
    assert headless.scene.GetNumberOfNodes() > before
    steps.close()
    assert find_results(headless.scene) == []


def test_deleted_transform_comes_back_with_its_inputs(folder, headless):
    result = load_result(folder, headless.scene)
    fixed, moving = result.fixed, result.moving
    headless.scene.RemoveNode(result.transform)
    headless.scene.RemoveNode(result.moving_points)
    assert moving.GetParentTransformNode() is None
    result = update_result(result, folder, map_names=["uncertainty_mm"])
    assert (result.fixed, result.moving) == (fixed, moving) and result.warnings == []
    assert result.moving_points.GetNumberOfControlPoints() == 2  # read back from its file
    for node in (result.moving, result.moving_segmentation, result.moving_points):
        assert node.GetParentTransformNode() is result.transform
    assert result.transform.GetTransformFromParentAs("vtkOrientedGridTransform", False)


def test_deleted_map_comes_back(folder, headless):
    result = load_result(folder, headless.scene)
    headless.scene.RemoveNode(result.maps["axis_rl_mm"])
    result = update_result(result, folder)
    assert result.maps["axis_rl_mm"].GetDisplayNode() is not None


# ---- views


def test_show_map_sets_layers_in_all_slices(folder, headless):
    result = load_result(folder, headless.scene)
    composite = headless.slices["Yellow"].GetSliceCompositeNode()
    assert composite.GetForegroundVolumeID() is None  # loading leaves the views alone
    display.show_map(result, "label_entropy", 0.4)
    for logic in headless.slices.values():
        composite = logic.GetSliceCompositeNode()
        assert composite.GetBackgroundVolumeID() == result.fixed.GetID()
        assert composite.GetForegroundVolumeID() == result.maps["label_entropy"].GetID()
        assert composite.GetForegroundOpacity() == 0.4
    display.set_opacity(result, 0.9)
    assert composite.GetForegroundOpacity() == 0.9
    with pytest.raises(ValueError, match="no map 'spread'"):
        display.show_map(result, "spread")


@pytest.mark.parametrize("expected", [True, False])
def test_the_map_shown_unasked_is_the_expected_error_else_the_disagreement(
    tmp_path, headless, expected
):
    folder = write_fake_result(tmp_path / "result", expected=expected)
    result = load_result(folder, headless.scene)
    display.show_map(result)
    composite = headless.slices["Yellow"].GetSliceCompositeNode()
    name = "expected_error_mm" if expected else "uncertainty_mm"
    assert composite.GetForegroundVolumeID() == result.maps[name].GetID()
    assert ("expected_error_mm" in result.maps) is expected
    (found,) = find_results(headless.scene)
    assert (found.expected_error is not None) is expected


def test_worst_point_is_that_of_the_worst_structure(folder, headless):
    result = load_result(folder, headless.scene)
    record = json.loads((folder / "result.json").read_text("utf-8"))
    expected = lps_to_ras(record["labels"][0]["worst_voxel_lps"])
    np.testing.assert_allclose(worst.worst_point(result), expected)
    headless.scene.RemoveNode(result.label_table)
    result.label_table = None
    np.testing.assert_allclose(worst.worst_point(result), expected, atol=1e-4)
    display.jump_to(headless.scene, expected)
    node = headless.slices["Red"].GetSliceNode()
    assert node.GetSliceOffset() == pytest.approx(expected[2], abs=1e-6)
