"""A run says how well other samples would repeat its map, and ends early when asked to."""

import json

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib import backbones
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import DisplacementField, Grid, warp, write_image
from UncertainRegLib.jobs import Job, run, warnings
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.jobs.summary import Summary
from UncertainRegLib.report.whole import whole
from UncertainRegLib.results.record import Record
from UncertainRegLib.samplers import Sample

GRID = Grid.from_spacing((24, 28, 32), (2.0, 2.0, 2.0))
TRUTH = smooth_field(GRID, 2.0)


class Scattered(Backbone):
    """Knows the answer but for chance, which is larger in some places than in others."""

    facts = Facts("demons", "Scattered")

    def __init__(self, unlike):
        self.generator = np.random.default_rng(1)
        self.sd = np.exp(np.random.default_rng(0).normal(0, unlike, (*GRID.shape, 1)))

    def register(self, fixed, moving):
        """The answer, each component displaced by chance in every voxel."""
        chance = self.sd * self.generator.normal(size=TRUTH.vectors.shape)
        return DisplacementField((TRUTH.vectors + chance).astype(np.float32), GRID)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Runs a small pair: job(unlike, **changes) -> record and the events of its samples."""
    moving = textured(GRID, seed=1)
    for name, image in (("moving", moving), ("fixed", warp(moving, TRUTH, None))):
        write_image(image, tmp_path / f"{name}.nrrd")

    def start(unlike, **changes):
        backbone, events = Scattered(unlike), []
        monkeypatch.setattr(backbones, "create", lambda *args, **kwargs: backbone)
        files = {name: str(tmp_path / f"{name}.nrrd") for name in ("fixed", "moving")}
        settings = {
            "perturbation": "translation",
            "parameters": {"perturbation": {"fraction": 0.001}},
            **changes,
        }
        record = run(
            Job(**files, out=str(tmp_path / "out"), **settings),
            lambda event, **facts: events.append(facts) if event == "sample" else None,
        )
        return record, events

    return start


def test_a_steady_map_ends_the_run(job):
    record, events = job(0.8, samples=40, agreement=0.85)
    samples = record["samples"]
    assert record["status"] == "complete" and 8 <= samples["finished"] < 40
    assert samples["asked"] == samples["finished"] == len(samples["files"]) == len(events)
    assert samples["agreement"] >= 0.85 == record["job"]["agreement"]
    assert record["job"]["samples"] == 40
    assert all(e["agreement"] is None for e in events[:7])
    assert all(e["agreement"] < 0.85 for e in events[7:-1]) and events[-1]["agreement"] >= 0.85
    assert any("rank the places like this one" in text for text in whole(Record.from_dict(record)))


def test_a_noisy_map_makes_all_samples_and_says_how_many_it_takes(job):
    record, _ = job(0.05, samples=12, agreement=0.85)
    assert record["samples"]["finished"] == 12 and record["samples"]["agreement"] < 0.8
    assert any("The map of disagreement is noisy" in text for text in record["warnings"])


def test_unless_asked_to_a_run_makes_all_samples(job):
    record, _ = job(0.8, samples=12)
    assert record["samples"]["finished"] == 12 and record["samples"]["agreement"] > 0.85
    assert not any("noisy" in text for text in record["warnings"])


def test_where_samples_have_different_weights_it_is_not_known():
    assert warnings.of_agreement(None, 12, 0.9)[0].startswith("All samples were made")
    assert warnings.of_agreement(None, 12) == warnings.of_agreement(None, 4, 0.9) == []


def test_members_of_a_committee_share_their_perturbations():
    image = textured(GRID, seed=1)
    summary = Summary(Inputs(image, image), TRUTH, ("within_mm", "between_mm"))
    for group in range(6):
        for _ in range(2):
            member = "greedy" if group % 2 else "demons"
            summary.add(Sample(TRUTH, 0.0, group, {"member": member}))
    assert summary._perturbations == [1, 2, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6]


@pytest.mark.parametrize("value", [0.2, 1.0, -1])
def test_an_agreement_that_no_map_can_be_asked_for_is_refused(value):
    with pytest.raises(ValueError, match="choose a number from"):
        Job("a", "b", "c", agreement=value).check()
    Job("a", "b", "c", agreement=0.9).check()


def test_it_is_a_number(tmp_path):
    from UncertainRegLib.jobs import read_job

    (tmp_path / "job.json").write_text(json.dumps({"agreement": "much"}), "utf-8")
    with pytest.raises(ValueError, match="agreement is 'much'; give a number"):
        read_job(tmp_path / "job.json")
