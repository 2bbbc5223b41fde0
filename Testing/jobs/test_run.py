"""Runs from files to result folder: complete, cancelled, failed, and with bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import smooth_field, textured
from UncertainRegLib import backbones
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import (
    Grid,
    Image,
    identity,
    invert_at,
    read_field,
    read_image,
    read_labels,
    warp,
    write_image,
)
from UncertainRegLib.geometry.landmarks import read_points, write_points
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.jobs.inputs import read_inputs
from UncertainRegLib.perturbations import FAMILIES, PAPER
from UncertainRegLib.results.reader import read_result

MAIN = os.path.join(os.path.dirname(backbones.__file__), "..", "__main__.py")
GRID = Grid.from_spacing((36, 40, 44), (1.5, 1.5, 1.5), (10, 20, -5), np.diag([-1.0, -1.0, 1.0]))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A small pair with known truth: files, and the true field."""
    folder = tmp_path_factory.mktemp("pair")
    truth = smooth_field(GRID, 2.0)
    moving = textured(GRID, seed=1)
    labels = np.zeros(GRID.shape, np.int16)
    labels[moving.array > 30] = 4
    labels[8:20, 10:25, 10:22] = 9
    images = {
        "moving": moving,
        "fixed": warp(moving, truth, None),
        "moving_labels": Image(labels, GRID),
        "fixed_labels": warp(Image(labels, GRID), truth, 0, "nearest"),
    }
    for name, image in images.items():
        write_image(image, folder / f"{name}.nrrd")
    points = GRID.to_world(np.array([[14.0, 16, 15], [22, 20, 18], [26, 24, 14]]))
    write_points(["a", "b", "c"], points, folder / "fixed_points.csv")
    write_points(["a", "b", "c"], truth.map(points), folder / "moving_points.csv")
    return folder, truth, points


def job_of(folder, out, **changes):
    files = {
        name: str(folder / f"{name}.nrrd")
        for name in ("fixed", "moving", "moving_labels", "fixed_labels")
    }
    files |= {name: str(folder / f"{name}.csv") for name in ("moving_points", "fixed_points")}
    return Job(
        **{
            **files,
            "out": str(out),
            "samples": 4,
            "label_names": {"9": "Box"},
            "parameters": {"backbone": {"affine": False}},
            **changes,
        }
    )


def files_of(record):
    names = [
        record["transform"],
        record["mean_transform"],
        record["warped"],
        record["warped_labels"],
        record["covariance"],
        *record["samples"]["files"],
        *(m["file"] for m in record["maps"].values()),
    ]
    return [name for name in names if name]


@pytest.fixture(scope="module")
def finished(pair, tmp_path_factory):
    folder, truth, points = pair
    out = tmp_path_factory.mktemp("run") / "result"
    events = []
    run(job_of(folder, out), lambda event, **facts: events.append((event, facts)))
    return out, events, truth, points


def test_complete_run_finds_the_known_truth(finished):
    out, _, truth, _points = finished
    record = read_result(out)
    assert record["status"] == "complete"
    assert record["error"] is None
    assert record["parameters"] == {
        "perturbation": "deform",
        "settings": {"backbone": {"affine": False}},
    }
    field = read_field(out / record["transform"])
    assert field.grid == GRID
    inside = read_image(out / "warped_moving.nrrd").array > 30
    assert np.linalg.norm(field.vectors - truth.vectors, axis=-1)[inside].mean() < 0.6
    uncertainty = read_image(out / record["maps"]["uncertainty_mm"]["file"])
    assert uncertainty.grid == GRID
    assert 0 < uncertainty.array[inside].mean() < 3
    assert all((out / name).is_file() for name in files_of(record))
    assert sorted(p.name for p in (out / "maps").iterdir()) == sorted(
        os.path.basename(m["file"]) for m in record["maps"].values()
    )


