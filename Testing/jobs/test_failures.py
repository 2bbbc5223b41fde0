"""What goes wrong in a run is borne, named and warned of: failures, losses, stray samples."""

import numpy as np
import pytest

from support.phantoms import smooth_field, textured, whirl
from UncertainRegLib import backbones
from UncertainRegLib.backbones.competence import Competence
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.backbones.failures import FEWEST, TooManyFailedError
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    compose,
    identity,
    read_field,
    read_image,
    warp,
    write_image,
)
from UncertainRegLib.geometry.landmarks import write_points
from UncertainRegLib.jobs import Job, run, warnings
from UncertainRegLib.jobs.comparison import before_after
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.perturbations import Translation
from UncertainRegLib.posterior.strays import stray_samples
from UncertainRegLib.report.html import write_report
from UncertainRegLib.report.text import in_words
from UncertainRegLib.results.reader import read_result
from UncertainRegLib.results.record import Record, Samples
from UncertainRegLib.samplers import Dropout, Equivariance, Sample, create_sampler
from UncertainRegLib.studies import calibration

GRID = Grid.from_spacing((24, 28, 32), (2.0, 2.0, 2.0), (10, 20, -5), np.diag([-1.0, -1.0, 1.0]))
TRUTH = smooth_field(GRID, 2.0)


