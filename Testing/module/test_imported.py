"""A saved scene that is loaded before anybody opens the module."""

import numpy as np
import pytest

from support.fake_result import write_fake_result


def test_its_legend_is_logarithmic_and_its_fields_are_linear(module, host, tmp_path):
    import slicer
    from UncertainRegParts.imported import followScene

    from UncertainRegLib.scene import display, nodes
    from UncertainRegLib.scene.bundle import read_bundle, write_bundle
    from UncertainRegLib.scene.legend import legend_of
    from UncertainRegLib.scene.result import load_result

    scene, node = slicer.mrmlScene, "map:expected_error_mm"
    result = load_result(write_fake_result(tmp_path / "result"), scene)
    display.show_map(result)
    display.color_by_log(result, "expected_error_mm", True)
    point = np.array(slicer.util.arrayFromMarkupsControlPoints(result.landmarks)[0])
    moved = result.transform.GetTransformFromParent().TransformPoint(point)
    write_bundle(scene, tmp_path / "scene.mrb")
    scene.Clear()
    assert followScene in slicer.app.at_startup
    followScene()
    try:
        read_bundle(tmp_path / "scene.mrb", scene)
    finally:
        scene.RemoveObservers(scene.EndImportEvent)
    legend = legend_of(nodes.find(scene, result.run, node))
    table = legend.GetPrimaryDisplayNode().GetColorNode().GetLookupTable()
    assert table.UsingLogScale() and legend.GetNumberOfLabels() == 3 and legend.GetVisibility()
    transform = nodes.find(scene, result.run, "transform")
    again = transform.GetTransformFromParent().TransformPoint(point)
    assert again == pytest.approx(moved, abs=1e-4)
