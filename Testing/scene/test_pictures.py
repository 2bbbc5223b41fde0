"""Pictures drawn by Slicer's own view code: not empty, as before, and sensitive to what matters.

``UPDATE_PICTURES=1 pytest Testing/scene/test_pictures.py`` writes the references anew.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support import ROOT

slicer = pytest.importorskip("slicer")
PIL_Image = pytest.importorskip("PIL.Image")

from support.fake_result import SAMPLES, write_fake_result  # noqa: E402
from UncertainRegLib.scene import display, views  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.legend import legend_of  # noqa: E402
from UncertainRegLib.scene.pictures import Panel  # noqa: E402
from UncertainRegLib.scene.result import load_result  # noqa: E402

REFERENCES = Path(__file__).parent / "pictures"
SAME = 0.01  # share of visibly different pixels that fonts and drivers may explain


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """(panel, result) of the fake result, in small views."""
    try:
        views.check_opengl()
    except views.NoOpenGLError as error:
        pytest.skip(str(error))
    folder = write_fake_result(tmp_path_factory.mktemp("result"))
    with HeadlessScene() as headless:
        panel = Panel(headless, size=240)
        yield panel, load_result(folder, headless.scene)


def _changed(one: np.ndarray, two: np.ndarray) -> float:
    """Share of pixels with a channel that differs by more than 16 of 255."""
    return float((np.abs(one.astype(int) - two.astype(int)).max(-1) > 16).mean())


def _check_against_reference(picture: np.ndarray, name: str) -> None:
    path = REFERENCES / name
    if os.environ.get("UPDATE_PICTURES"):
        REFERENCES.mkdir(exist_ok=True)
        PIL_Image.fromarray(picture).save(path, optimize=True)
    reference = np.asarray(PIL_Image.open(path).convert("RGB"))
    assert picture.shape == reference.shape
    assert _changed(picture, reference) < SAME


def test_picture_of_a_result(scene, tmp_path):
    panel, result = scene
    panel.save_picture(result, tmp_path / "panel.png")
    picture = np.asarray(PIL_Image.open(tmp_path / "panel.png"))
    for index in range(4):  # three slices and the ellipsoids
        part = picture[:, index * 244 : index * 244 + 240]
        assert (part.max(-1) > 60).mean() > 0.05
        assert part.std() > 10
    _check_against_reference(picture, "panel.png")


def test_picture_notices_what_a_person_would(scene):
    panel, result = scene
    view = panel.slices[0]
    display.show_map(result, "uncertainty_mm", 0.6)
    panel._go_to(result, None)
    before = view.pixels()
    assert _changed(view.pixels(), before) == 0.0
    shown = result.maps["uncertainty_mm"].GetDisplayNode()
    legend = legend_of(result.maps["uncertainty_mm"])
    segments = result.moving_segmentation.GetDisplayNode()
    threshold = shown.GetLowerThreshold()

    changes = {
        "opacity": (
            lambda: display.set_opacity(result, 0.3),
            lambda: display.set_opacity(result, 0.6),
        ),
        "threshold": (
            lambda: display.set_threshold(result, "uncertainty_mm", threshold + 0.7),
            lambda: display.set_threshold(result, "uncertainty_mm", threshold),
        ),
        "legend": (lambda: legend.SetVisibility(False), lambda: legend.SetVisibility(True)),
        "outlines": (lambda: segments.SetVisibility(False), lambda: segments.SetVisibility(True)),
        "window": (
            lambda: shown.SetWindowLevelMinMax(0, 8),
            lambda: shown.SetWindowLevelMinMax(0, 3.9),
        ),
        "sample": (
            lambda: display.show_sample(result, 2),
            lambda: display.show_moving(result, "transform"),
        ),
    }
    low, high = shown.GetWindowLevelMin(), shown.GetWindowLevelMax()
    changes["window"] = (changes["window"][0], lambda: shown.SetWindowLevelMinMax(low, high))
    for name, (change, restore) in changes.items():
        change()
        assert _changed(view.pixels(), before) > 0.01, name
        restore()
        assert _changed(view.pixels(), before) == 0.0, name


def test_other_map_brings_its_own_legend(scene):
    panel, result = scene
    view = panel.slices[0]
    pictures = []
    for name in ("uncertainty_mm", "label_entropy", "uncertainty_mm"):
        display.show_map(result, name, 0.6)
        panel._go_to(result, None)
        pictures.append(view.pixels())
    assert _changed(pictures[0], pictures[1]) > 0.05
    assert _changed(pictures[0], pictures[2]) == 0.0  # the other legend is gone


def test_animation_has_a_frame_per_sample(scene, tmp_path):
    panel, result = scene
    panel.save_animation(result, tmp_path / "samples.gif")
    animation = PIL_Image.open(tmp_path / "samples.gif")
    assert animation.n_frames == SAMPLES
    assert animation.info["duration"] == 250
    frames = []
    for index in range(SAMPLES):
        animation.seek(index)
        frames.append(np.asarray(animation.convert("RGB")))
    for one, two in itertools.pairwise(frames):
        assert 0.002 < _changed(one, two) < 0.3  # the balls move, the rest does not
    assert result.moving.GetParentTransformNode() is result.transform


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY")),
    reason="only Linux without a display can hide its OpenGL from the library",
)
def test_missing_opengl_is_one_sentence():
    code = (
        "from UncertainRegLib.scene.headless import HeadlessScene\n"
        "from UncertainRegLib.scene.pictures import Panel\n"
        "Panel(HeadlessScene())\n"
    )
    hidden = dict(os.environ, __EGL_VENDOR_LIBRARY_FILENAMES="/dev/null")
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=hidden,
        cwd=ROOT,
    )
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert "NoOpenGLError: No picture can be drawn" in last and "libegl1" in last
