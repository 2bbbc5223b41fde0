"""The two commands of the README, in any order and repetition, whatever lies in the folder."""

import re
import shutil
import subprocess
import sys

import pytest

import demo
from support import ROOT


def test_ci_runs_the_commands_of_the_readme_in_their_order():
    made = [
        re.findall(r"^(?:\w+=\S+ )?(make \w+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
        for name in ("README.md", ".ci/run")
    ]
    assert made == [["make demo", "make test"]] * 2


def test_folders_that_lie_about_do_not_change_how_imports_sort(tmp_path):
    """As after ``make demo``, when there is a folder of the same name as a module."""
    if subprocess.run(
        [sys.executable, "-m", "ruff", "--version"], capture_output=True, check=False
    ).returncode:
        pytest.skip("ruff is not installed")
    for name in ("pyproject.toml", "Tools/screenshots.py", "Examples/demo.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("demo", "build", "numpy", "slicer", "support"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "left", [["input/fixed.nii.gz"], ["about.txt"], ["result/result.json", "scene.mrb"], []]
)
def test_a_demo_replaces_what_an_earlier_one_left(tmp_path, left):
    """Also one that was interrupted; what the user put there stays."""
    for name in left:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("left", "utf-8")
    if left:
        (tmp_path / "about.txt").write_text(demo.ABOUT, "utf-8")
        (tmp_path / "mine.txt").write_text("mine", "utf-8")
    demo.clear(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == (["mine.txt"] if left else [])


def test_a_demo_never_touches_a_folder_of_someone_else(tmp_path):
    for name in ("result", "input"):
        (tmp_path / name).mkdir()
    (tmp_path / "input" / "mine.txt").write_text("mine", "utf-8")
    assert demo.main(tmp_path) == 1
    assert (tmp_path / "input" / "mine.txt").is_file()


def test_real_pairs_are_used_only_where_they_are(tmp_path, monkeypatch):
    """Any folder may be called ../shared/data."""
    asked = []

    def template(folder):
        asked.append(folder)
        return ["--fixed", str(tmp_path / "no.nrrd"), "--moving", str(tmp_path / "image.nrrd")]

    (tmp_path / "data").mkdir()
    monkeypatch.setenv("UNCERTAINREG_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(demo, "deformed_template", template)
    monkeypatch.setattr("UncertainRegLib.cli.run._check_scene", lambda path, out: None)
    assert demo.main(tmp_path / "out") == 1
    assert asked == [tmp_path / "out" / "input"]
