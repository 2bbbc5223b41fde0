"""``train heteroscedastic`` and ``train adacs``: killed and resumed, then run like any backbone."""

import json
import random

import pytest

pytest.importorskip("torch")

import numpy as np
import torch

from support.trained_models import SHAPE, TINY, train_and_kill, write_images
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import read_image
from UncertainRegLib.training.model_folder import load_model

KINDS = {
    "heteroscedastic": ["--loss", "snr"],
    "adacs": ["--motion-steps", "10", "--scoring-steps", "10", "--epoch-steps", "5"],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_goes_on_to_the_very_same_weights(tmp_path, set_threads, kind):
    """Begun with one thread, and with one thread it goes on, also where torch has two."""
    images, _ = write_images(tmp_path)
    common = [
        kind,
        "--images",
        str(images),
        "--steps",
        "40",
        "--save-every",
        "6",
        "--rate",
        "0.001",
        *TINY,
        *KINDS[kind],
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    set_threads(1)
    assert main(["train", *common, "--out", str(whole)]) == 0
    at = random.randrange(7, 38)  # there is a checkpoint
    print(f"killed at step {at}")
    train_and_kill([*common, "--out", str(killed)], at)
    assert not (killed / "model.json").exists()
    set_threads(2)
    assert main(["train", *common, "--out", str(killed)]) == 0
    assert torch.get_num_threads() == 2
    (manifest, one), (_, other) = load_model(whole), load_model(killed)
    assert manifest["kind"] == kind and one.keys() == other.keys()
    assert manifest["provenance"]["threads"] == 1
    assert all(torch.equal(one[m][k], other[m][k]) for m in one for k in one[m])
    logs = [(folder / "log.jsonl").read_text("utf-8") for folder in (whole, killed)]
    assert logs[0] == logs[1] and logs[0].count("\n") == 40


@pytest.mark.parametrize(
    ("kind", "options", "method", "maps"),
    [
        (
            "heteroscedastic",
            ["--sigma-z", "0.01"],
            "image-noise",
            ("image_noise", "predicted_uncertainty_mm"),
        ),
        (
            "heteroscedastic",
            ["--backbone", "diffusemorph", "--blocks", "1"],
            "image-noise",
            ("image_noise",),
        ),
        ("adacs", [], "correspondence-score", ("correspondence_score",)),
    ],
    ids=["sigma_z", "diffusemorph", "adacs"],
)
def test_a_model_is_run_and_writes_its_maps(tmp_path, kind, options, method, maps):
    images, _ = write_images(tmp_path)
    model, result = tmp_path / "model", tmp_path / "result"
    assert (
        main(
            [
                "train",
                kind,
                "--images",
                str(images),
                "--steps",
                "2",
                "--out",
                str(model),
                *TINY,
                *options,
            ]
        )
        == 0
    )
    fixed = images / "1.nrrd"
    assert (
        main(
            [
                "run",
                "--fixed",
                str(fixed),
                "--moving",
                str(images / "0.nrrd"),
                "--out",
                str(result),
                "--backbone",
                str(model),
                "--method",
                method,
                "--progress",
                "none",
            ]
        )
        == 0
    )
    record = json.loads((result / "result.json").read_text("utf-8"))
    assert record["status"] == "complete" and record["method"] == method
    for name in maps:
        image = read_image(result / record["maps"][name]["file"])
        assert image.grid == read_image(fixed).grid
        assert np.isfinite(image.array).all() and image.array.max() > 0
        assert record["maps"][name]["unit"] == ("mm" if name.endswith("_mm") else "")
    if "correspondence_score" in maps:
        assert 0.7 < image.array.mean() < 1  # it begins at 0.88


def test_slices_are_images_too(tmp_path):
    images, _ = write_images(tmp_path)
    out = tmp_path / "out"
    assert (
        main(
            [
                "train",
                "adacs",
                "--images",
                str(images),
                "--steps",
                "2",
                "--shape",
                "1",
                "16",
                "16",
                "--out",
                str(out),
                "--batch",
                "2",
                "--progress",
                "none",
            ]
        )
        == 0
    )
    assert load_model(out)[0]["network"]["score"]["ndim"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["heteroscedastic", "--loss", "luck"], "is not one of mse"),
        (["heteroscedastic", "--backbone", "diffusemorph", "--blocks", "2"], "'diffusemorph'"),
        (["adacs", "--backbone", "transmorph", "--blocks", "2"], "Blocks are for VoxelMorph"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, capsys, options, message):
    images, _ = write_images(tmp_path)
    command = ["train", *options, "--images", str(images), "--out", str(tmp_path / "out"), *SHAPE]
    assert main([*command, "--progress", "none"]) == 1
    assert message in capsys.readouterr().err