def test_maps_agree_with_the_kept_samples(finished):
    """The map equals the covariance of the samples in the folder, computed the plain way."""
    out, *_ = finished
    record = read_result(out)
    samples = [read_field(out / name) for name in record["samples"]["files"]]
    u = read_image(out / record["maps"]["uncertainty_mm"]["file"])
    # the pair is small: samples have the voxels of the fixed grid, with a margin around it
    assert np.allclose(samples[0].grid.affine[:3, :3], u.grid.affine[:3, :3])
    vectors = np.stack([sample.resample(u.grid).vectors for sample in samples]).astype(float)
    assert np.allclose(u.array, np.sqrt(vectors.var(axis=0).sum(-1)), atol=2e-3)


def test_label_maps_say_what_they_are_of(finished):
    """In all and of the samples alone: the second is part of the entropy of the samples."""
    out, *_ = finished
    maps = read_result(out)["maps"]
    assert "50 % by the samples" in maps["label_entropy"]["meaning"]
    assert "1.25 mm" in maps["label_entropy"]["meaning"]
    assert "0 where all agree" in maps["label_information"]["meaning"]
    entropy, information = (
        read_image(out / maps[name]["file"]).array
        for name in ("label_entropy", "label_information")
    )
    assert 0 == information.min() < information.max() <= np.log(2) + 1e-3  # one label, background
    assert (entropy > 0.1).sum() > (information > 0.1).sum() > 0


def test_tables(finished):
    out, _, _truth, points = finished
    record = read_result(out)
    assert {row["name"] for row in record["labels"]} == {"4", "Box"}
    for row in record["labels"]:
        assert row["dice"] > 0.8
        assert row["volume_low_ml"] <= row["volume_ml"] <= row["volume_high_ml"]
        assert np.isfinite(row["u_p95_mm"])
    assert [row["label"] for row in record["landmarks"]] == ["a", "b", "c"]
    for row, point in zip(record["landmarks"], points):
        assert row["tre_mm"] < 1.0
        assert np.linalg.norm(np.array(row["mean_lps"]) - point) < 1.5
        assert row["inside95"] is row["axes_mm"] is None  # four samples span no such region


def test_landmarks_outside_their_image_are_in_no_mean(pair, tmp_path):
    """The error of the others is what it is without them."""
    folder, *_ = pair
    names, points = read_points(folder / "fixed_points.csv")
    write_points([*names, "far"], [*points, [500, 500, 500]], tmp_path / "fixed.csv")
    names, points = read_points(folder / "moving_points.csv")
    write_points([*names, "far"], [*points, [11.0, 22, 3]], tmp_path / "moving.csv")
    files = {f"{role}_points": str(tmp_path / f"{role}.csv") for role in ("fixed", "moving")}
    inputs = read_inputs(job_of(folder, tmp_path / "out", **files))
    assert inputs.known_points.tolist() == [True, True, True, False]
    assert any("outside the fixed image" in text and "far" in text for text in inputs.notes)


@pytest.mark.parametrize(
    ("factor", "flip", "said"),
    [
        (1.0, False, False),
        (2.0, False, True),
        (0.5, False, True),
        (1.009, False, True),
        (1.00005, True, False),
    ],
)
def test_a_mask_on_other_voxels_is_said(pair, tmp_path, factor, flip, said):
    """Not one that lies on some of the voxels of its image, as Slicer crops them, nor a rounded one."""
    folder, *_ = pair
    spacing, origin = GRID.spacing * factor, GRID.to_world([2.0, 1.0, 3.0])
    direction = GRID.direction * (-1 if flip else 1)
    origin = GRID.to_world([30.0, 30.0, 30.0]) if flip else origin
    grid = Grid.from_spacing((20, 20, 20), spacing, origin, direction)
    write_image(Image(np.ones(grid.shape, np.uint8), grid), tmp_path / "mask.nrrd")
    job = job_of(folder, tmp_path / "out", moving_mask=str(tmp_path / "mask.nrrd"))
    assert any("has other voxels" in text for text in read_inputs(job).notes) == said