class Told(Backbone):
    """A registration that knows the answer; ``odd`` says what its calls do instead, by number."""

    facts = Facts("demons", "Told")

    def __init__(self, odd=None, answer=TRUTH):
        self.odd, self.answer, self.calls = odd or {}, answer, -1

    def register(self, fixed, moving):
        """The answer, displaced by a number of mm, or an error."""
        self.calls += 1
        what = self.odd.get(self.calls, 0.0)
        if isinstance(what, Exception):
            raise what
        return DisplacementField(self.answer.vectors + np.float32(what), self.answer.grid)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Runs a small pair with a backbone of this file: job(backbone, **changes) -> record."""
    moving = textured(GRID, seed=1)
    labels = np.zeros(GRID.shape, np.int16)
    labels[8:16, 10:20, 10:22] = 4
    images = {
        "moving": moving,
        "fixed": warp(moving, TRUTH, None),
        "moving_labels": Image(labels, GRID),
        "fixed_labels": warp(Image(labels, GRID), TRUTH, 0, "nearest"),
    }
    files = {name: str(tmp_path / f"{name}.nrrd") for name in images}
    for name, image in images.items():
        write_image(image, files[name])
    points = GRID.to_world(np.array([[14.0, 16, 12], [22, 20, 15]]))
    write_points(["a", "b"], points, tmp_path / "fixed.csv")
    write_points(["a", "b"], TRUTH.map(points), tmp_path / "moving.csv")
    files |= {f"{role}_points": str(tmp_path / f"{role}.csv") for role in ("fixed", "moving")}

    def start(backbone, report=None, **changes):
        monkeypatch.setattr(backbones, "create", lambda *args, **kwargs: backbone)
        return run(
            Job(
                **{
                    **files,
                    "out": str(tmp_path / "out"),
                    "samples": 6,
                    "perturbation": "translation",
                    "parameters": {"perturbation": {"fraction": 0.005}},
                    **changes,
                }
            ),
            report or Silent(),
        )

    start.out = tmp_path / "out"
    return start


def test_a_sample_whose_registration_fails_is_drawn_again_and_named(job):
    odd = {2: ValueError("The affine alignment failed."), 4: RuntimeError("It diverged"), 5: np.nan}
    record = job(Told(odd))
    samples = record["samples"]
    assert (record["status"], samples["finished"]) == ("complete", 6)
    assert samples["failed"]["count"] == 3
    assert samples["failed"]["reasons"]["The affine alignment failed."] == 1
    warned = next(text for text in record["warnings"] if "drawn again" in text)
    assert warned.startswith("3 registrations failed") and "The affine alignment failed" in warned


def test_too_many_failures_end_a_run_in_words(job):
    odd = {call: ValueError("It never works.") for call in range(1, 100)}
    with pytest.raises(TooManyFailedError, match=r"4 of 4 registrations .* It never works\. Try"):
        job(Told(odd))
    assert read_result(job.out)["status"] == "failed"


def test_a_disk_that_fills_up_is_named_and_nothing_is_called_complete(job, monkeypatch):
    from UncertainRegLib.results import writer

    write = writer._write

    def full(file, content):
        if content["samples"]["finished"]:
            raise OSError(28, "No space left on device", str(file))
        write(file, content)

    monkeypatch.setattr(writer, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        job(Told())
    assert read_result(job.out)["status"] == "partial"


def test_lack_of_memory_and_faults_of_a_program_are_no_failed_registrations():
    image = textured(GRID)
    for error in (RuntimeError("CUDA out of memory."), MemoryError(), TypeError("wrong")):
        sampler = Dropout(Told({1: error}))
        with pytest.raises(type(error)):
            list(sampler.sample(image, image, 4, np.random.default_rng(0)))


def test_failures_are_borne_as_long_as_most_succeed():
    """Repeated draws, and nested ones: draws of another perturbation are another group."""
    image = textured(GRID)
    odd = {call: ValueError("no") for call in (1, 3, 6)}
    found = list(Dropout(Told(odd)).sample(image, image, 6, np.random.default_rng(0)))
    assert len(found) == 6 and found[-1].of_all["failed"] == {"count": 3, "reasons": {"no": 3}}
    nested = Equivariance(Told(odd), Translation(0.01), 2)
    samples = list(nested.sample(image, image, 6, np.random.default_rng(0)))
    assert [sample.group for sample in samples] == [0, 1, 2, 2, 4, 4]
    for a in samples:
        for b in samples:
            assert (a.facts["shift_mm"] == b.facts["shift_mm"]) == (a.group == b.group)
    with pytest.raises(TooManyFailedError):
        list(
            Dropout(Told({n: ValueError("no") for n in range(1, 2 * FEWEST + 1)})).sample(
                image, image, 9, np.random.default_rng(0)
            )
        )


def test_a_failed_probe_shift_is_a_warning(job):
    record = job(Told({1: RuntimeError("Lost."), 2: np.nan}), competence=True, samples=2)
    assert record["status"] == "complete" and list(record["competence"]["followed"]) == ["10.0"]
    for words in ("shifted by 1 mm failed: Lost.", "shifted by 4 mm failed: The reg"):
        assert any(words in text for text in record["warnings"])


def calibrated(monkeypatch, odd, warps=3):
    monkeypatch.setattr(calibration, "probe", lambda *args: Competence({1.0: 1.0}, ()))
    backbone, image = Told(odd, identity(GRID)), textured(GRID)
    sampler = create_sampler("equivariance", backbone, "translation", {})
    return calibration.calibrate(
        backbone, sampler, image, image, 2, warps, np.random.default_rng(1)
    )


def test_a_simulated_warp_whose_registration_fails_is_drawn_again(monkeypatch):
    found = calibrated(monkeypatch, {1: ValueError("Lost.")})
    assert found["factor"] > 0 and found["warps"] == 3 and found["refused"] is None
    assert found["failed"] == {"count": 1, "reasons": {"Lost.": 1}}
    assert "1 of 4 simulated deformations could not be registered" in found["warning"]
    sample = calibrated(monkeypatch, {2: ValueError("Lost.")})
    assert sample["failed"]["count"] == 0 and sample["factor"] > 0
    assert "1 of their samples failed and were drawn again" in sample["warning"]


def test_a_calibration_is_refused_where_most_simulated_warps_fail(monkeypatch):
    found = calibrated(monkeypatch, {n: ValueError("Lost.") for n in range(1, 99)})
    assert found["factor"] is None and found["failed"]["count"] == FEWEST
    assert found["refused"].startswith("4 of 4 simulated deformations failed, the last one with: L")


def test_numbers_before_stand_beside_those_after(job):
    record = job(Told())
    found = record["before_after"]
    assert found["dice"]["before"] < found["dice"]["after"] == 1.0
    assert found["tre_mm"]["after"] < 1e-3 < 0.3 < found["tre_mm"]["before"]
    assert found["similarity"]["before"] < found["similarity"]["after"]
    row, point = record["labels"][0], record["landmarks"][0]
    assert row["dice_before"] == pytest.approx(found["dice"]["before"])
    assert row["dice"] == found["dice"]["after"]
    moved = np.linalg.norm(np.subtract(point["fixed_lps"], point["moving_lps"]))
    assert point["tre_before_mm"] == pytest.approx(moved, abs=1e-4) != point["tre_mm"]
    assert not any("worse" in text for text in record["warnings"])
    text = in_words(Record.from_dict(record), "out")
    page = write_report(job.out).read_text(encoding="utf-8")
    for part in (f"{found['dice']['before']:.3f} / 1.000", "the images as they lie"):
        assert part in text and part in page
    assert "Dice before" in text and "TRE before (mm)" in page


def test_a_landmark_that_no_sample_carries_is_blank_and_named(job):
    """The registration turns by 170 degrees around it: no step leads back from there."""
    twisted = whirl(GRID, TRUTH.map(GRID.to_world([[14.0, 16, 12]]))[0] + [0.0, 2.0, 0.0])
    record = job(Told(answer=twisted))
    lost, kept = record["landmarks"]
    assert lost["lost"] == 6 and lost["u_mm"] is lost["mean_lps"] is lost["tre_mm"] is None
    assert kept["lost"] == 0 and kept["tre_mm"] > 0
    (said,) = (text for text in record["warnings"] if "no answer" in text)
    assert "at a (6) the registration folds" in said and "b (" not in said
    page, text = write_report(job.out).read_text("utf-8"), in_words(Record.from_dict(record), "out")
    assert "1 landmark with a known truth" in page and "1 landmark with a known truth" in text


def test_a_registration_that_makes_things_worse_is_warned_of_before_the_first_sample(job):
    away = DisplacementField(-2 * TRUTH.vectors, GRID)
    events = []
    record = job(Told(answer=away), lambda event, **facts: events.append((event, facts)))
    worse = [text for text in record["warnings"] if "worse" in text]
    assert len(worse) == 1
    for words in ("mean Dice", "Dice of 4", "mean landmark error", "similarity"):
        assert words in worse[0]
    names = [name for name, facts in events]
    warned = next(n for n, (name, facts) in enumerate(events) if facts.get("text") == worse[0])
    assert warned < names.index("sample")


def test_similarity_also_holds_between_modalities_and_for_what_overlaps():
    fixed, moving = warp(textured(GRID, 1), TRUTH, None), textured(GRID, 1)
    inverted = Image(200 - moving.array, GRID)
    plain, other = (
        before_after(Inputs(fixed, image), TRUTH, GRID)["similarity"]
        for image in (moving, inverted)
    )
    assert plain["after"] == pytest.approx(other["after"], abs=0.02)
    assert other["after"] > other["before"] + 0.05
    far = Grid.from_spacing(GRID.shape, GRID.spacing, GRID.origin + 60, GRID.direction)
    assert before_after(Inputs(fixed, Image(moving.array, far)), TRUTH, GRID)["similarity"] is None


def test_masked_images_may_begin_with_the_centres_of_their_masks_together():
    """As the images lie they are far apart; a registration worse than the centres is named."""
    image, mask = textured(GRID, 1), np.zeros(GRID.shape, np.uint8)
    mask[8:16, 8:20, 8:24] = 1
    shift = np.array([6.0, -4.0, 2.0])
    shifted = Grid.from_spacing(GRID.shape, GRID.spacing, GRID.origin + shift, GRID.direction)
    points = GRID.to_world(np.array([[14.0, 16, 12], [20, 14, 11]]))
    inputs = Inputs(
        Image(image.array, GRID, mask),
        Image(image.array, shifted, mask),
        fixed_points=points,
        moving_points=points + shift,
    )
    half = identity(GRID)
    half.vectors[...] = 0.5 * shift
    found = before_after(inputs, half, GRID)
    assert found["tre_mm"]["centred"] == pytest.approx(0, abs=1e-4)
    assert found["tre_mm"]["before"] > found["tre_mm"]["after"] > 1
    said = warnings.of_loss(found, {})
    assert len(said) == 1 and "centres of the two masks" in said[0]


def noise_of(scale, n=16, seed=2):
    generator = np.random.default_rng(seed)
    modes = generator.normal(size=(6, 50, 3))
    return [scale * np.tensordot(generator.normal(size=6), modes, 1) for _ in range(n)]


def test_one_sample_far_from_the_others_is_stray():
    samples = noise_of(0.23)  # u of 1 mm
    assert stray_samples(samples, 1.0) == {}
    samples[5] = samples[5] + [8.9, 0, 0]
    found = stray_samples(samples, 1.0)
    assert list(found) == [5] and found[5] == pytest.approx(8.9, abs=1.0)
    assert stray_samples(samples, 20.0) == {}  # a distance that does not matter
    assert stray_samples(samples[4:8], 1.0) == {}  # of four none is the odd one
    assert stray_samples(samples[:1] * 12 + samples[4:6], 1.0) == {}  # copies are no majority


def test_normal_samples_are_seldom_called_stray():
    calls = sum(bool(stray_samples(noise_of(1.0, seed=seed), 0.0)) for seed in range(200))
    assert calls <= 2


def test_maps_and_tables_are_kept_with_and_without_a_stray_sample(job):
    record = job(Told({4: 15.0}), samples=8)  # call 0 registers the pair: sample number 3
    entry, status = record["without_strays"], record["samples"]["status"]
    assert entry["left_out"] == [3] and status[3]["stray"]
    assert status[3]["from_median_mm"] == pytest.approx(15 * 3**0.5, rel=0.1)
    assert sum("stray" in one for one in status) == 1
    kept = [
        read_field(job.out / name).vectors
        for n, name in enumerate(record["samples"]["files"])
        if n != 3
    ]
    expected = np.sqrt(np.stack(kept).astype(float).var(axis=0).sum(-1))
    u, plain = (
        read_image(job.out / maps["uncertainty_mm"]["file"]).array
        for maps in (entry["maps"], record["maps"])
    )
    assert np.allclose(u, expected, atol=2e-3) and np.median(plain) > 5 * np.median(u)
    assert "jacobian" not in entry["maps"]  # that of the registration, no sample's
    for name in ("labels", "landmarks"):
        assert len(entry[name]) == len(record[name])
    width, robust = (
        rows[0]["volume_high_ml"] - rows[0]["volume_low_ml"]
        for rows in (record["labels"], entry["labels"])
    )
    assert robust < width and entry["best_sample"] != 3
    warned = next(text for text in record["warnings"] if "far from the others" in text)
    assert "4 (2" in warned and f"{np.median(u):.2f}" in warned
    page = write_report(job.out).read_text(encoding="utf-8")
    assert "Without stray samples" in page


def test_without_stray_samples_there_is_one_result(job):
    record = job(Told(), samples=8)
    assert record["without_strays"] is None
    assert not list((job.out / "maps").glob("*strays*"))


def test_a_sample_off_the_registration_is_warned_of_at_once_and_once(job):
    events = []
    record = job(
        Told({1: 12.0, 2: 12.0, 3: 12.0}), lambda event, **facts: events.append((event, facts))
    )
    said = [
        n
        for n, (name, facts) in enumerate(events)
        if name == "warning" and "gone astray" in facts["text"]
    ]
    samples = [n for n, (name, facts) in enumerate(events) if name == "sample"]
    assert len(said) == 1 and said[0] < samples[0]
    assert "Sample 1 lies 20." in events[said[0]][1]["text"]
    assert sum("gone astray" in text for text in record["warnings"]) == 1


def test_a_perturbation_that_is_not_followed_explains_a_distance():
    """A blind registration is off by what the perturbation moved; no other answer is that."""
    sample = Sample(TRUTH, facts={"moved_mm": 5.0})
    assert warnings.of_one_sample(1, sample, 9.0, GRID) == []  # and two voxels of noise
    assert "5.0 mm by which" in warnings.of_one_sample(1, sample, 9.1, GRID)[0]
    undisturbed, limit = Sample(TRUTH), 0.05 * GRID.extent_mm.mean()
    assert warnings.of_one_sample(1, undisturbed, limit - 0.1, GRID) == []
    assert "a twentieth" in warnings.of_one_sample(3, undisturbed, limit + 0.1, GRID)[0]


def test_answers_that_do_not_depend_on_the_moving_image_are_warned_of(job):
    """A network that answers zero agrees with itself as well as the best one would."""
    record = job(Told())
    (said,) = [text for text in record["warnings"] if "gives the same answer" in text]
    assert "`backbones verify`" in said


def test_answers_that_depend_on_it_are_not():
    blind = [{"moved_mm": 4.0, "changed_mm": 0.0}] * 3
    assert warnings.of_unnoticed(blind)
    assert warnings.of_unnoticed([*blind, {"moved_mm": 4.0, "changed_mm": 0.4}]) == []
    assert warnings.of_unnoticed(blind[:1]) == []  # nothing to compare
    assert warnings.of_unnoticed([{}, {}]) == []  # of another way of sampling
    assert warnings.of_unnoticed([{"moved_mm": 0.0, "changed_mm": 0.0}] * 3) == []
    seeing = {"moved_mm": 4.0, "changed_mm": 4.0, "member": "demons"}
    blind = [{**one, "member": "net"} for one in blind]
    (said,) = warnings.of_unnoticed([*blind, seeing, seeing])  # of a committee: each by itself
    assert said.startswith("net gives the same answer")


def test_perturbations_say_how_far_they_move_the_image():
    image = textured(GRID)
    sample = next(
        Equivariance(Told(), Translation(0.05)).sample(image, image, 1, np.random.default_rng(0))
    )
    assert sample.facts["moved_mm"] == pytest.approx(
        np.linalg.norm(sample.facts["shift_mm"]), rel=1e-5
    )
    undone = compose(identity(GRID), sample.field)
    assert np.allclose(undone.vectors, sample.field.vectors, atol=1e-4)


def test_the_raw_effective_number_is_warned_of():
    samples = {
        "proposals": 1200,
        "finished": 16,
        "ess_raw": 1.0,
        "ess_tempered": 600.0,
        "tempering_exponent": 0.01,
    }
    said = warnings.of_weights(Samples.from_dict(samples))
    assert len(said) == 1
    for words in ("Of 1200", "on 1.0 ", "exponent of 0.01", "600.0"):
        assert words in said[0]
    assert warnings.of_weights(Samples.from_dict({**samples, "ess_raw": 16.0})) == []
    assert warnings.of_weights(Samples(finished=16)) == []
