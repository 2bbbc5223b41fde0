"""One pair: done once, recognised afterwards, and never half there."""

import importlib
import json
import shutil
from dataclasses import replace

import pytest

from support.tiny_cohort import write_images
from UncertainRegLib import __version__
from UncertainRegLib.backbones.models import checksum_of
from UncertainRegLib.cohort.finished import is_finished
from UncertainRegLib.cohort.folder import CohortFolder
from UncertainRegLib.cohort.pairs_file import Pair
from UncertainRegLib.cohort.work import sweep, work
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.results.decision import add_decision, made, read_decisions
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.schema import FILE

module = importlib.import_module("UncertainRegLib.cohort.work")
QUICK = {"backbone": {"affine": False}}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    return folder


@pytest.fixture
def folder(tmp_path):
    found = CohortFolder(tmp_path / "out")
    found.pairs.mkdir(parents=True)
    return found


@pytest.fixture
def pair(images):
    return of(images, "a")


def of(images, name, **settings):
    files = {"fixed": str(images / "im0.nrrd"), "moving": str(images / "im1.nrrd")}
    return Pair(name, "", 2, Job(**files | {"samples": 2, "parameters": QUICK} | settings))


@pytest.fixture(scope="module")
def made_once(images, tmp_path_factory):
    folder = CohortFolder(tmp_path_factory.mktemp("once"))
    folder.pairs.mkdir()
    assert not work(of(images, "a"), folder, __version__).why
    return folder.result("a")


@pytest.fixture
def result(made_once, folder):
    """A finished result of the pair a."""
    return shutil.copytree(made_once, folder.result("a"))


def names_in(folder):
    return sorted(path.name for path in folder.pairs.iterdir())


def test_a_result_is_that_of_run(images, folder, pair, tmp_path):
    outcome = work(pair, folder, __version__)
    assert (outcome.name, outcome.why, outcome.was_there) == ("a", "", False)
    run(replace(pair.job, out=str(tmp_path / "alone")), Silent())
    mine, alone = read_record(folder.result("a")), read_record(tmp_path / "alone")
    for name in ("status", "inputs", "job", "labels", "maps", "over_anatomy", "before_after"):
        assert getattr(mine, name) == getattr(alone, name), name
    assert names_in(folder) == ["a"] and work(pair, folder, __version__).was_there


@pytest.mark.parametrize("changed", ["setting", "file", "version", "damage", "status"])
def test_a_result_of_something_else_is_made_anew(images, folder, result, pair, changed):
    assert is_finished(result, pair)
    add_decision(result, made("reject", "it folds", "", ""))
    content = json.loads((result / FILE).read_text("utf-8"))
    if changed == "setting":
        pair = of(images, "a", seed=2)
    elif changed == "file":
        shutil.copy(images / "im2.nrrd", folder.path / "im1.nrrd")
        pair = of(images, "a", moving=str(folder.path / "im1.nrrd"))
    elif changed == "version":
        content["versions"]["UncertainReg"] = "0.0.1"
    elif changed == "status":
        content["status"] = "partial"
    if changed in ("version", "status"):
        (result / FILE).write_text(json.dumps(content), "utf-8")
    elif changed == "damage":
        (result / FILE).write_text("{", "utf-8")
    assert not is_finished(result, pair)
    outcome = work(pair, folder, __version__)
    assert not outcome.was_there and not outcome.why
    assert is_finished(result, pair) and names_in(folder) == ["a"]
    assert [one.decision for one in read_decisions(result)] == ["reject"]


def test_a_file_that_moved_is_the_same_file(images, result, tmp_path):
    shutil.copytree(images, tmp_path / "elsewhere")
    assert is_finished(result, of(tmp_path / "elsewhere", "a"))


def test_a_network_of_ones_own_is_part_of_what_is_asked(images, result, tmp_path):
    (tmp_path / "manifest.json").write_text(
        json.dumps({"name": "n", "network": "n.pt", "spacing_mm": 2}), "utf-8"
    )
    (tmp_path / "n.pt").write_bytes(b"one")
    mine = of(images, "a", backbone=str(tmp_path / "manifest.json"))
    content = json.loads((result / FILE).read_text("utf-8"))
    content["job"] |= {
        "backbone": mine.job.backbone,
        "model_sha256": checksum_of(mine.job.backbone),
    }
    (result / FILE).write_text(json.dumps(content), "utf-8")
    assert is_finished(result, mine)
    (tmp_path / "n.pt").write_bytes(b"two")
    assert not is_finished(result, mine)


def test_a_failure_has_a_sentence_and_leaves_nothing(images, folder, monkeypatch):
    gone = of(images, "a", moving=str(images / "gone.nrrd"))
    assert work(gone, folder, __version__).why == f"{images / 'gone.nrrd'}: no such file."
    monkeypatch.setattr(module, "run", lambda *_: {}["x"])
    assert work(of(images, "b"), folder, __version__).why == "KeyError: 'x'"
    assert "0.0.9" in work(of(images, "b"), folder, "0.0.9").why
    assert names_in(folder) == []


def test_two_workers_with_one_pair_make_one_result(images, folder, pair, monkeypatch):
    """As when a worker is cut off and its pair is given to another one."""

    def slower(job, report):
        run(job, report)
        monkeypatch.setattr(module, "run", run)
        assert not work(pair, folder, __version__).was_there
        folder.result("a").joinpath("mine").touch()

    monkeypatch.setattr(module, "run", slower)
    assert not work(pair, folder, __version__).why
    assert names_in(folder) == ["a"] and folder.result("a").joinpath("mine").exists()


def test_what_killed_workers_left_goes(folder):
    for name in (".a.1234.draft", ".b.before", ".c.before", ".x.rubbish", "b"):
        (folder.pairs / name).mkdir()
        (folder.pairs / name / FILE).write_text(name, "utf-8")
    sweep(folder)
    assert names_in(folder) == ["b", "c"]
    assert (folder.result("b") / FILE).read_text("utf-8") == "b"
    assert (folder.result("c") / FILE).read_text("utf-8") == ".c.before", "it was the only one"


def test_a_worker_that_was_given_up_cannot_put_its_result_in_place(
    images, folder, pair, monkeypatch
):
    def swept(job, report):
        run(job, report)
        sweep(folder)
        return {}

    monkeypatch.setattr(module, "run", swept)
    assert work(pair, folder, __version__).why
    assert names_in(folder) == []