def test_without_a_landmark_inside_the_structures_tell_the_nearest_sample(pair, tmp_path):
    folder, *_ = pair
    write_points(["far"], np.array([[500.0, 500, 500]]), tmp_path / "far.csv")
    files = {f"{role}_points": str(tmp_path / "far.csv") for role in ("fixed", "moving")}
    record = run(job_of(folder, tmp_path / "out", samples=4, **files), Silent())
    assert record["oracle_sample"] is not None


def test_what_is_given_twice_or_on_other_voxels_is_said(pair, tmp_path):
    folder, *_ = pair
    coarse = GRID.resized([n // 2 for n in GRID.shape])
    write_image(Image(np.ones(coarse.shape, np.uint8), coarse), tmp_path / "mask.nrrd")
    twice = {f"{role}_points": str(folder / "moving_points.csv") for role in ("fixed", "moving")}
    twice |= {f"{role}_labels": str(folder / "fixed_labels.nrrd") for role in ("fixed", "moving")}
    job = job_of(folder, tmp_path / "out", **twice, moving_mask=str(tmp_path / "mask.nrrd"))
    notes = read_inputs(job).notes
    assert sum("overlaps and distances by it mean nothing" in text for text in notes) == 2
    assert sum("has other voxels than" in text and "mask.nrrd" in text for text in notes) == 1
    assert not read_inputs(job_of(folder, tmp_path / "out")).notes


def test_numbers_that_mean_nothing_are_warned_of_or_blank(pair, tmp_path, capsys):
    """A landmark and a structure off the moving image; two samples span no ellipsoid."""
    from UncertainRegLib.__main__ import main

    folder, *_ = pair
    for role in ("fixed", "moving"):
        names, points = read_points(folder / f"{role}_points.csv")
        write_points([*names, "far"], [*points, [500, 500, 500]], tmp_path / f"{role}.csv")
    labels = read_labels(folder / "moving_labels.nrrd")
    array = np.zeros((60, *GRID.shape[1:]), np.uint8)  # reaches beyond the image
    array[:36], array[45:50, 10:20, 10:20] = labels.array, 7
    grid = Grid.from_spacing(array.shape, GRID.spacing, GRID.origin, GRID.direction)
    write_image(Image(array, grid), tmp_path / "labels.nrrd")
    files = {name: folder / f"{name}.nrrd" for name in ("fixed", "moving", "fixed_labels")}
    files |= {
        "moving_labels": tmp_path / "labels.nrrd",
        "out": tmp_path / "out",
        **{f"{role}_points": tmp_path / f"{role}.csv" for role in ("fixed", "moving")},
    }
    options = [
        text for name, file in files.items() for text in (f"--{name.replace('_', '-')}", str(file))
    ]
    assert main(["run", *options, "--samples", "2"]) == 0
    out, err = capsys.readouterr()
    assert (
        "3 landmarks with a known truth: mean error (TRE, in the fixed space)" in out
        and "ellipsoid" not in out
    )
    assert "outside the moving image, so their numbers mean nothing: far." in err
    assert "outside the fixed image, so their numbers mean nothing: far." in err
    assert "not in the registered image, so their numbers mean nothing: 7." in err
    record = read_result(tmp_path / "out")
    assert sum("mean nothing" in text for text in record["warnings"]) == 3
    assert all(row["axes_mm"] is row["inside95"] is None for row in record["landmarks"])
    for command in (["evaluate", "result"], ["report"]):
        assert main([*command, str(tmp_path / "out")]) == 0
    for text in (capsys.readouterr().out, (tmp_path / "out" / "report.html").read_text("utf-8")):
        assert "the ellipsoid that would hold" not in text
    pytest.importorskip("PIL")
    assert main(["report", str(tmp_path / "out"), "--picture", str(tmp_path / "p.png")]) == 0


def test_landmarks_are_carried_by_the_inverse(finished):
    out, *_ = finished
    record = read_result(out)
    row = record["landmarks"][0]
    mapped = [
        invert_at(
            read_field(out / name), np.array([row["moving_lps"]], np.float32), tolerance_mm=1e-3
        )[0][0]
        for name in record["samples"]["files"]
    ]
    assert np.allclose(np.mean(mapped, axis=0), row["mean_lps"], atol=0.01)


def test_events_tell_a_story(finished):
    _, events, *_ = finished
    names = [name for name, _ in events]
    assert names.index("preflight") < names.index("sample")
    assert [facts["finished"] for name, facts in events if name == "sample"] == [1, 2, 3, 4]
    assert names[-1] == "finished"
    preflight = dict(events)["preflight"]
    assert preflight["device"] == "cpu"
    assert preflight["memory_mb"] > 100


def test_same_seed_same_result(pair, tmp_path):
    folder, *_ = pair
    fields = []
    for name in ("one", "two"):
        run(
            job_of(
                folder,
                tmp_path / name,
                samples=2,
                moving_labels="",
                fixed_labels="",
                moving_points="",
                fixed_points="",
            ),
            Silent(),
        )
        fields.append(read_field(tmp_path / name / "samples/sample-0001.nrrd").vectors)
    assert np.abs(fields[0] - fields[1]).max() < 1e-3


def worker(arguments, **kwargs):
    return subprocess.Popen(
        [sys.executable, MAIN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **kwargs,
    )


@pytest.mark.parametrize("how", ["file", "signal"])
def test_cancel_keeps_a_valid_partial_result_and_no_process(pair, tmp_path, how):
    folder, *_ = pair
    out, job_file = tmp_path / "out", tmp_path / "job.json"
    job_file.write_text(json.dumps(job_of(folder, out, samples=500).as_dict()), "utf-8")
    process = worker(["run", "--job", str(job_file), "--progress", "json"])
    pid = json.loads(process.stdout.readline())["pid"]
    assert pid == process.pid
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "sample" and event["finished"] == 3:
            if how == "file":
                (out / "cancel").touch()
            else:
                os.kill(pid, signal.SIGTERM)
            break
    rest = [json.loads(line) for line in process.stdout]
    assert process.wait() == 130
    assert rest[-1] == {
        "event": "finished",
        "status": "partial",
        "result": str(out / "result.json"),
    }
    record = read_result(out)
    assert record["status"] == "partial"
    assert 3 <= record["samples"]["finished"] < 500
    assert len(record["samples"]["files"]) == record["samples"]["finished"]
    assert all((out / name).is_file() for name in files_of(record))
    assert not (out / "cancel").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_killed_worker_leaves_its_last_snapshot_whole(pair, tmp_path):
    folder, *_ = pair
    out, job_file = tmp_path / "out", tmp_path / "job.json"
    job_file.write_text(json.dumps(job_of(folder, out, samples=500).as_dict()), "utf-8")
    process = worker(["run", "--job", str(job_file), "--progress", "json"])
    for line in process.stdout:
        if json.loads(line)["event"] == "snapshot":
            break
    time.sleep(0.3)
    process.kill()
    process.wait()
    record = read_result(out)
    assert record["status"] == "partial"
    assert record["maps"]["uncertainty_mm"]
    assert all((out / name).is_file() for name in files_of(record))


def test_a_run_stops_when_its_parent_is_gone(pair, tmp_path):
    if os.name != "posix":
        pytest.skip("not watched on Windows")
    folder, *_ = pair
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    record = run(job_of(folder, tmp_path / "out", samples=50, parent_pid=ended.pid), Silent())
    assert record["status"] == "partial"
    assert record["samples"]["finished"] == 0
    assert read_result(tmp_path / "out")["maps"] == {}


def test_cancel_before_the_worker_made_its_folder(pair, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "cancel").touch()
    record = run(job_of(pair[0], out), Silent())
    assert (record["status"], record["samples"]["finished"]) == ("partial", 0)


def test_preflight_says_minutes_and_leaves_nothing(pair, tmp_path, capsys):
    from UncertainRegLib.__main__ import main

    folder, *_ = pair
    code = main(
        [
            "run",
            "--fixed",
            str(folder / "fixed.nrrd"),
            "--moving",
            str(folder / "moving.nrrd"),
            "--out",
            str(tmp_path / "o"),
            "--preflight",
            "--progress",
            "json",
        ]
    )
    assert code == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    preflight = next(event for event in events if event["event"] == "preflight")
    assert preflight["minutes"] > 0
    assert not [event for event in events if event["event"] == "sample"]
    assert not (tmp_path / "o").exists()


def test_preflight_leaves_a_folder_that_was_there(pair, tmp_path):
    out = tmp_path / "o"
    out.mkdir()
    run(job_of(pair[0], out), Silent(), preflight_only=True)
    assert out.is_dir() and not any(out.iterdir())


class Stuck(Backbone):
    """A registration that sees nothing."""

    facts = Facts("demons", "Stuck")

    def register(self, fixed, moving):
        """Identity."""
        return identity(fixed.grid)


def test_an_incompetent_backbone_is_named_in_the_result(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "create", lambda *args, **kwargs: Stuck())
    job = job_of(pair[0], tmp_path / "out", samples=2, competence=True, parameters={})
    record = run(job, Silent())
    assert record["competence"]["followed"] == {"1.0": 0.0, "4.0": 0.0, "10.0": 0.0}
    assert any("Stuck" in text for text in record["warnings"])


def test_out_of_memory_steps_down_and_says_so(pair, tmp_path, monkeypatch):
    from UncertainRegLib.backbones.demons import Demons

    folder, *_ = pair
    original = Demons.prepare

    def starved(self, fixed, moving):
        if self.voxels > 300_000:
            raise RuntimeError("Failed to allocate memory for image.")
        return original(self, fixed, moving)

    monkeypatch.setattr(Demons, "prepare", starved)
    record = run(job_of(folder, tmp_path / "out", samples=2), Silent())
    assert record["status"] == "complete"
    assert sum("halved" in text for text in record["warnings"]) == 2


def test_lack_of_memory_while_the_backbone_is_made_steps_down_too(pair, tmp_path, monkeypatch):
    folder, *_ = pair
    original, made = backbones.create, []

    def starved(name, device="cpu", **settings):
        made.append(settings.get("voxels"))
        if len(made) == 2:  # the first one tells only whether the job can be done
            raise MemoryError
        return original(name, device, **settings)

    monkeypatch.setattr(backbones, "create", starved)
    record = run(job_of(folder, tmp_path / "out", samples=2, parameters={}), Silent())
    assert record["status"] == "complete" and made[2] == original("demons").voxels // 2
    assert sum("halved" in text for text in record["warnings"]) == 1


def test_a_network_that_runs_out_of_gpu_memory_goes_on_on_the_cpu(pair, tmp_path, monkeypatch):
    """Its grid is fixed, so there is nothing to halve."""
    from UncertainRegLib.backbones.clapirn import ConditionalLapIRN
    from UncertainRegLib.jobs import run as of_run

    class Network(ConditionalLapIRN):
        facts = Facts("demons", "A network")

        def prepare(self, fixed, moving):
            if self.device == "cuda":
                raise RuntimeError("CUDA out of memory.")
            return fixed, moving

        def register(self, fixed, moving):
            return identity(fixed.grid)

    monkeypatch.setattr(backbones, "create", lambda name, device, **_: Network(device=device))
    monkeypatch.setattr(sys.modules[of_run.__module__], "choose_device", lambda *_: "cuda")
    record = run(job_of(pair[0], tmp_path / "out", samples=2, parameters={}), Silent())
    assert (record["status"], record["device"]) == ("complete", "cpu")
    assert any("goes on on the CPU" in text for text in record["warnings"])


def test_a_failing_run_is_labelled(pair, tmp_path, monkeypatch):
    from UncertainRegLib.samplers import Equivariance

    def broken(self, *args):
        raise RuntimeError("the method fell over")
        yield

    folder, *_ = pair
    monkeypatch.setattr(Equivariance, "sample", broken)
    with pytest.raises(RuntimeError):
        run(job_of(folder, tmp_path / "out"), Silent())
    record = read_result(tmp_path / "out")
    assert (record["status"], record["error"]) == ("failed", "the method fell over")


# --- bad input: one sentence that names the file, exit code 1, nothing that looks whole ---


def write_raw(array, path, spacing=(1.0, 1.0, 1.0), vector=False, origin=(0.0, 0.0, 0.0)):
    image = sitk.GetImageFromArray(array, isVector=vector)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def make_bad(kind, path):
    """Write a bad image; returns words its sentence must contain."""
    if kind == "missing":
        return "no such file"
    if kind == "empty file":
        path.write_bytes(b"")
        return "cannot be read"
    if kind == "not an image":
        path.write_text("hello", "utf-8")
        return "cannot be read"
    if kind == "truncated":
        write_raw(noise(20, 20, 20), path)
        path.write_bytes(path.read_bytes()[:9000])
        return "damaged or truncated"
    if kind == "constant":
        write_raw(np.full((20, 20, 20), 7, np.float32), path)
        return "empty"
    if kind == "NaN":
        array = noise(20, 20, 20)
        array[3, 4, 5] = np.nan
        write_raw(array, path)
        return "NaN"
    if kind == "singleton":
        write_raw(noise(1, 20, 20), path)
        return "3D volume"
    if kind == "2D":
        sitk.WriteImage(sitk.GetImageFromArray(noise(20, 20)), str(path))
        return "2 dimensions"
    if kind == "4D":
        sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(noise(9, 9, 9))] * 3), str(path))
        return "4 dimensions"
    if kind == "vector":
        write_raw(noise(9, 9, 9, 3), path, vector=True)
        return "3 values per voxel"
    if kind in ("label map", "label map of floats"):
        kind_of_value = np.float32 if "floats" in kind else np.uint8
        write_raw((noise(20, 20, 20) > 0).astype(kind_of_value), path)
        return "looks like a segmentation"
    if kind == "metres":
        write_raw(noise(20, 20, 20), path, (0.001, 0.001, 0.001))
        return "millimetres"
    if kind == "far away":
        write_raw(noise(20, 20, 20), path, origin=(900.0, 0.0, 0.0))
        return "do not overlap"
    if kind == "huge":
        header = (
            "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\n"
            "sizes: 4000 4000 4000\nspace directions: (0.1,0,0) (0,0.1,0) (0,0,0.1)\n"
            "space origin: (0,0,0)\nencoding: raw\n\n"
        )
        path.write_bytes(header.encode())
        return "crop or resample"
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "empty file",
        "not an image",
        "truncated",
        "constant",
        "NaN",
        "singleton",
        "2D",
        "4D",
        "vector",
        "label map",
        "label map of floats",
        "metres",
        "far away",
        "huge",
    ],
)
@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_bad_images(pair, tmp_path, capsys, kind, role):
    from UncertainRegLib.__main__ import main

    folder, *_ = pair
    bad = tmp_path / "bad.nrrd"
    words = make_bad(kind, bad)
    files = {"fixed": folder / "fixed.nrrd", "moving": folder / "moving.nrrd", role: bad}
    out = tmp_path / "out"
    code = main(
        [
            "run",
            "--fixed",
            str(files["fixed"]),
            "--moving",
            str(files["moving"]),
            "--out",
            str(out),
            "--progress",
            "none",
        ]
    )
    err = capsys.readouterr().err.strip()
    assert code == 1
    assert words in err
    assert "bad.nrrd" in err
    assert len(err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize("name", ["bad.nii", "bad.nii.gz"])
@pytest.mark.parametrize("reader", [read_image, read_labels])
def test_a_nifti_file_is_read_whole_or_refused(tmp_path, name, reader):
    """ITK alone fills the missing half with zeros, and reads NaN as 0."""
    path, array = tmp_path / name, np.round(9 * noise(20, 20, 20) ** 2)
    for values in (array, array.astype(np.int16)):
        write_raw(values, path)
        assert np.array_equal(reader(path).array, values)
        whole = path.read_bytes()
        for end in (len(whole) // 2, -1):
            path.write_bytes(whole[:end])
            with pytest.raises(ValueError, match="damaged or truncated"):
                reader(path)
    array[3, 4, 5] = np.nan
    write_raw(array, path)
    with pytest.raises(ValueError, match="1 voxels are NaN"):
        reader(path)


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("moving_labels", noise(36, 40, 44), "fractional values"),
        ("moving_labels", np.zeros((36, 40, 44), np.uint8), "no labelled voxel"),
        ("moving_labels", -np.ones((36, 40, 44), np.int16), "negative labels"),
        ("moving_mask", noise(36, 40, 44), "fractional values"),
    ],
)
def test_bad_segmentations(pair, tmp_path, option, content, words):
    folder, *_ = pair
    image = Image(content, GRID)
    write_image(image, tmp_path / "bad.nrrd")
    with pytest.raises(ValueError, match=words):
        run(job_of(folder, tmp_path / "out", **{option: str(tmp_path / "bad.nrrd")}), Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,x,y,z\n", "no landmark"),
        ("a,1,2\n", "four columns"),
        ("a,1,2,nan\n", "no landmark"),
        ("a,1,2,three\nb,1,2,x\n", r"1, 2, three is not a position of three numbers"),
        ("\x00\x01", "cannot be read"),
        (b"\xff\xfe\x00\xd8", r"cannot be read as landmarks \(it is no text\)"),
        ("a,-12,-22,1O\nb,-10,-20,15\n", r"cannot be read as landmarks .*1O"),
    ],
)
def test_bad_landmarks(pair, tmp_path, text, words):
    folder, *_ = pair
    (tmp_path / "p.csv").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(ValueError, match=words):
        run(job_of(folder, tmp_path / "out", moving_points=str(tmp_path / "p.csv")), Silent())


