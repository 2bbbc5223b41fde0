"""Trained models on test pairs: known registrations, resuming, groups of seeds, the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.__main__ import main  # noqa: E402
from UncertainRegLib.backbones.trained import class_of  # noqa: E402
from UncertainRegLib.checksum import sha256_of  # noqa: E402
from UncertainRegLib.geometry import Grid, Image, write_image  # noqa: E402
from UncertainRegLib.networks.diffusemorph import displacement_net  # noqa: E402
from UncertainRegLib.networks.unet import UNet  # noqa: E402
from UncertainRegLib.studies.learned import Learned, named, person  # noqa: E402
from UncertainRegLib.studies.learned_scores import MEASURES, Case, scores  # noqa: E402
from UncertainRegLib.studies.learned_tables import NONE, Model, common_name, groups, in_words  # noqa: E402
from UncertainRegLib.training.model_folder import save_model  # noqa: E402
from UncertainRegLib.training.pairs import ListedPair, read_pair_list  # noqa: E402

SHAPE = (16, 16, 16)
GRID = Grid.from_spacing(SHAPE)
SMALL = {"encoder": (4,), "decoder": (4, 4)}


def constant(shift, **more):
    """A network that always answers the same voxels, along (z, y, x)."""
    net = displacement_net(**SMALL, **more)
    torch.nn.init.zeros_(net.flow.weight)
    net.flow.bias.data = torch.tensor([float(v) for v in shift[-net.ndim :]])
    return net


def model(folder, shift=(0, 0, 2), seed=0, smoothness=0.01, shape=SHAPE, kind="voxelmorph"):
    net = constant(shift, ndim=2 if shape[0] == 1 else 3)
    settings = {"smoothness": smoothness, "norm": "mean", "seed": seed}
    made_of = {"settings": settings, "seed": seed}
    weights = {"member-0": net.state_dict()}
    save_model(folder, kind, net.settings, weights, shape, 1.0, "minmax", made_of)
    return folder


def ball(at, radius=4.0, shape=SHAPE):
    """A bright ball of label 1 at a voxel (z, y, x): its image and its labels."""
    grid = Grid.from_spacing(shape)
    far = np.linalg.norm(np.indices(shape) - np.reshape(at, (3, 1, 1, 1)), axis=0)
    image = np.clip(radius + 1.5 - far, 0, 3).astype(np.float32)
    return Image(image, grid), Image((far < radius).astype(np.int32), grid)


def case(shift=2, shape=SHAPE):
    """The ball of the moving image lies ``shift`` voxels along x from that of the fixed one."""
    (fixed, truth), (moving, labels) = (
        ball((shape[0] // 2, 8, x), shape=shape) for x in (7, 7 + shift)
    )
    return Case(fixed, moving, truth, labels)


@pytest.fixture
def listed(tmp_path):
    """Two test pairs of two subjects, and one to train with, in files."""
    lines = ["fixed,moving,fixed_labels,moving_labels,subject,split"]
    for name, at, split in (("a", 7, "test"), ("b", 6, "test"), ("c", 8, "train")):
        for side, x in (("f", at), ("m", at + 2)):
            image, labels = ball((8, 8, x), 4.0 + 0.5 * (name == "b"))
            write_image(image, tmp_path / f"{name}{side}.nrrd")
            write_image(labels, tmp_path / f"{name}{side}-l.nrrd")
        lines.append(f"{name}f.nrrd,{name}m.nrrd,{name}f-l.nrrd,{name}m-l.nrrd,{name},{split}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path / "pairs.csv"


def study(listed, *folders, **more) -> Learned:
    models = {folder.name: class_of(folder)() for folder in folders}
    pairs = [pair for pair in read_pair_list(listed) if pair.split == "test"]
    return Learned(models, pairs, listed.parent / "out", **more)


def test_the_true_shift_leaves_no_error_and_none_the_whole(tmp_path):
    backbone = class_of(model(tmp_path / "m"))()
    found, before = (scores(backbone, case(), 1, moved) for moved in (True, False))
    assert found["dice"] == 100 and found["hd_mm"] == found["asd_mm"] == found["folds"] == 0
    assert found["mse"] == pytest.approx(0, abs=1e-12) and found["residual"] < 1e-6
    one = case()
    a, b = one.fixed_labels.array > 0, one.moving_labels.array > 0
    assert before["dice"] == pytest.approx(200 * (a & b).sum() / (a.sum() + b.sum()))
    assert before["hd_mm"] == 2.0 and before["sd_log_jacobian"] == pytest.approx(0, abs=1e-6)
    gap = (one.moving.array - one.fixed.array) / 3
    assert before["mse"] == pytest.approx((gap**2).mean(), rel=1e-5)
    assert set(found) == set(MEASURES)
    assert found["err"] == "" and found["nll"] == ""  # no uncertainty of its own


def test_padding_is_not_judged(tmp_path):
    """The fixed image ends in the middle of the network's grid: its border is repeated there."""
    backbone = class_of(model(tmp_path / "m", (0, 0, 0)))()
    image = np.random.default_rng(0).random((8, 16, 16)).astype(np.float32)
    half = Image(image, Grid.from_spacing((8, 16, 16)))
    other = Image(image[::-1].copy(), half.grid)
    found = scores(backbone, Case(half, other), 1)
    scaled = [(a - a.min()) / np.ptp(a) for a in (image, image[::-1])]
    assert found["mse"] == pytest.approx(((scaled[0] - scaled[1]) ** 2).mean(), rel=1e-4)


