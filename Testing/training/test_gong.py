"""Predictive and empirical uncertainty: losses, ensembles, and trainings that survive a kill."""

import json
import random

import numpy as np
import pytest

from support.trained_models import SHAPE, TINY, train_and_kill, write_images
from support.written_files import mha

torch = pytest.importorskip("torch")

from UncertainRegLib.__main__ import main  # noqa: E402
from UncertainRegLib.networks.displacement import DisplacementNet, Prediction  # noqa: E402
from UncertainRegLib.posterior.combination import combine, ensemble_moments  # noqa: E402
from UncertainRegLib.training.folder import FolderPairs  # noqa: E402
from UncertainRegLib.training.gong import (  # noqa: E402
    GongTraining,
    Snapshots,
    cyclic_rate,
    gong_loss,
    nearest_atlas,
)
from UncertainRegLib.training.losses import laplace_nll, one_hot  # noqa: E402
from UncertainRegLib.training.model_folder import load_model  # noqa: E402


def test_what_the_reader_of_an_image_had_to_decide_is_said(tmp_path, capsys):
    images, labels = write_images(tmp_path, 2)
    ramp = np.arange(16**3, dtype=np.uint16).reshape(16, 16, 16)
    for folder, array in ((images, ramp), (labels, np.ones_like(ramp))):
        mha(folder / "2.mha", affine=None, array=array)
    said = []
    FolderPairs(str(images), (16, 16, 16), say=said.append)
    assert len(said) == 2, "each once, not at each reading"
    assert "2.mha: has no orientation" in said[0] and "does not say where it lies" in said[1]
    options = ["--images", str(images), "--out", str(tmp_path / "out"), "--steps", "1"]
    assert main(["train", "voxelmorph", *options, *TINY]) == 0
    assert capsys.readouterr().err.count("Warning: ") == 2


def test_laplace_nll_is_least_where_the_scale_is_the_mean_error():
    error = torch.tensor([0.5, 1.5, 1.0])
    scales = torch.linspace(-1, 1, 201)
    values = torch.stack([laplace_nll(error, s) for s in scales])
    assert float(values.min()) == pytest.approx(1.0, abs=1e-4)  # 1 + log 1
    assert float(scales[values.argmin()]) == pytest.approx(0.0, abs=0.011)
    distribution = torch.distributions.Laplace(0.0, 0.7)
    expected = -distribution.log_prob(error).mean() - np.log(2)
    assert float(laplace_nll(error, torch.tensor(0.7).log())) == pytest.approx(float(expected))


def test_the_loss_is_the_sum_of_its_weighted_parts():
    g = torch.Generator().manual_seed(0)
    image, fixed = torch.rand(2, 1, 1, 8, 8, 8, generator=g)
    soft = torch.softmax(torch.randn(1, 3, 8, 8, 8, generator=g), 1)
    truth = (
        torch.nn.functional.one_hot(torch.randint(0, 3, (1, 8, 8, 8), generator=g), 3)
        .movedim(-1, 1)
        .float()
    )
    found = Prediction(
        torch.randn(1, 3, 8, 8, 8, generator=g), image, soft, torch.zeros(1, 3, 8, 8, 8)
    )
    loss, parts = gong_loss(GongTraining(), found, fixed, truth)
    assert parts["uncertainty"] == pytest.approx(float((soft - truth).abs().mean()))
    assert float(loss) == pytest.approx(
        -parts["nlcc"] - parts["dice"] + 0.01 * parts["smoothness"] + 0.1 * parts["uncertainty"]
    )
    _, parts = gong_loss(GongTraining(), found._replace(memberships=None), fixed, None)
    assert parts["uncertainty"] == pytest.approx(float((image - fixed).abs().mean()))
    assert "dice" not in parts


