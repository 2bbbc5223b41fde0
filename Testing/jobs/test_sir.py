"""Structured SIR through whole runs, and modes and best sample of any run."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib import backbones
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    read_field,
    read_image,
    warp,
    write_image,
)
from UncertainRegLib.geometry.files import InputError
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.jobs.summary import Summary
from UncertainRegLib.posterior.stream import SampleStream
from UncertainRegLib.report.html import write_report
from UncertainRegLib.results.reader import read_record, read_result
from UncertainRegLib.samplers import Sample
from UncertainRegLib.studies.validation import validate

GRID = Grid.from_spacing((24, 28, 32), (1.5, 1.5, 1.5), (10, 20, -5), np.diag([-1.0, -1.0, 1.0]))
PROPOSALS = 96


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    moving = textured(GRID, seed=1)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[moving.array > 30] = 4
    write_image(moving, folder / "moving.nrrd")
    write_image(Image(labels, GRID), folder / "moving_labels.nrrd")
    write_image(warp(moving, smooth_field(GRID, 1.5), None), folder / "fixed.nrrd")
    return folder


def job_of(folder, out, **method):
    names = ("fixed", "moving", "moving_labels")
    return Job(
        **{name: str(folder / f"{name}.nrrd") for name in names},
        out=str(out),
        method="sir",
        samples=6,
        parameters={
            "backbone": {"affine": False, "voxels": 10_000},
            "method": {"proposals": PROPOSALS, **method},
        },
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"source": "seeded", "seeds": 4, "voxels": 4000, "ess_fraction": 0.25},
        {"source": "optimised", "steps": 4, "rank": 2, "voxels": 3000},
        {"source": "trained", "start": "none"},
        {"source": "trained", "start": "backbone"},
        {"source": "trained", "start": "affine"},
    ],
    ids=lambda settings: " ".join([settings["source"], settings.get("start", "")]),
)
def test_run_from_files_to_result(pair, tmp_path, settings):
    pytest.importorskip("torch")
    if settings["source"] == "trained":
        from support.trained_models import write_proposal_network

        settings = {**settings, "weights": str(write_proposal_network(tmp_path / "sir"))}
    events = []
    out = tmp_path / "out"
    run(job_of(pair, out, **settings), lambda event, **facts: events.append((event, facts)))
    record = read_result(out)
    samples = record["samples"]
    assert record["status"] == "complete" and record["method"] == "sir"
    assert samples["log_weights"] == [0.0] * 6
    assert samples["proposals"] == PROPOSALS and samples["source"] == settings["source"]
    perturbs = settings["source"] == "seeded"
    assert record["parameters"]["perturbation"] == ("deform" if perturbs else None)
    page = write_report(out).read_text(encoding="utf-8")
    assert ("starts at the registration" in page) is not perturbs
    assert 1 <= samples["ess_raw"] <= samples["ess_tempered"] <= PROPOSALS
    assert 0 < samples["tempering_exponent"] <= 1 and "flattened by the exponent" in page
    assert samples["ess_raw"] < 6 and any(
        f"the weight lies on {samples['ess_raw']:.1f}" in text for text in record["warnings"]
    )
    drawn = [status["proposal"] for status in samples["status"]]
    counts = np.unique(drawn, return_counts=True)[1]
    assert samples["effective"] == pytest.approx(36 / np.sum(counts**2))
    raw = [status["log_weight"] for status in samples["status"]]
    assert raw[record["best_sample"]] == max(raw)
    assert sum(mode["weight"] for mode in record["modes"]) == pytest.approx(1)
    fields = [read_field(out / name) for name in samples["files"]]
    assert all(np.isfinite(field.vectors).all() for field in fields)
    mean = read_field(out / record["mean_transform"])
    assert mean.grid == GRID
    coarse = np.mean([field.resample(GRID).vectors for field in fields], axis=0)
    assert np.abs(mean.vectors - coarse)[4:-4, 4:-4, 4:-4].mean() < 0.1
    stages = [facts["text"] for event, facts in events if event == "stage"]
    assert f"Weighing proposals: {PROPOSALS} of {PROPOSALS}" in stages
    assert record["preflight"]["minutes"] > 0


def test_run_with_weights_by_voxel_and_the_shipped_model(pair, tmp_path):
    """Only the label maps feel voxel_beta: samples, their mean and their volumes stay."""
    pytest.importorskip("torch")
    entropies, means = [], []
    for beta in (0.0, 10.0):
        out = tmp_path / str(beta)
        run(
            job_of(pair, out, source="trained", start="none", weighting="voxel", voxel_beta=beta),
            lambda event, **facts: None,
        )
        record = read_result(out)
        assert record["status"] == "complete" and record["samples"]["weighting"] == "voxel"
        assert record["samples"]["log_weights"] == [0.0] * 6
        entropies.append(read_image(out / record["maps"]["label_entropy"]["file"]).array)
        means.append(read_field(out / record["mean_transform"]).vectors)
    assert np.array_equal(*means)
    assert np.isfinite(entropies).all() and np.abs(entropies[0] - entropies[1]).max() > 1e-3


def test_a_result_is_judged_with_its_weights_by_voxel(pair, tmp_path, monkeypatch):
    """`evaluate result` sums up the probabilities that the run showed."""
    pytest.importorskip("torch")
    out, given = tmp_path / "out", []
    monkeypatch.setattr(
        SampleStream,
        "add",
        lambda self, *args, add=SampleStream.add: (given.append(args[3]), add(self, *args)),
    )
    method = {"source": "trained", "start": "none", "weighting": "voxel", "voxel_beta": 40.0}
    job = replace(job_of(pair, out, **method), fixed_labels=str(pair / "moving_labels.nrrd"))
    run(job, lambda event, **facts: None)
    record = read_record(out)
    kept = [read_image(out / file) for file in record.samples.voxel_log_weights]
    assert len(kept) == 6 and not np.array_equal(kept[0].array, kept[1].array)
    for one, theirs in zip(kept, given):
        assert np.array_equal(one.array, theirs.array)
        assert np.allclose(one.grid.affine, theirs.grid.affine)
    scores = validate(out, record)["labels"]["maps"]["label entropy"]
    for file, one in zip(record.samples.voxel_log_weights, kept):
        write_image(Image(0 * one.array, one.grid), out / file)
    alike = validate(out, record)["labels"]["maps"]["label entropy"]
    assert abs(scores["ece"] - alike["ece"]) > 1e-4
    old = replace(record, samples=replace(record.samples, voxel_log_weights=[]))
    with pytest.raises(InputError, match="does not hold the weights by voxel"):
        validate(out, old)


def test_cancel_while_proposals_are_weighed(pair, tmp_path):
    pytest.importorskip("torch")
    out = tmp_path / "out"

    def report(event, **facts):
        if event == "stage" and facts["text"].startswith("Registering seeds"):
            (out / "cancel").touch()

    record = run(job_of(pair, out, source="seeded", seeds=4, voxels=4000), report)
    assert record["status"] == "partial"
    assert record["samples"]["finished"] == 0
    assert (out / record["transform"]).is_file()
    assert read_result(out)["status"] == "partial"


def test_command_line(pair, tmp_path):
    pytest.importorskip("torch")
    main = os.path.join(os.path.dirname(backbones.__file__), "..", "__main__.py")
    parameters = json.dumps(
        {
            "backbone": {"affine": False, "voxels": 10_000},
            "method": {"source": "seeded", "proposals": 32, "seeds": 3, "voxels": 3000},
        }
    )
    done = subprocess.run(
        [
            sys.executable,
            main,
            "run",
            "--fixed",
            pair / "fixed.nrrd",
            "--moving",
            pair / "moving.nrrd",
            "--out",
            tmp_path / "out",
            "--method",
            "sir",
            "--samples",
            "4",
            "--parameters",
            parameters,
            "--progress",
            "json",
        ],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "finished" and events[-1]["status"] == "complete"


def test_wrong_settings_are_refused_before_any_work(pair, tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match="no setting speed"):
        run(job_of(pair, tmp_path / "out", speed=1), Silent())
    assert not (tmp_path / "out").exists()


def summary_of(shifts, evidence=None, proposals=None):
    """A summary of constant fields along x (mm)."""
    registration = DisplacementField(np.zeros((*GRID.shape, 3), np.float32), GRID)
    image = Image(np.zeros(GRID.shape, np.float32), GRID)
    summary = Summary(Inputs(image, image), registration)
    for n, shift in enumerate(shifts):
        vectors = np.zeros((*GRID.shape, 3), np.float32)
        vectors[..., 0] = shift
        facts = {"log_weight": evidence[n], "proposal": proposals[n]} if evidence else {}
        summary.add(Sample(DisplacementField(vectors, GRID), facts=facts))
    return summary


def test_modes_and_best_sample_without_weights():
    found = summary_of([-3.0, -2.9, -3.1, 2.0, 2.1]).coarse.representatives()
    assert [mode["weight"] for mode in found["modes"]] == pytest.approx([0.6, 0.4])
    assert found["modes"][0]["sample"] == 0
    assert found["best_sample"] == 1  # nearest to the mean, -0.98
    few = summary_of([1.0, 2.0, 3.0]).coarse.representatives()
    assert few == {"modes": [], "best_sample": None}


def test_copies_of_one_proposal():
    """Resampling can choose one proposal again and again: no spread, one mode, one sample."""
    summary = summary_of([1.0] * 4, [5.0] * 4, [7] * 4)
    assert summary.stream.effective() == pytest.approx(1)
    found = summary.coarse.representatives()
    assert found == {"modes": [{"weight": 1.0, "sample": 0}], "best_sample": 0}
    best = summary_of([0.0, 1.0, 1.0, 2.0], [1.0, 4.0, 4.0, 9.0], [3, 5, 5, 8])
    assert best.coarse.representatives()["best_sample"] == 3
    assert best.stream.effective() == pytest.approx(16 / 6)


def test_offset_of_the_samples_from_the_registration():
    assert summary_of([3.0, 5.0]).offset_and_spread_mm() == pytest.approx((4.0, 1.0))
    assert summary_of([3.0]).offset_and_spread_mm() == (0.0, 0.0)


def test_samples_around_another_place_and_copies_are_warned_of(pair, tmp_path, monkeypatch):
    """A resampling that chose one proposal nearly always, off the registration."""

    def elsewhere(self, fixed, moving, n, generator):
        for index in range(n):
            vectors = np.zeros((*fixed.grid.shape, 3), np.float32)
            vectors[..., 2] = 4.0 + 0.1 * (index == 0)
            yield Sample(DisplacementField(vectors, fixed.grid), facts={"proposal": index == 0})

    monkeypatch.setattr("UncertainRegLib.samplers.equivariance.Equivariance.sample", elsewhere)
    job = job_of(pair, tmp_path / "out")
    job.method, job.samples = "equivariance", 8
    job.parameters = {"backbone": job.parameters["backbone"]}
    warnings = " ".join(run(job, Silent())["warnings"])
    assert "only 1.3 different registrations" in warnings
    assert "The samples surround a place" in warnings and "look at their mean" in warnings