def test_an_unpaired_landmark_is_named_and_not_judged(pair, tmp_path):
    folder, *_ = pair
    names, points = read_points(folder / "fixed_points.csv")
    write_points(names[:2], points[:2], tmp_path / "p.csv")
    record = run(
        job_of(folder, tmp_path / "out", samples=2, fixed_points=str(tmp_path / "p.csv")), Silent()
    )
    assert [row["tre_mm"] is None for row in record["landmarks"]] == [False, False, True]
    assert record["oracle_sample"] is not None
    assert any("error is not known: c." in text for text in record["warnings"])
    points[:] = np.nan
    points[0] = GRID.center
    write_points(names, points, tmp_path / "p.csv")  # the others were never placed
    record = run(
        job_of(
            folder,
            tmp_path / "two",
            samples=2,
            moving_points=str(tmp_path / "p.csv"),
            fixed_points=str(folder / "fixed_points.csv"),
        ),
        Silent(),
    )
    assert [row["label"] for row in record["landmarks"]] == ["a"]
    assert any("left out: b, c." in text for text in record["warnings"])


@pytest.mark.parametrize("role", ["fixed_points", "moving_points"])
def test_a_landmark_name_that_pairs_twice_is_named(pair, tmp_path, role):
    folder, *_ = pair
    names, points = read_points(folder / f"{role}.csv")
    write_points([*names, "b"], [*points, points[0]], tmp_path / "p.csv")
    with pytest.raises(ValueError, match=r"p\.csv: .* more than one landmark named 'b'"):
        run(job_of(folder, tmp_path / "out", **{role: str(tmp_path / "p.csv")}), Silent())


