"""``train … --pairs``: subjects apart, 2-D and 3-D, validation, and a list of who was what."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from support.pair_lists import SIZE, write_pair_list
from UncertainRegLib import backbones
from UncertainRegLib.__main__ import main
from UncertainRegLib.backbones.models import read_model
from UncertainRegLib.geometry import read_image, read_labels, warp_labels
from UncertainRegLib.training.pairs import read_pair_list

TINY = {
    "predictive": ["--steps", "2"],
    "bootstrap": ["--steps", "2", "--members", "2"],
    "heteroscedastic": ["--steps", "2"],
    "adacs": ["--steps", "2", "--motion-steps", "1", "--scoring-steps", "0"],
    "sir": ["--steps", "2", "--mean-steps", "1", "--proposals", "3", "--keep", "2", "--rank", "2",
            "--optimiser", "adam"],
}  # fmt: skip


def train(method, file, out, *options):
    command = ["train", method, "--pairs", str(file), "--out", str(out), *TINY[method], *options]
    return main([*command, "--progress", "none"])


def logged(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("method", list(TINY))
def test_every_training_takes_a_list(tmp_path, method):
    file, out = write_pair_list(tmp_path / "data", "4d"), tmp_path / "out"
    assert train(method, file, out, "--shape", "16", "16", "16") == 0
    last = logged(out / "member-1" if method == "bootstrap" else out)[-1]
    assert ("validation_elbo" if method == "sir" else "validation_dice") in last
    used = {entry["file"] for entry in read_model(out)["provenance"]["data"]}
    assert used == {"s0.nii.gz", "s1.nii.gz"}  # neither the patient for validation nor for the test
    assert [p.split for p in read_pair_list(out / "pairs.csv")] == [
        "train", "train", "validation", "test",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "backbone"),
    [
        ("predictive", "voxelmorph"),
        ("predictive", "transmorph"),
        ("heteroscedastic", "transmorph"),
        ("heteroscedastic", "diffusemorph"),
        ("adacs", "voxelmorph"),
        ("adacs", "diffusemorph"),
    ],
)
def test_2d_networks_learn_from_2d_files(tmp_path, method, backbone):
    file, out = write_pair_list(tmp_path / "data", "png"), tmp_path / "out"
    options = ["--shape", "1", "16", "16", "--backbone", backbone]
    assert train(method, file, out, *options) == 0
    manifest = read_model(out)
    assert manifest["grid"]["shape"] == [1, 16, 16]
    network = manifest["network"].get("displacement", manifest["network"])
    assert (network["backbone"], network["ndim"]) == (backbone, 2)


def test_slices_of_volumes(tmp_path):
    file, out = write_pair_list(tmp_path / "data"), tmp_path / "out"
    options = ["--shape", "1", "16", "16", "--slices", "y"]
    assert train("heteroscedastic", file, out, *options) == 0
    assert "validation_dice" in logged(out)[-1]
    assert read_model(out)["grid"]["axes"] == "PSL"


def test_a_list_without_splits_is_divided_once_and_goes_on_with_the_same(tmp_path, capsys):
    file, out = write_pair_list(tmp_path / "data", splits=None), tmp_path / "out"
    options = ["--shape", "16", "16", "16", "--seed", "5"]
    assert train("adacs", file, out, *options) == 0
    assert capsys.readouterr().err.count("has no column split") == 1
    kept = (out / "pairs.csv").read_text("utf-8")
    assert train("adacs", file, out, *options, "--steps", "3") == 0
    assert (out / "pairs.csv").read_text("utf-8") == kept
    assert len(logged(out)) == 3


def test_other_pairs_are_refused_in_a_training_that_goes_on(tmp_path, capsys):
    file, out = write_pair_list(tmp_path / "data"), tmp_path / "out"
    options = ["--shape", "16", "16", "16"]
    assert train("adacs", file, out, *options) == 0
    other = file.read_text("utf-8").replace("validation", "train")
    file.write_text(other, "utf-8")
    assert train("adacs", file, out, *options, "--steps", "3") == 1
    assert "was trained differently (pairs)" in capsys.readouterr().err


def test_options_that_do_not_go_together(tmp_path, capsys):
    file = write_pair_list(tmp_path / "data")
    for options, said in (
        (["--labels", str(tmp_path)], "--labels goes with --images"),
        (["--slices", "z"], "for networks of the shape 1 Y X"),
    ):
        assert train("predictive", file, tmp_path / "out", *options) == 1
        assert said in capsys.readouterr().err
    folder = ["train", "adacs", "--images", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert main([*folder, "--slices", "z", "--progress", "none"]) == 1
    assert "--slices goes with --pairs" in capsys.readouterr().err


def test_a_2d_network_registers_2d_images_and_run_says_that_it_cannot(tmp_path, capsys):
    file, out = write_pair_list(tmp_path / "data", "png"), tmp_path / "out"
    options = ["--shape", "1", "16", "16", "--spacing", "1.2", "--rate", "0.01", "--steps", "30"]
    assert train("heteroscedastic", file, out, *options) == 0
    pair = read_pair_list(file)[3]
    fixed, moving = (read_image(name, flat=True) for name in (pair.fixed, pair.moving))
    model = backbones.create(str(out))
    field = model.register(*model.prepare(fixed, moving)).to_numpy().resample(fixed.grid)
    assert field.vectors.shape == (1, SIZE, SIZE, 3)
    assert np.all(field.vectors[..., 2] == 0) and np.abs(field.vectors[..., :2]).max() > 0.1
    moved = warp_labels(read_labels(pair.moving_labels, flat=True), field)
    assert moved.array.shape == fixed.array.shape and moved.array.any()
    command = ["run", "--fixed", pair.fixed, "--moving", pair.moving, "--backbone", str(out)]
    assert main([*command, "--out", str(tmp_path / "result"), "--progress", "none"]) == 1
    assert "has 2 dimensions; give a single 3D volume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--shift", "-1"),
        ("--rate", "-0.1"),
        ("--smoothness", "-1"),
        ("--uncertainty-weight", "nan"),
        ("--integration-steps", "-1"),
        ("--downsize", "0"),
        ("--window", "4"),
        ("--dropout", "1"),
        ("--snapshot-rate", "0"),
        ("--gamma", "-0.5"),
        ("--variance-window", "2"),
        ("--kappa", "inf"),
        ("--decay-steps", "0"),
        ("--spread-average", "1"),
    ],
)
def test_numbers_that_mean_nothing_are_refused_before_any_work(tmp_path, capsys, option, value):
    out = tmp_path / "model"
    of = {
        "--dropout": "dropout",
        "--snapshot-rate": "snapshot",
        "--gamma": "heteroscedastic",
        "--variance-window": "heteroscedastic",
        "--kappa": "adacs",
        "--decay-steps": "sir",
        "--spread-average": "sir",
    }
    words = ["train", of.get(option, "voxelmorph"), "--images", str(tmp_path), "--out", str(out)]
    with pytest.raises(SystemExit) as end:
        main([*words, f"{option}={value}"])
    assert end.value.code == 2 and not out.exists()
    assert f"argument {option}: {value} is no" in capsys.readouterr().err
