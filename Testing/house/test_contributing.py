"""The recipes of CONTRIBUTING.md: each example is added to a copy of the library and used."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from support import ROOT
from support.phantoms import textured
from UncertainRegLib.geometry import Grid, Image, write_image

EXAMPLE = re.compile(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHANGE = re.compile(
    r"^In `(\S+\.py)`, after\n`([^`]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES, CHANGES = dict(EXAMPLE.findall(TEXT)), CHANGE.findall(TEXT)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the product with the examples in it, and two images beside."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("UncertainReg", "UncertainRegLib"):
        shutil.copytree(
            ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "log.jsonl")
        )
    for file, text in EXAMPLES.items():
        assert not (folder / file).exists(), f"{file} is there already"
        (folder / file).write_text(text, encoding="utf-8")
    for file, line, added in CHANGES:
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(f"{line}\n") == 1, f"{file} has that line {text.count(line)} times"
        (folder / file).write_text(text.replace(f"{line}\n", f"{line}\n{added}"), "utf-8")
    for name, x in (("fixed", 0.0), ("moving", 3.0)):
        grid = Grid.from_spacing((12, 14, 16), (2.0, 2.0, 2.0), (x, 0, 0))
        write_image(textured(grid), folder / f"{name}.nrrd")
    labels = np.zeros(grid.shape, np.uint8)
    labels[4:8, 4:9, 5:11] = 1
    write_image(Image(labels, grid), folder / "labels.nrrd")
    return folder


def python(copy: Path, *arguments: str) -> str:
    """What Python says with the copy on its path."""
    path = os.pathsep.join([str(copy), str(ROOT / "Testing")])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(copy: Path, out: str, *options: str) -> dict:
    python(
        copy,
        "-m",
        "UncertainRegLib",
        "run",
        "--fixed",
        "fixed.nrrd",
        "--moving",
        "moving.nrrd",
        "--out",
        out,
        "--samples",
        "3",
        "--progress",
        "none",
        *options,
    )
    return json.loads((copy / out / "result.json").read_text(encoding="utf-8"))


def test_there_is_an_example_of_each():
    assert {Path(file).parent.name for file in EXAMPLES} == {
        "backbones",
        "perturbations",
        "samplers",
        "studies",
    }
    assert [Path(file).name for file, _, _ in CHANGES] == [
        "products.py",
        "maps.py",
        "label_table.py",
        "columns.py",
    ]


def test_they_are_listed(copy):
    lines = [
        line.split()[0]
        for words in ("backbones", "methods")
        for line in python(copy, "-m", "UncertainRegLib", words, "list").splitlines()
        if line.strip()
    ]
    assert {"centres", "noise"} <= set(lines)
    assert "slide" in python(copy, "-m", "UncertainRegLib", "run", "--help")
    assert "followed" in python(copy, "-m", "UncertainRegLib", "evaluate", "--help")


def test_a_backbone_and_a_perturbation(copy):
    record = run(copy, "slide", "--backbone", "centres", "--perturbation", "slide")
    assert record["status"] == "complete" and record["backbone"]["title"] == "Centres of mass"
    assert [status["family"] for status in record["samples"]["status"]] == ["slide"] * 3


def test_a_way_of_sampling_with_a_setting(copy):
    record = run(
        copy,
        "noise",
        "--backbone",
        "centres",
        "--method",
        "noise",
        "--parameters",
        '{"method": {"share": 0.2}}',
    )
    assert record["status"] == "complete" and record["method"] == "noise"
    assert record["samples"]["finished"] == 3 and record["parameters"]["perturbation"] is None


def test_a_map_and_a_column(copy):
    record = run(copy, "offset", "--backbone", "centres", "--moving-labels", "labels.nrrd")
    entry = record["maps"]["offset_mm"]
    assert (copy / "offset" / entry["file"]).is_file()
    assert (entry["unit"], entry["meaning"].split()[0]) == ("mm", "distance")
    assert [row["boundary_voxels"] > 0 for row in record["labels"]] == [True]


SCENE = """
from UncertainRegLib.scene.headless import HeadlessScene
from UncertainRegLib.scene.result import load_result
with HeadlessScene() as headless:
    result = load_result("scene", headless.scene)
    assert "offset_mm" in result.maps
    table = result.label_table.GetTable()
    assert table.GetColumnByName("boundary_voxels").GetValue(0) > 0
"""


@pytest.mark.skipif(not find_spec("slicer"), reason="needs slicer-core")
def test_a_scene_shows_them(copy):
    run(copy, "scene", "--backbone", "centres", "--moving-labels", "labels.nrrd")
    python(copy, "-c", SCENE)


def test_a_study(copy):
    asked = ["evaluate", "followed", "--image", "fixed.nrrd", "--out", "study", "--warps", "1"]
    asked = ["-m", "UncertainRegLib", *asked, "--backbone", "centres", "--progress"]
    events = [json.loads(line) for line in python(copy, *asked, "json").splitlines()]
    counted = [
        (event["finished"], event["asked"]) for event in events if event["event"] == "sample"
    ]
    assert counted == [(1, 1)]  # the bar comes to its end
    said = python(copy, *asked, "none")
    assert "part followed" in said and "centres" in said


PANEL = """
from support import qt_host
host = qt_host.start()
module = host.load_module("UncertainReg/UncertainReg.py")
widget = host.make_widget(module.UncertainRegWidget)
for name, value, shown in (("backbone", "centres", "Centres of mass"), ("method", "noise", "Noise"),
                           ("perturbation", "slide", "Slide")):
    combo = getattr(widget.ui, name + "ComboBox")
    index = combo.findData(value)
    assert combo.itemText(index) == shown, name
    combo.currentIndex = index
    assert getattr(widget.logic.getParameterNode(), name) == value
    if name == "method":
        assert not widget.ui.perturbationComboBox.visible
host.unload(widget)
host.check()
"""


@pytest.mark.skipif(
    not (find_spec("PySide6") and find_spec("slicer")), reason="needs PySide6 and slicer-core"
)
def test_the_panel_offers_them(copy):
    python(copy, "-c", PANEL)