def test_a_result_is_never_overwritten(finished, pair):
    out, *_ = finished
    with pytest.raises(ValueError, match="not empty"):
        run(job_of(pair[0], out), Silent())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples": 1}, "samples is 1"),
        ({"seed": -1}, "seed"),
        ({"backbone": "x"}, "choose one of"),
        ({"perturbation": "x"}, "choose one of"),
        ({"method": "x"}, "choose one of"),
        ({"moving": ""}, "moving"),
        ({"parameters": {"backbone": {"speed": 1}}}, "speed"),
        ({"parameters": {"spine": {}}}, "unknown entries"),
    ],
)
def test_bad_jobs(pair, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        run(job_of(pair[0], tmp_path / "out", **changes), Silent())
    assert not (tmp_path / "out").exists()


def test_usage_is_code_2():
    for options in (["--samples", "many"], ["--fixed", "f.nrrd"]):
        process = worker(["run", *options])
        assert process.wait() == 2
    assert "are required: --moving, --out" in process.stderr.read()


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ("there.mrb", "is there already"),
        ("missing/s.mrb", "No such file or directory"),
        ("there.mrb/s.mrb", "Not a directory"),
        ("s.mrml", "ends in .mrb"),
    ],
)
def test_a_scene_that_cannot_be_written_is_refused_before_the_run(
    pair, tmp_path, capsys, scene, words
):
    from UncertainRegLib.__main__ import main

    (tmp_path / "there.mrb").write_text("mine", "utf-8")
    code = main(
        [
            "run",
            "--fixed",
            str(pair[0] / "fixed.nrrd"),
            "--moving",
            str(pair[0] / "moving.nrrd"),
            "--out",
            str(tmp_path / "out"),
            "--samples",
            "2",
            "--scene",
            str(tmp_path / scene),
        ]
    )
    error = capsys.readouterr().err
    assert code == 1 and words in error and str(tmp_path / scene) in error
    assert [item.name for item in tmp_path.iterdir()] == ["there.mrb"]
    assert (tmp_path / "there.mrb").read_text("utf-8") == "mine"