def test_predicted_noise_is_judged_by_what_the_images_differ(tmp_path):
    """sigma = exp(-1) everywhere: the likelihood by hand."""
    net, variance = constant((0, 0, 0)), UNet(2, 1, (4,), (4, 4))
    for weight in variance.parameters():
        torch.nn.init.zeros_(weight)
    last = [layer for layer in variance.modules() if isinstance(layer, torch.nn.Conv3d)][-1]
    last.bias.data.fill_(-2.0)
    save_model(
        tmp_path / "m",
        "heteroscedastic",
        {"displacement": net.settings, "variance": variance.settings},
        {"displacement": net.state_dict(), "variance": variance.state_dict()},
        SHAPE,
        1.0,
        "minmax",
        {"settings": {}},
    )
    one = case()
    found = scores(class_of(tmp_path / "m")(), one, 1)
    gap = (one.moving.array - one.fixed.array) / 3
    sd = np.exp(-1)
    expected = 0.5 * (gap / sd) ** 2 - 1 + 0.5 * np.log(2 * np.pi)
    assert found["nll"] == pytest.approx(expected.mean(), rel=1e-5)
    assert found["within95"] == pytest.approx((np.abs(gap) <= 1.96 * sd).mean(), abs=1e-3)
    # a constant map finds nothing: no better than chance in the ring
    assert found["naurc"] == pytest.approx(1.0, abs=1e-6)
    assert found["ause_intensity"] > 0


def test_members_that_differ_are_an_uncertainty(tmp_path):
    nets = [constant((0, 0, x)) for x in (1, 3)]
    weights = {f"member-{n}": net.state_dict() for n, net in enumerate(nets)}
    save_model(tmp_path / "m", "bootstrap", nets[0].settings, weights, SHAPE, 1.0, "minmax", {})
    found = scores(class_of(tmp_path / "m")(), case(shift=2), 1)
    assert found["flow_mm"] == pytest.approx(1.0)  # 1 and 3 voxels of 1 mm about their mean, 2
    assert found["residual"] < 1e-6  # by the mean
    assert found["err"] < found["residual_err"] + 1e-9 and found["naurc"] != ""


def test_rows_are_kept_while_weights_and_files_are_the_same(tmp_path, listed):
    first, second = model(tmp_path / "first"), model(tmp_path / "second", (0, 0, 1), 1)
    told = []
    one = study(listed, first, second)
    assert one.registrations() == 6  # two pairs: as they lie, and by two models
    rows = one.run(told.append)
    assert len(told) == 6 and [row["model"] for row in rows.all[:3]] == [NONE, "first", "second"]
    told.clear()
    assert study(listed, first, second).run(told.append) and not told
    # other weights: that model again, and its old rows are in no table
    model(second, (0, 0, 2), 1, 0.5)
    again = study(listed, first, second)
    assert again.registrations() == 2
    again.run(told.append)
    assert told == ["second, af-from-am", "second, bf-from-bm"]
    overlap = list(csv.DictReader((tmp_path / "out/overlap.csv").open(encoding="utf-8")))
    assert [row["model"] for row in overlap] == [NONE, "first", "second"]
    assert [row["lambda"] for row in overlap] == ["", "0.01", "0.5"]
    assert float(overlap[2]["dice"]) == 100
    # another segmentation: that pair again
    write_image(ball((8, 8, 7), 3.0)[1], tmp_path / "af-l.nrrd")
    assert study(listed, first, second).registrations() == 3


