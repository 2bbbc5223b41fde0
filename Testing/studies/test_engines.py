"""Every installed method on known deformations of one's own pair, and what is recommended."""

import json
import subprocess
import sys

import numpy as np
import pytest

from support import ROOT
from support.phantoms import smooth_field, textured
from UncertainRegLib.__main__ import main
from UncertainRegLib.backbones.contrast import Signs
from UncertainRegLib.environment import peak_memory_mb
from UncertainRegLib.geometry import Grid, Image, warp, write_image
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.studies import engines
from UncertainRegLib.studies.engine_trial import Task, read_pair, write_pair
from UncertainRegLib.studies.engines import COLUMNS, KEY, EngineStudy, recommendation
from UncertainRegLib.studies.rows import Rows

GRID = Grid.from_spacing((30, 32, 34), (1.5, 1.5, 1.5), (5, -7, 9))


def pair() -> tuple[Image, Image]:
    moving = textured(GRID, seed=1)
    fixed = warp(moving, smooth_field(GRID, 3.0), outside=None)
    noise = np.random.default_rng(1).normal(0, 1, GRID.shape).astype(np.float32)
    return Image(fixed.array + noise, GRID), moving


def study(folder, names=("demons", "bspline"), **settings) -> EngineStudy:
    return EngineStudy(Inputs(*pair()), "pair", folder, names, voxels=20_000, **settings)


def rows_of(folder, **errors) -> Rows:
    """Rows of one pair: engine -> error in mm, CPU seconds, part of a shift followed, failure."""
    rows = Rows(folder / "rows.csv", KEY)
    for engine, (error, seconds, followed, failed) in errors.items():
        values = dict.fromkeys(COLUMNS, 1.0) | {"error_mm": error, "cpu_s": seconds}
        key = dict.fromkeys(KEY, 0) | {"engine": engine}
        rows.add({**key, **values, "followed": followed, "failed": failed})
    return rows


def test_the_quickest_of_those_that_are_as_good_is_recommended(tmp_path):
    found = recommendation(
        rows_of(
            tmp_path,
            near=(1.00, 9.0, 1.0, ""),
            quick=(1.05, 2.0, 0.8, ""),
            quicker=(1.20, 1.0, 1.0, ""),
            deaf=(0.10, 1.0, 0.2, ""),
            wild=(0.10, 1.0, 1.9, ""),
            broken=("", "", "", "no memory"),
        )
    )
    assert found["engine"] == "quick"
    assert "off by 1.05 mm" in found["text"] and "(near, the nearest, by 1.00 mm" in found["text"]
    assert found["table"][-1]["engine"] == "broken" and found["table"][-1]["error_mm"] is None
    json.dumps(found, allow_nan=False)


def test_what_makes_the_pair_most_alike_is_recommended_and_no_fold_is(tmp_path):
    rows = rows_of(
        tmp_path,
        near=(1.0, 1.0, 1.0, ""),
        alike=(3.0, 9.0, 1.0, ""),
        nearly=(3.0, 2.0, 1.0, ""),
        folded=(2.0, 1.0, 1.0, ""),
        deaf=(0.1, 1.0, 0.2, ""),
    )
    for row in rows.all:
        likeness = {"near": 0.3, "alike": 0.50, "nearly": 0.494, "folded": 0.8, "deaf": 0.9}
        row |= {"alike": likeness[row["engine"]], "folds": 0.1 * (row["engine"] == "folded")}
    found = recommendation(rows)
    assert found["engine"] == "nearly"  # the quickest of two that are as good
    assert "most alike (squared local correlation 0.49)" in found["text"]
    assert "off by 3.00 mm" in found["text"]


def test_rows_of_before_the_pair_was_registered_are_still_read(tmp_path):
    rows = rows_of(tmp_path, near=(1.0, 1.0, 1.0, ""), far=(2.0, 1.0, 1.0, ""))
    for row in rows.all:
        del row["alike"]
    found = recommendation(rows)
    assert found["engine"] == "near" and found["table"][0]["alike"] is None


