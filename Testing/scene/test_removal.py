"""A run taken out of the scene leaves nothing behind."""

import pytest

from support.fake_result import write_fake_result

slicer = pytest.importorskip("slicer")

from UncertainRegLib.scene import arrows, axes, display, legend, log_colors, probe, surfaces, sweep  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.removal import remove_leftovers, remove_result  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result  # noqa: E402


@pytest.fixture
def headless():
    with HeadlessScene() as scene:
        yield scene


def nodes_in(scene) -> list[str]:
    found = scene.GetNodes()
    items = [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
    return sorted(f"{node.GetClassName()} {node.GetName()}" for node in items)


def folders_in(scene) -> int:
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    return tree.GetNumberOfItems()


def with_all(result) -> None:
    """Everything that a user can ask for."""
    display.show_map(result)
    display.show_map(result, "uncertainty_mm")
    log_colors.set_log(result.maps["uncertainty_mm"], True)
    legend.refresh_legends(result.scene)
    arrows.show_arrows(result)
    display.show_moving(result, "sample_transform")
    surfaces.show_surfaces(result, "Core")
    axes.show_axes(result)
    sweep.add_sweep(result)
    sweep.add_difference(result, 0, 1)
    center = [0.0] * 6
    result.fixed.GetRASBounds(center)
    point = [(center[2 * a] + center[2 * a + 1]) / 2 for a in range(3)]
    reading = probe.Probe(result).read(point)
    probe.show_ellipsoid(result, reading)
    probe.pin(result, reading, "all of it")


def test_a_removed_result_leaves_nothing(headless, tmp_path):
    scene = headless.scene
    load_result(write_fake_result(tmp_path / "warm up"), scene)  # nodes made once a scene
    remove_result(find_results(scene)[0])
    before, items = nodes_in(scene), folders_in(scene)
    load_result(write_fake_result(tmp_path / "result"), scene)
    with_all(find_results(scene)[0])
    remove_result(find_results(scene)[0])
    assert nodes_in(scene) == before
    assert folders_in(scene) == items and not find_results(scene)
    for view in display.slice_views(scene):
        assert view.GetForegroundVolumeID() is None


def test_the_inputs_of_the_user_stay_where_they_were(headless, tmp_path):
    scene = headless.scene
    first = load_result(write_fake_result(tmp_path / "first"), scene)
    given = {"fixed": first.fixed, "moving": first.moving}
    second = load_result(write_fake_result(tmp_path / "second"), scene, given)
    assert first.moving.GetParentTransformNode() is second.transform
    remove_result(first)
    assert second.moving.GetParentTransformNode() is second.transform
    assert find_results(scene)[0].moving is first.moving and len(find_results(scene)) == 1
    remove_result(second)
    assert first.moving.GetScene() is scene and first.moving.GetParentTransformNode() is None


def test_what_is_left_of_a_deleted_folder_goes_too(headless, tmp_path):
    scene = headless.scene
    load_result(write_fake_result(tmp_path / "warm up"), scene)
    remove_result(find_results(scene)[0])
    before = nodes_in(scene)
    result = load_result(write_fake_result(tmp_path / "result"), scene)
    with_all(find_results(scene)[0])
    fixed = result.fixed.GetName()
    for node in find_results(scene)[0].all_nodes():  # as the data tree does
        if not node.GetClassName().startswith("vtkMRMLSequence") and node is not result.fixed:
            scene.RemoveNode(node)
    assert not find_results(scene)
    assert remove_leftovers(scene) == [str(tmp_path / "result")]
    helpers = ("Display", "Storage", "ColorTable")  # whoever deletes a node in the tree keeps them
    left = [one for one in nodes_in(scene) if one not in before]
    left = [one for one in left if not any(word in one for word in helpers)]
    assert left == [f"vtkMRMLScalarVolumeNode {fixed}"]


def test_a_result_that_cannot_be_read_leaves_nothing(headless, tmp_path, monkeypatch):
    from UncertainRegLib.scene import result

    scene, before = headless.scene, nodes_in(headless.scene)

    def broken(*arguments):
        raise KeyError("nobody foresaw it")

    monkeypatch.setattr(result, "_fill_samples", broken)
    with pytest.raises(KeyError):
        load_result(write_fake_result(tmp_path / "result"), scene)
    assert nodes_in(scene) == before