def test_models_that_differ_in_the_seed_alone_are_one_group(tmp_path, listed):
    folders = [model(tmp_path / f"mse-{seed}", (0, 0, 1 + seed), seed) for seed in range(2)]
    other = model(tmp_path / "stiff", (0, 0, 0), 0, smoothness=0.03)
    one = study(listed, *folders, other)
    rows = one.run()
    found, subjects = groups(rows.all, list(one.rows_of.values()))
    assert subjects == ["a", "b"]
    assert [(g.name, g.smoothness, g.seeds) for g in found[1:]] == [
        ("mse", "0.01", 2),
        ("stiff", "0.03", 1),
    ]
    dice = found[1].of("dice")
    by_hand = [float(r["dice"]) for r in rows.all if r["model"].startswith("mse")]
    assert dice.mean == pytest.approx(np.mean(by_hand)) and dice.over_seeds is not None
    lines = list(csv.DictReader((tmp_path / "out/differences.csv").open(encoding="utf-8")))
    (gap,) = [line for line in lines if line["measure"] == "dice"]
    assert (gap["model"], gap["reference"]) == ("stiff", "mse") and float(gap["mean"]) < 0
    page = (tmp_path / "out/tables.md").read_text("utf-8")
    assert page.strip() == one.table(rows) and "Differences to mse" in page
    assert "nothing is known of how another training" in page
    same = model(tmp_path / "copy", seed=1)
    with pytest.raises(ValueError, match="same training"):
        study(listed, folders[1], same)


def test_only_pairs_that_every_model_has_are_in_the_tables():
    manifest = {
        "kind": "voxelmorph",
        "network": {},
        "grid": {"shape": [8, 8, 8], "spacing_mm": 1.0},
        "intensity": "minmax",
        "weights": {"sha256": "0" * 64},
        "provenance": {"settings": {"smoothness": 1.0, "norm": "code"}, "seed": 0},
    }
    a = Model.of("a", manifest)
    b = replace(a, name="b", key="b", weights="1")
    rows = [
        dict.fromkeys(MEASURES, "")
        | {"model": one.name, "weights": one.weights, "pair": pair, "subject": "s", "dice": dice}
        for one, pair, dice in ((a, "1", "50"), (a, "2", "90"), (b, "1", "60"))
    ]
    found, _ = groups(rows, [a, b])
    assert [group.of("dice").mean for group in found] == [50, 60]
    assert a.smoothness == "1 (code)"
    assert "1 (code)" in in_words(rows, [a, b], "") and "| b | Dice % | +10.00 |" in in_words(
        rows, [a, b], ""
    )


def test_models_of_slices_see_every_slice_with_labels(tmp_path):
    """A row is the mean over the slices; those without the ball do not count."""
    folder = model(tmp_path / "flat", (0, 0, 2), shape=(1, 16, 16))
    one = case()
    for name, image in (("f", one.fixed), ("m", one.moving)):
        write_image(image, tmp_path / f"{name}.nrrd")
    for name, labels in (("fl", one.fixed_labels), ("ml", one.moving_labels)):
        write_image(labels, tmp_path / f"{name}.nrrd")
    files = [str(tmp_path / f"{name}.nrrd") for name in ("f", "m", "fl", "ml")]
    pairs = [ListedPair(*files, subject="s", name="p")]
    learned = Learned({"flat": class_of(folder)()}, pairs, tmp_path / "out", slices="z")
    before, after = learned.run().all
    assert float(after["dice"]) == 100 and float(after["asd_mm"]) == 0
    dice = []
    for a, b in zip(one.fixed_labels.array > 0, one.moving_labels.array > 0):
        if a.any() and b.any():
            dice.append(200 * (a & b).sum() / (a.sum() + b.sum()))
    assert 1 < len(dice) < 16
    assert float(before["dice"]) == pytest.approx(np.mean(dice), rel=1e-4)


def test_the_command_writes_the_tables_and_says_what_is_missing(tmp_path, listed, capsys):
    folder = model(tmp_path / "m")
    arguments = ["evaluate", "learned", str(folder), "--pairs", str(listed), "--out"]
    out = tmp_path / "study"
    assert main([*arguments, str(out), "--progress", "none"]) == 0
    assert "## Overlap" in capsys.readouterr().out
    assert {file.name for file in out.iterdir()} >= {
        "rows.csv",
        "tables.md",
        "overlap.csv",
        "likeness.csv",
        "uncertainty.csv",
        "summary.csv",
        "differences.csv",
    }
    # labels of the nearest training image: one of subject c, whose ball is as large as a's
    atlas = tmp_path / "atlas"
    assert main([*arguments, str(atlas), "--atlases", "--progress", "none"]) == 0
    rows = list(csv.DictReader((atlas / "rows.csv").open(encoding="utf-8")))
    assert {row["labels_from"] for row in rows} == {"the nearest atlas"}
    before = {row["pair"]: float(row["dice"]) for row in rows if row["model"] == NONE}
    assert before["af-from-am"] > 70 and before["af-from-am"] < 100
    assert main([*arguments, str(out), "--split", "validation", "--progress", "none"]) == 1
    assert "no pair is for validation" in capsys.readouterr().err
    assert main([*arguments, str(out), "--slices", "z", "--progress", "none"]) == 1
    assert "all of these are three-dimensional" in capsys.readouterr().err
    assert main([*arguments[:3], str(folder), *arguments[2:], str(out), "--progress", "none"]) == 1
    assert "twice" in capsys.readouterr().err


