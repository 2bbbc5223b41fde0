"""A scene saved as .mrb and read in another process is the same scene."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")

from support import scene_facts  # noqa: E402
from support.fake_result import write_fake_result  # noqa: E402
from UncertainRegLib.scene import display  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_bundle  # noqa: E402
from UncertainRegLib.scene.frames import grid_of, lps_to_ras  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result, update_result  # noqa: E402


def test_a_scene_that_cannot_be_written_leaves_nothing(tmp_path):
    class Scene:
        def WriteToMRB(self, name):
            Path(name).write_bytes(b"half")
            (Path(name).parent / "_tmp").mkdir()
            return False

    (tmp_path / "old.mrb").write_bytes(b"whole")
    (tmp_path / "folder.mrb").mkdir()
    for name in ("scene.mrb", "old.mrb", "gone/scene.mrb", "folder.mrb"):
        with pytest.raises(OSError, match=r"\.mrb: the scene could not be written"):
            write_bundle(Scene(), tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.mrb", "old.mrb"]
    assert (tmp_path / "old.mrb").read_bytes() == b"whole"


@pytest.mark.parametrize("left_handed", [False, True], ids=["oblique", "left-handed"])
def test_everything_survives_in_a_fresh_process(tmp_path, left_handed):
    folder = write_fake_result(tmp_path / "result", left_handed=left_handed)
    with HeadlessScene() as headless:
        result = load_result(folder, headless.scene)
        display.show_map(result, "uncertainty_mm", 0.7)
        display.show_sample(result, 3)
        before = json.loads(json.dumps([scene_facts.facts(result, headless)]))
        write_bundle(headless.scene, tmp_path / "scene.mrb")
    read = subprocess.run(
        [sys.executable, str(Path(scene_facts.__file__)), str(tmp_path / "scene.mrb")],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    after = json.loads(read.stdout.splitlines()[-1])
    assert after[0].keys() == before[0].keys()
    for part in before[0]:
        assert after[0][part] == before[0][part], part


@pytest.mark.parametrize("left_handed", [False, True], ids=["oblique", "left-handed"])
def test_reloaded_run_still_works_without_and_with_its_folder(tmp_path, left_handed):
    folder = write_fake_result(tmp_path / "result", left_handed)
    with HeadlessScene() as headless:
        load_result(folder, headless.scene)
        write_bundle(headless.scene, tmp_path / "scene.mrb")
    with HeadlessScene() as headless:
        read_bundle(tmp_path / "scene.mrb", headless.scene)
        (result,) = find_results(headless.scene)
        proxy = result.sample_transform
        for index in (4, 1):
            display.show_sample(result, index)
            (result,) = find_results(headless.scene)
            assert result.sample_transform is proxy
            assert result.moving.GetParentTransformNode() is proxy
        display.show_moving(result, "transform")
        nodes = headless.scene.GetNumberOfNodes()
        blank = _blank_points(result)
        write_fake_result(tmp_path / "result", left_handed, seed=5)
        assert update_result(result, folder).warnings == []
        assert headless.scene.GetNumberOfNodes() == nodes
        np.testing.assert_allclose(_blank_points(result), blank, atol=1e-3)


def _blank_points(result) -> np.ndarray:
    """Mean RAS position of the blank voxels of the map."""
    node = result.maps["uncertainty_mm"]
    index = np.argwhere(np.isnan(slicer.util.arrayFromVolume(node)))[:, ::-1].mean(0)
    return lps_to_ras(grid_of(node).to_world(index))


def test_bundle_errors_name_the_file(tmp_path):
    with HeadlessScene() as headless:
        (tmp_path / "bad.mrb").write_text("no zip", "utf-8")
        with pytest.raises(OSError, match=r"scene\.mrb.*could not be written"):
            write_bundle(headless.scene, tmp_path / "bad.mrb" / "scene.mrb")
        with pytest.raises(OSError, match=r"bad\.mrb.*is not a \.mrb"):
            read_bundle(tmp_path / "bad.mrb", headless.scene)


def test_many_scenes_in_one_process(tmp_path):
    folder = write_fake_result(tmp_path)
    of_the_process = getattr(slicer, "mrmlScene", None)
    with HeadlessScene() as first, HeadlessScene() as second:
        one, two = load_result(folder, first.scene), load_result(folder, second.scene)
        assert one.run != two.run
        assert find_results(first.scene)[0].run == one.run
        display.show_sample(one, 2)
        assert two.sample_browser.GetSelectedItemNumber() == 0
    assert getattr(slicer, "mrmlScene", None) is of_the_process