def test_padding_is_in_no_part_of_the_loss(tmp_path):
    """It failed before: the images of 16 x 17 x 18 voxels are padded to 24 along each axis, and what
    is predicted there changed the loss."""
    images, labels = write_images(tmp_path)
    pairs = FolderPairs(str(images), (24, 24, 24), labels=str(labels), intensity="minmax")
    pair = pairs.of(0, 1)
    assert pair.inside.sum() == 16 * 18 * 18  # 17 voxels lie between those of the grid
    assert FolderPairs(str(images), (8, 8, 8)).of(0, 1).inside is None
    truth = one_hot(pair.fixed_labels, (0, 1))
    soft = one_hot(pair.moving_labels, (0, 1))
    found = Prediction(torch.zeros(1, 3, 24, 24, 24), pair.moving, soft, torch.zeros_like(soft))
    _, parts = gong_loss(GongTraining(), found, pair.fixed, truth, pair.inside)
    assert parts["uncertainty"] == pytest.approx(
        float((soft - truth).abs()[pair.inside.expand_as(soft)].mean())
    )
    spoilt = found._replace(
        memberships=torch.where(pair.inside, soft, 1 - soft),
        log_scale=torch.where(pair.inside, 0.0, 3.0).expand_as(soft),
    )
    _, same = gong_loss(GongTraining(), spoilt, pair.fixed, truth, pair.inside)
    assert same == parts
    _, seen = gong_loss(GongTraining(), spoilt, pair.fixed, truth)
    assert seen["dice"] < parts["dice"] and seen["uncertainty"] != parts["uncertainty"]


def test_the_learning_rate_falls_along_a_cosine_and_begins_again():
    rates = [cyclic_rate(n, 20, 4, 0.1) for n in range(20)]
    assert rates[0] == rates[5] == rates[15] == 0.1
    assert rates[:5] == sorted(rates[:5], reverse=True)
    assert rates[2] == pytest.approx(0.05 * (1 + np.cos(np.pi * 2 / 5)))  # Eq. 8, t = 3


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_moments_and_combination_of_two_members(make):
    members = make(np.array([[1.0, 4.0], [3.0, 4.0]]))
    mean, variance = ensemble_moments(members)
    assert mean.tolist() == [2, 4] and variance.tolist() == [1, 0]
    soft, u = combine(members, make(np.array([[1.0, 2.0], [1.0, 4.0]])))
    assert soft.tolist() == [2, 4]
    assert u.tolist() == pytest.approx([np.sqrt(1 + 1), np.sqrt((4 + 16) / 2)])
    u = combine(members, make(np.ones((2, 2))), laplace_variance=True)[1]
    assert u.tolist() == pytest.approx([np.sqrt(3), np.sqrt(2)])
    assert combine(members)[1].tolist() == [1, 0]


def test_snapshots_travel_through_a_checkpoint():
    network, first, again = torch.nn.Linear(2, 1), Snapshots(), Snapshots()
    first.take(network)
    torch.nn.init.zeros_(network.weight)
    first.take(network)
    again.load_state_dict(first.state_dict())
    assert torch.equal(again.taken[0]["weight"], first.taken[0]["weight"])
    assert not again.taken[1]["weight"].any() and again.taken[0]["weight"].any()


def test_the_nearest_atlas_of_a_changed_training_image_is_that_image(tmp_path):
    images, _ = write_images(tmp_path)
    pairs = FolderPairs(str(images), (16, 16, 16), intensity="minmax")
    fixed = 0.3 + 0.5 * pairs.of(1, 1).moving + 0.02 * torch.randn(1, 1, 16, 16, 16)
    assert nearest_atlas(fixed, [pairs.of(k, k).moving for k in range(3)]) == 1


def test_a_folder_knows_its_labels_and_parts(tmp_path):
    images, labels = write_images(tmp_path)
    pairs = FolderPairs(str(images), (16, 16, 16), labels=str(labels), intensity="minmax")
    assert pairs.label_values() == (1,) and pairs.axes == "SPL"
    assert pairs.of(0, 1).moving.min() >= 0 and pairs.of(0, 1).moving.max() <= 1
    part = pairs.only([0, 2])
    assert [f.name for f in part.files] == ["0.nrrd", "2.nrrd"] and len(pairs) == 3
    assert torch.equal(part.of(1, 0).moving, pairs.of(2, 0).moving)