def test_pairs_of_the_training_and_lists_without_a_split_are_told_of(tmp_path, listed, capsys):
    """Of two pairs the model has seen the fixed image of one."""
    folder = model(tmp_path / "m")
    manifest = json.loads((folder / "model.json").read_text("utf-8"))
    known = sha256_of(tmp_path / "af.nrrd")
    manifest["provenance"]["data"] = [{"file": "af.nrrd", "sha256": known}]
    (folder / "model.json").write_text(json.dumps(manifest), "utf-8")
    arguments = ["evaluate", "learned", str(folder), "--progress", "none", "--out"]
    assert main([*arguments, str(tmp_path / "a"), "--pairs", str(listed)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "m was trained with images of 1 of the 2 pairs" in said and "split" not in said
    without = [line.rpartition(",")[0] for line in listed.read_text("utf-8").splitlines()]
    (tmp_path / "all.csv").write_text("\n".join(without) + "\n", "utf-8")
    assert main([*arguments, str(tmp_path / "b"), "--pairs", str(tmp_path / "all.csv")]) == 0
    assert "all its pairs are judged" in capsys.readouterr().err


def test_labels_that_a_refining_model_does_not_know_are_a_sentence(tmp_path, listed):
    net = constant((0, 0, 2), classes=2, refine=True)
    save_model(
        tmp_path / "m",
        "predictive",
        net.settings,
        {"member-0": net.state_dict()},
        SHAPE,
        1.0,
        "minmax",
        {"labels": [7], "settings": {"smoothness": 1.0}},
    )
    one = study(listed, tmp_path / "m")
    rows = one.run()
    assert {row["model"] for row in rows.all} == {NONE}
    assert len(one.failed) == 2 and "trained with the labels 7 alone" in one.failed[0]
    assert json.loads((tmp_path / "m/model.json").read_text("utf-8"))["kind"] == "predictive"


def test_names_tell_folders_apart_and_groups_by_what_is_common(tmp_path):
    paths = [tmp_path / "one/model", tmp_path / "two/model"]
    assert list(named(paths)) == ["one/model", "two/model"]
    assert list(named([tmp_path / "a", tmp_path / "b"])) == ["a", "b"]
    assert (
        common_name(["mse-0", "mse-1"]) == "mse" and common_name(["0-AdaCS", "1-AdaCS"]) == "AdaCS"
    )
    assert common_name(["x", "y"]) == "x" and common_name(["only"]) == "only"
    assert person(ListedPair("f/a.nrrd", "m.nrrd", subject="s1; s2")) == "s1"
    assert person(ListedPair("f/a.nrrd", "m.nrrd")) == "a.nrrd"


def test_workers_find_the_rows_of_one_process(tmp_path, listed):
    """The class of a trained model is made anew from its folder, and has to reach a worker."""
    pytest.importorskip("distributed")
    folder = model(tmp_path / "m")
    rows = []
    for workers in ("1", "2"):
        out = tmp_path / workers
        arguments = ["evaluate", "learned", str(folder), "--pairs", str(listed), "--out", str(out)]
        assert main([*arguments, "--workers", workers, "--progress", "none"]) == 0
        found = csv.DictReader((out / "rows.csv").open(encoding="utf-8"))
        rows.append(sorted(tuple(v for k, v in row.items() if k != "seconds") for row in found))
    assert rows[0] == rows[1] and len(rows[0]) == 4


def test_a_volume_of_a_series_has_its_own_segmentation_or_that_of_the_file(tmp_path):
    """As in the training: a segmentation that is no series is that of the one volume."""
    sitk = pytest.importorskip("SimpleITK")
    for name, x in (("f", 7), ("m", 9)):
        image, labels = ball((8, 8, x))
        volumes = [sitk.GetImageFromArray(one) for one in (np.flip(image.array), image.array)]
        sitk.WriteImage(sitk.JoinSeries(volumes), str(tmp_path / f"{name}.nii.gz"))
        sitk.WriteImage(sitk.GetImageFromArray(labels.array), str(tmp_path / f"{name}-l.nii.gz"))
    heading = "fixed,moving,fixed_labels,moving_labels,fixed_frame,moving_frame,split"
    line = "f.nii.gz,m.nii.gz,f-l.nii.gz,m-l.nii.gz,1,1,test"
    (tmp_path / "pairs.csv").write_text(f"{heading}\n{line}\n", "utf-8")
    rows = study(tmp_path / "pairs.csv", model(tmp_path / "m")).run().all
    assert {row["model"]: float(row["dice"]) for row in rows}["m"] == 100
