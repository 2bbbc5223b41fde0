"""Studies by workers: the rows are those of one process, whatever is killed or fails."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from support import ROOT
from support.phantoms import smooth_field, textured
from support.stub_study import StubStudy
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import Grid, Image, warp, warp_labels, write_image
from UncertainRegLib.workers import machine
from UncertainRegLib.workers.study import OverWorkers, UnitsFailedError

GRID = Grid.from_spacing((20, 22, 24), (1.5, 1.5, 2.0), (-10, 5, 3))
QUICK = ["--samples", "2", "--backbone-settings", '{"affine": false}']
CLOCK = {"seconds", "wall_s", "cpu_s", "peak_mb"}  # columns that differ from run to run


def by(workers, out, said=lambda event, **facts: None):
    return OverWorkers(workers, "", out, False, said)


def lines(file):
    """The sorted lines of a table, as they stand in the file but for what a clock says."""
    with open(file, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return sorted(",".join(text for name, text in row.items() if name not in CLOCK) for row in rows)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two images, their segmentations, and a list of two pairs."""
    folder = tmp_path_factory.mktemp("files")
    moving, field = textured(GRID), smooth_field(GRID, 2.0)
    away = np.linalg.norm((GRID.points(np.zeros(0)) - GRID.center) / (9, 8, 12), axis=-1)
    labels = Image((away < 1).astype(np.uint8), GRID)
    moving = Image(moving.array + 2.0 * labels.array, GRID)
    for name, image in (
        ("moving", moving),
        ("fixed", warp(moving, field, outside=None)),
        ("moving_labels", labels),
        ("fixed_labels", warp_labels(labels, field)),
    ):
        write_image(image, folder / f"{name}.nrrd")
    names = [f"{side}{end}" for end in ("", "_labels") for side in ("fixed", "moving")]
    head = ["pair", "fixed_subject", "moving_subject", "split", "twin", *names]
    with open(folder / "pairs.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerow(["there", "a", "b", "test", 1, *(f"{name}.nrrd" for name in names)])
        back = [name.replace("fixed", "*").replace("moving", "fixed") for name in names]
        back = [f"{name.replace('*', 'moving')}.nrrd" for name in back]
        writer.writerow(["back", "b", "a", "test", 0, *back])
    return folder


def asked(files, name):
    """Words of the command for each study."""
    pair = [f"--{side}={files / side}.nrrd" for side in ("fixed", "moving")]
    masks = [f"--{side}-labels={files / side}_labels.nrrd" for side in ("fixed", "moving")]
    image = ["--image", str(files / "moving.nrrd"), "--warps", "2", "--families", "translation"]
    return {
        "known-warp": [*image, "--truths", "translation", "elastic", *QUICK],
        "anatomy": [*image, "--cases", "truncation", *QUICK],
        "labels": [*pair, *masks, "--families", "translation", "deform", *QUICK],
        "truth": [str(files / "pairs.csv"), *QUICK],
        "engines": [*pair, "--engines", "demons", "bspline", "--warps", "1", "--voxels", "9000"],
    }[name]


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("anatomy", "labels", "engines")]


@pytest.mark.parametrize("name", ["known-warp", "truth", *SLOW])
def test_the_rows_are_those_of_one_process(files, tmp_path, monkeypatch, name):
    pytest.importorskip("distributed")
    from dask.system import CPU_COUNT

    # the last digits may depend on the number of threads
    threads = dict.fromkeys(machine.THREADS, str(max(1, CPU_COUNT // 2)))
    tables = {}
    for workers in ("1", "2"):
        out = tmp_path / workers
        command = [
            sys.executable, "-m", "UncertainRegLib", "evaluate", name, *asked(files, name),
            "--out", str(out), "--workers", workers, "--progress", "json",
        ]  # fmt: skip
        said = subprocess.run(
            command, env=os.environ | threads, cwd=ROOT, stdout=subprocess.PIPE, check=True
        ).stdout
        events = [json.loads(line) for line in said.splitlines()]
        counted = [(e["finished"], e["asked"]) for e in events if e["event"] == "sample"]
        assert counted[-1][0] == counted[-1][1] > 0  # the bar comes to its end
        tables[workers] = {file.name: lines(file) for file in out.glob("*.csv")}
    assert len(tables["1"]["rows.csv"]) >= 2 and tables["1"] == tables["2"]
    words = [*command[3:-1], "none"]
    monkeypatch.setattr(
        OverWorkers, "__call__", lambda self, study, units, *rest: left.extend(units)
    )
    left = []
    assert main(words) == 0
    assert not left, "something is computed twice"


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_is_killed_or_fails_is_said_and_the_others_go_on(tmp_path):
    pytest.importorskip("distributed")
    units = ("plain", "deadly", "wrong", "unlucky", "strange", "astray", "last")
    study, said, registered = StubStudy(units, tmp_path), [], []

    def report(event, **facts):
        if event == "warning":
            said.append(facts["text"])

    with pytest.raises(UnitsFailedError, match="3 of 7 parts of the study failed; what") as error:
        study.run(registered.append, by(2, tmp_path, report))
    assert "wrong: Nothing is left of it." in str(error.value)
    assert [one.partition(":")[0] for one in sorted(said)] == ["deadly", "strange", "wrong"]
    assert f"{machine.KILLED} workers were killed" in " ".join(said)
    assert "strange: KeyError: 'no such thing'" in said
    assert study.failed == ["astray: lost its way."]
    with open(tmp_path / "rows.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted({row["unit"] for row in rows}) == ["last", "plain", "unlucky"] and len(rows) == 6
    assert sorted(registered) == sorted(row["unit"] for row in rows)
    assert str(os.getpid()) not in {row["process"] for row in rows}
    assert (tmp_path / "deadly.tries").read_text("utf-8") == "x" * machine.KILLED


def test_ctrl_c_keeps_what_is_finished(files, tmp_path):
    pytest.importorskip("distributed")
    psutil = pytest.importorskip("psutil")
    command = [
        sys.executable, "-m", "UncertainRegLib", "evaluate", "known-warp",
        *asked(files, "known-warp"), "--warps", "6", "--out", str(tmp_path), "--workers", "2",
        "--progress", "json",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    for line in process.stdout:
        if json.loads(line)["event"] == "sample":
            break
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and "rows that are finished are kept" in said
    assert "Traceback" not in said and not psutil.wait_procs(workers, timeout=20)[1]
    assert 0 < len(lines(tmp_path / "rows.csv")) < 12 * 5


def test_without_dask_one_process_needs_nothing(files, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr(machine, "PACKAGES", {"no_such_package": "distributed"})
    command = [
        "evaluate",
        "anatomy",
        *asked(files, "anatomy"),
        "--warps",
        "1",
        "--progress",
        "none",
    ]
    assert main([*command, "--out", str(tmp_path / "one")]) == 0
    assert main([*command, "--out", str(tmp_path / "two"), "--workers", "2"]) == 1
    assert "pip install 'UncertainReg[cohort]'" in capsys.readouterr().err