def test_where_none_follows_a_shift_none_is_recommended(tmp_path):
    found = recommendation(rows_of(tmp_path, deaf=(0.1, 1.0, 0.2, ""), b=("", "", "", "failed")))
    assert found["engine"] == "" and "none fits" in found["text"]


def test_a_simulated_pair_is_read_as_it_was_written(tmp_path):
    fixed, moving = pair()
    masked = Image(fixed.array, GRID, (fixed.array > 20).astype(np.uint8))
    write_pair(tmp_path, masked, moving, smooth_field(GRID, 2.0))
    again, other, truth = read_pair(tmp_path)
    assert np.array_equal(again.mask, masked.mask) and other.mask is None
    assert np.array_equal(truth.vectors, smooth_field(GRID, 2.0).vectors)


def test_of_two_contrasts_the_fixed_image_stands_in(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "beforehand", lambda *images: Signs(0.1, -0.5, 0.0))
    fixed, moving, truth = study(tmp_path).simulated(0)
    inside = moving.array > 30
    assert np.corrcoef(moving.array[inside], pair()[0].array[inside])[0, 1] < -0.99
    assert truth.grid == fixed.grid and np.linalg.norm(truth.vectors, axis=-1).mean() > 0.5


def test_a_method_that_fails_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    def tried(task: Task, file) -> dict:
        assert bool(task.real) == task.competence  # the pair itself is registered once a method
        if task.engine == "bspline":
            return {"failed": "It lost its way."}
        return {**dict.fromkeys(COLUMNS, 1.0), "followed": 1.0}

    monkeypatch.setattr(engines, "tried", tried)
    mine = study(tmp_path, warps=2)
    assert mine.registrations() == 4
    rows = mine.run()
    assert mine.failed == [f"bspline, pair {n}: It lost its way." for n in range(2)]
    assert recommendation(rows)["engine"] == "demons"
    again = study(tmp_path, warps=2)
    assert again.registrations() == 0 and len(again.run().all) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recommendation.json", "rows.csv"]


@pytest.mark.parametrize("given", [[], ["--result", "R", "--fixed", "F", "--moving", "M"]])
def test_it_takes_a_pair_or_a_result(given, tmp_path, capsys):
    assert main(["evaluate", "engines", *given, "--out", str(tmp_path), "--progress", "none"]) == 1
    assert "either --fixed and --moving, or --result" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_the_memory_of_a_process_is_not_that_of_the_one_that_started_it():
    """The system's own number is handed down; every method had that of the study."""
    ballast = np.ones(100_000_000)  # 800 MB
    code = "from UncertainRegLib.environment import peak_memory_mb; print(peak_memory_mb())"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert ballast.any() and 5 < float(said.stdout) < 400
    assert peak_memory_mb() > 800


@pytest.mark.slow
def test_each_is_measured_in_a_process_of_its_own_and_one_stop_keeps_the_rows(tmp_path, capsys):
    for name, image in zip(("fixed", "moving"), pair()):
        write_image(image, tmp_path / f"{name}.nrrd")
    out = tmp_path / "out"
    arguments = ["evaluate", "engines", "--out", str(out), "--progress", "none", "--warps", "1"]
    arguments += [f"--{name}={tmp_path / name}.nrrd" for name in ("fixed", "moving")]
    arguments += ["--engines", "demons", "bspline", "--voxels", "20000"]
    out.mkdir()
    (out / "cancel").touch()
    assert main(arguments) == 130  # after the first registration
    assert "are kept" in capsys.readouterr().err
    assert len(Rows(out / "rows.csv", KEY).all) == 1
    assert main(arguments) == 0
    said = capsys.readouterr().out
    rows = Rows(out / "rows.csv", KEY).all
    assert [row["engine"] for row in rows] == ["demons", "bspline"]
    assert all(0 < float(row["error_mm"]) < 1.5 and float(row["cpu_s"]) > 0 for row in rows), rows
    assert all(50 < float(row["peak_mb"]) < 2000 for row in rows)
    assert all(0.1 < float(row["alike"]) <= 1 for row in rows), rows
    assert "is recommended" in said
