"""A committee through a whole run: its maps, its members, and no bound that was not checked."""

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.geometry import Grid, read_image, warp, write_image
from UncertainRegLib.jobs import Job, run, warnings
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.record import Samples

GRID = Grid.from_spacing((24, 28, 32), (1.5, 1.5, 1.5), (10, 20, -5), np.diag([-1.0, -1.0, 1.0]))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("committee")
    moving = textured(GRID, seed=1)
    write_image(moving, folder / "moving.nrrd")
    write_image(warp(moving, smooth_field(GRID, 1.5), None), folder / "fixed.nrrd")
    job = Job(
        fixed=str(folder / "fixed.nrrd"),
        moving=str(folder / "moving.nrrd"),
        out=str(folder / "out"),
        method="committee",
        samples=8,
        parameters={
            "backbone": {"affine": False, "voxels": 10_000},
            "method": {"members": "bspline"},
        },
    )
    run(job, Silent())
    return folder / "out", read_record(folder / "out")


def test_the_members_took_turns(result):
    _, record = result
    assert record.samples.members == ["demons", "bspline"]
    assert [one["member"] for one in record.samples.status] == 2 * (
        ["demons"] * 2 + ["bspline"] * 2
    )
    assert record.parameters["perturbation"] == "deform"


def test_the_disagreement_is_that_within_and_that_between_the_methods(result):
    """u² is the trace of the covariance, and covariances add up; up to what few samples leave."""
    folder, record = result
    squares = {
        name: read_image(str(folder / record.maps[name].file)).array ** 2
        for name in ("uncertainty_mm", "within_mm", "between_mm")
    }
    both = squares["within_mm"] + squares["between_mm"]
    assert squares["between_mm"].mean() > 0
    assert both.mean() == pytest.approx(squares["uncertainty_mm"].mean(), rel=0.3)
    assert "spread_mm" not in record.maps


def test_no_bound_is_stated_as_none_was_checked(result):
    _, record = result
    assert "demons + committee" in str(record.expected_error)


def test_members_without_a_sample_are_named():
    def said(*gave, left_out=()):
        return warnings.of_committee(
            Samples(
                finished=len(gave),
                status=[{"member": name} for name in gave],
                members=["demons", "greedy", "ants"],
                left_out=dict(left_out),
            )
        )

    assert said("demons", "demons", "greedy", "greedy", "ants") == []
    (few,) = said("demons", "demons", "greedy")
    assert few == (
        "ants gave none of the 3 samples, as members take turns of 2: take 6 samples or more."
    )
    out, few, alone = said("demons", "demons", left_out={"net": "No overlap."}.items())
    assert out == "net is not in the committee, whose samples are those of demons: No overlap."
    assert few.startswith("greedy and ants gave none of the 2 samples")
    assert alone.startswith("All samples are of demons")
    assert warnings.of_committee(Samples(finished=2, status=[{}, {}])) == []
