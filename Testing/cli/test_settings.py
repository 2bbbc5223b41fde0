"""Wrong values are refused in one sentence that says what to give instead."""

import json
import sys

import numpy as np
import pytest

from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import Grid, Image, write_image
from UncertainRegLib.jobs import read_job

BACKBONE = "Backbone 'demons'"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    grid = Grid.from_spacing((12, 12, 12))
    for seed, name in enumerate(("fixed", "moving")):
        noise = np.random.default_rng(seed).normal(size=grid.shape).astype(np.float32)
        write_image(Image(noise, grid), folder / f"{name}.nrrd")
    return folder


def run_of(files, out, *options):
    return [
        "run",
        "--fixed",
        str(files / "fixed.nrrd"),
        "--moving",
        str(files / "moving.nrrd"),
        "--out",
        str(out),
        "--progress",
        "none",
        *options,
    ]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"backbone": 5}, "parameters: backbone is 5; give an object"),
        ({"backbone": {"voxels": "many"}}, f"{BACKBONE}: voxels is 'many'; give a number."),
        ({"backbone": {"voxels": 0}}, f"{BACKBONE}: voxels is 0; give the size"),
        ({"backbone": {"voxels": -5}}, f"{BACKBONE}: voxels is -5; give a number of 0 or more."),
        (
            {"backbone": {"smoothing_voxels": -1}},
            f"{BACKBONE}: smoothing_voxels is -1; give a number of 0 or more.",
        ),
        (
            {"backbone": {"smoothing_voxels": float("nan")}},
            f"{BACKBONE}: smoothing_voxels is nan; give a number.",
        ),
        ({"backbone": {"affine": "no"}}, f"{BACKBONE}: affine is 'no'; give true or false."),
        ({"backbone": {"voxels": True}}, f"{BACKBONE}: voxels is True; give a number."),
        (
            {"perturbation": {"speed": 1}},
            "Perturbation family 'deform' has no setting speed; it has control_points, fraction.",
        ),
        ({"perturbation": {"fraction": "x"}}, "'deform': fraction is 'x'; give a number."),
        (
            {"method": {"speed": 1}},
            "Sampling method 'equivariance' has no setting speed; it has draws_per_perturbation.",
        ),
    ],
)
def test_wrong_parameters(files, tmp_path, capsys, parameters, sentence):
    code = main(run_of(files, tmp_path / "out", "--parameters", json.dumps(parameters)))
    err = capsys.readouterr().err.strip()
    assert code == 1
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"fixed": 5}, "fixed is 5; give text."),
        ({"parameters": []}, "parameters is []; give an object, like {}."),
        ({"backbone": ["demons"]}, "backbone is ['demons']; give text."),
        ({"label_names": ["a"]}, "label_names is ['a']; give an object, like {}."),
        ({"label_names": {"one": "Thalamus"}}, "label_names has 'one'; give label values"),
        ({"names": {"fixed": 5}}, "names has 'fixed': 5; give what an input is called"),
        ({"names": {"first": "MR"}}, "names has 'first': 'MR'; give what an input is called"),
        ({"samples": "4"}, "samples is '4'; give a whole number."),
        ({"samples": True}, "samples is True; give a whole number."),
        ({"competence": "no"}, "competence is 'no'; give true or false."),
    ],
)
def test_wrong_job_files(files, tmp_path, capsys, entries, sentence):
    job = {
        "fixed": str(files / "fixed.nrrd"),
        "moving": str(files / "moving.nrrd"),
        "out": str(tmp_path / "out"),
        **entries,
    }
    (tmp_path / "job.json").write_text(json.dumps(job), "utf-8")
    assert main(["run", "--job", str(tmp_path / "job.json"), "--progress", "none"]) == 1
    err = capsys.readouterr().err.strip()
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_entry_that_is_there_twice_is_named(tmp_path, capsys):
    (tmp_path / "job.json").write_text('{"samples": 4, "samples": 8}', "utf-8")
    assert main(["run", "--job", str(tmp_path / "job.json"), "--progress", "none"]) == 1
    assert "the key 'samples' is there twice" in capsys.readouterr().err


def test_paths_of_a_job_file_are_relative_to_it(tmp_path):
    (tmp_path / "job.json").write_text('{"fixed": "a.nrrd", "out": "/b", "moving": null}', "utf-8")
    job = read_job(tmp_path / "job.json")
    assert (job.fixed, job.out, job.moving) == (str(tmp_path / "a.nrrd"), "/b", "")


@pytest.mark.parametrize("content", ["[]", '{"schema": "uncertainreg-result/1"}'])
@pytest.mark.parametrize("options", [[], ["--picture", "x.png"]])
def test_a_damaged_result(tmp_path, capsys, content, options):
    (tmp_path / "result.json").write_text(content, "utf-8")
    assert main(["report", str(tmp_path), *options]) == 1
    err = capsys.readouterr().err.strip()
    assert "result.json" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("error", [TypeError("no"), FloatingPointError("no"), RuntimeError("no")])
def test_any_error_is_one_sentence_and_a_traceback_only_on_demand(
    files, tmp_path, capsys, monkeypatch, error
):
    def broken(*args, **kwargs):
        raise error

    monkeypatch.setattr(sys.modules["UncertainRegLib.jobs.run"], "read_inputs", broken)
    for wanted in (False, True):
        if wanted:
            monkeypatch.setenv("UNCERTAINREG_TRACEBACK", "1")
        assert main(run_of(files, tmp_path / "out")) == 1
        lines = capsys.readouterr().err.strip().splitlines()
        assert lines[-1].startswith("Error: ") and "no" in lines[-1]
        assert (len(lines) > 1) == wanted


def test_ctrl_c_while_the_commands_are_imported(capsys, monkeypatch):
    class Pressed:
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "UncertainRegLib.cli.run", Pressed())
    assert main(["methods", "list"]) == 130
    assert capsys.readouterr().err == "Stopped.\n"