def test_the_help_names_the_perturbation_families(capsys, monkeypatch):
    from UncertainRegLib.__main__ import main

    monkeypatch.setenv("COLUMNS", "200")  # lines break at hyphens
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    words = capsys.readouterr().out.replace(",", "").split()
    assert {*FAMILIES, *PAPER} <= set(words)


def test_a_scene_may_lie_in_the_new_result_folder(pair, tmp_path):
    pytest.importorskip("slicer")
    from UncertainRegLib.__main__ import main

    assert (
        main(
            [
                "run",
                "--fixed",
                str(pair[0] / "fixed.nrrd"),
                "--moving",
                str(pair[0] / "moving.nrrd"),
                "--out",
                str(tmp_path / "out"),
                "--samples",
                "2",
                "--scene",
                str(tmp_path / "out" / "scene.mrb"),
                "--progress",
                "none",
            ]
        )
        == 0
    )
    assert (tmp_path / "out" / "scene.mrb").stat().st_size > 1000


def test_a_job_file_goes_without_other_options(pair, tmp_path, capsys):
    from UncertainRegLib.__main__ import main

    file = tmp_path / "job.json"
    file.write_text(json.dumps(job_of(pair[0], tmp_path / "out").as_dict()), "utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--job", str(file), "--samples", "16", "--out", "elsewhere"])
    assert "--job goes without --out, --samples" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_segment_names_come_from_slicer_files(pair, tmp_path):
    folder, *_ = pair
    image = sitk.ReadImage(str(folder / "moving_labels.nrrd"))
    for key, value in {
        "Segment0_LabelValue": "4",
        "Segment0_Name": "Body",
        "Segment0_Color": "0.5 0.25 1",
    }.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(tmp_path / "m.seg.nrrd"))
    record = run(
        job_of(folder, tmp_path / "out", samples=2, moving_labels=str(tmp_path / "m.seg.nrrd")),
        Silent(),
    )
    row = next(row for row in record["labels"] if row["label"] == 4)
    assert (row["name"], row["color"]) == ("Body", [0.5, 0.25, 1.0])


def test_a_missing_backbone_package_is_one_sentence(pair, tmp_path, monkeypatch):
    from UncertainRegLib.backbones.demons import Demons

    monkeypatch.setattr(Demons, "facts", Facts("demons", "Demons", packages={"nowhere": "nowhere"}))
    with pytest.raises(ValueError, match="install the Python package nowhere"):
        run(job_of(pair[0], tmp_path / "out"), Silent())