KINDS = {
    "voxelmorph": [],
    "predictive": [],
    "dropout": ["--predictive"],
    "bootstrap": ["--members", "2"],
    "snapshot": ["--members", "2", "--cycles", "3", "--snapshot-rate", "0.01"],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_goes_on_to_the_very_same_weights(tmp_path, set_threads, kind):
    """Begun with one thread, and with one thread it goes on, also where torch has two."""
    images, labels = write_images(tmp_path)
    common = [
        kind,
        "--images",
        str(images),
        "--labels",
        str(labels),
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
    number, at = random.randrange(2) * (kind == "bootstrap"), random.randrange(7, 38)
    member = f"member-{number}" if kind == "bootstrap" else ""
    print(f"killed {member} at step {at}")  # there is a checkpoint
    train_and_kill([*common, "--out", str(killed)], 40 * number + at)
    assert not (killed / "model.json").exists()
    set_threads(2)
    assert main(["train", *common, "--out", str(killed)]) == 0
    assert torch.get_num_threads() == 2
    (manifest, one), (_, other) = load_model(whole), load_model(killed)
    assert manifest["kind"] == kind and one.keys() == other.keys()
    assert manifest["provenance"]["threads"] == 1
    assert all(torch.equal(one[m][k], other[m][k]) for m in one for k in one[m])
    logs = [
        (folder / member / "log.jsonl").read_text("utf-8").splitlines()
        for folder in (whole, killed)
    ]
    assert logs[0] == logs[1]
    assert [json.loads(line)["step"] for line in logs[0]] == list(range(40))


@pytest.mark.parametrize(("rate", "lost"), [("0.001", False), ("1", True)])
def test_a_training_that_ends_worse_than_it_began_says_so(tmp_path, rate, lost):
    images, labels = write_images(tmp_path)
    options = ["--images", str(images), "--labels", str(labels), "--steps", "8", "--rate", rate]
    words = ["train", "predictive", *options, *TINY, "--out", str(tmp_path / "out")]
    if lost:
        with pytest.warns(UserWarning, match="The training was lost"):
            main(words)
    else:
        assert main(words) == 0
    last = json.loads((tmp_path / "out/log.jsonl").read_text("utf-8").splitlines()[-1])
    assert ("warning" in last) == lost


def test_members_of_a_bootstrap_see_different_images_and_more_can_be_added(tmp_path):
    images, labels = write_images(tmp_path, 4)
    command = [
        "train",
        "bootstrap",
        "--images",
        str(images),
        "--labels",
        str(labels),
        "--steps",
        "2",
        "--out",
        str(tmp_path / "out"),
        *TINY,
    ]
    assert main([*command, "--members", "2"]) == 0
    first = load_model(tmp_path / "out")[1]
    assert not torch.equal(first["member-0"]["flow.weight"], first["member-1"]["flow.weight"])
    assert main([*command, "--members", "3"]) == 0
    again = load_model(tmp_path / "out")[1]
    assert list(again) == ["member-0", "member-1", "member-2"]
    assert torch.equal(first["member-1"]["flow.weight"], again["member-1"]["flow.weight"])


@pytest.mark.parametrize(
    "options",
    [
        ["predictive", *SHAPE],  # without labels: the image residual
        ["voxelmorph", "--shape", "1", "16", "16"],  # slices
        ["voxelmorph", *SHAPE, "--backbone", "transmorph"],
    ],
)
def test_other_trainings_leave_a_model(tmp_path, options, capsys):
    images, _ = write_images(tmp_path)
    out = tmp_path / "out"
    assert (
        main(
            [
                "train",
                *options,
                "--images",
                str(images),
                "--out",
                str(out),
                "--steps",
                "1",
                "--licence",
                "CC0",
            ]
        )
        == 0
    )
    assert "backbones install out" in capsys.readouterr().err
    manifest, states = load_model(out)
    DisplacementNet(**manifest["network"]).load_state_dict(states["member-0"])
    made_of = manifest["provenance"]
    assert [d["file"] for d in made_of["data"]] == ["0.nrrd", "1.nrrd", "2.nrrd"]
    assert (made_of["steps"], made_of["licence"]) == (1, "CC0")
    assert manifest["network"]["classes"] == (1 if options[0] == "predictive" else 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["voxelmorph", "--images", "nowhere"], "is no folder"),
        (["snapshot", "--members", "5", "--cycles", "3"], "need as many cycles"),
        (["voxelmorph", "--shape", "16", "12", "16", "--blocks", "2"], "divide into blocks"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, capsys, options, message):
    images, _ = write_images(tmp_path)
    options = options if "--images" in options else [*options, "--images", str(images)]
    assert main(["train", *options, "--out", str(tmp_path / "out"), "--steps", "6"]) == 1
    assert message in capsys.readouterr().err
