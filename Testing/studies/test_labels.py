"""Label maps against true labels, their baselines, and the study on a pair."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import (
    Grid,
    Image,
    Segmentation,
    read_segmentation,
    warp,
    warp_labels,
    write_image,
    write_segmentation,
)
from UncertainRegLib.metrics.rings import boundary_ring
from UncertainRegLib.posterior.label_map import LabelMap
from UncertainRegLib.studies.labels import baselines, judge, mean_dice

GRID = Grid.from_spacing((20, 22, 24), (1.0, 1.0, 2.0))


def boxes() -> np.ndarray:
    labels = np.zeros(GRID.shape, np.int32)
    labels[5:15, 5:12, 6:18] = 1
    labels[5:15, 12:18, 6:18] = 7
    return labels


def test_the_one_hot_labels_are_certain_and_their_ece_is_their_error_rate():
    truth, warped = boxes(), np.roll(boxes(), 1, axis=0)
    found = judge(baselines(warped, GRID), warped, truth)["one-hot"]
    ring = boundary_ring(truth, 3)
    assert found["ece"] == pytest.approx((warped != truth)[ring].mean())
    assert found["auroc"] == pytest.approx(0.5)


def test_a_map_that_knows_the_wrong_voxels_scores_perfectly():
    truth, warped = boxes(), np.roll(boxes(), 1, axis=2)
    wrong = (warped != truth).astype(np.float32)
    found = judge({"oracle": LabelMap(wrong), "misled": LabelMap(-wrong)}, warped, truth)
    assert found["oracle"] == {
        "auroc": 1.0,
        "ause": pytest.approx(0, abs=1e-12),
        "ece": None,
        "mce": None,
    }
    assert found["misled"]["auroc"] == 0.0


def test_mean_dice_counts_labels_of_the_truth_only():
    truth, warped = boxes(), boxes()
    warped[0, 0, 0] = 9
    assert mean_dice(warped, truth) == 1.0
    warped[warped == 7] = 0
    assert mean_dice(warped, truth) == 0.5


@pytest.fixture
def pair(tmp_path):
    """A registered-by-demons pair: images and label maps as files."""
    moving = textured(GRID)
    labels = Image(boxes(), GRID)
    field = smooth_field(GRID, 2.0)
    files = {}
    for name, image in (
        ("moving", moving),
        ("fixed", warp(moving, field)),
        ("moving-labels", labels),
        ("fixed-labels", warp_labels(labels, field)),
    ):
        files[name] = str(tmp_path / f"{name}.nrrd")
        write_image(image, files[name])
    return files


def test_the_command_judges_a_pair_and_does_not_repeat_itself(pair, tmp_path, capsys):
    command = [
        "evaluate",
        "labels",
        "--out",
        str(tmp_path / "study"),
        "--samples",
        "3",
        "--backbone-settings",
        '{"affine": false}',
        "--progress",
        "json",
    ]
    for name, file in pair.items():
        command += [f"--{name}", file]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert first.count('"event": "sample"') == 4
    assert "ring AUROC" in (tmp_path / "study" / "table.txt").read_text(encoding="utf-8")
    rows = (tmp_path / "study" / "rows.csv").read_text("utf-8")
    for name in (
        "label entropy",
        "u",
        "displacement entropy",
        "one-hot",
        "blur 2 mm",
        "image residual",
        "label entropy of the samples",
        "label information",
    ):
        assert f",{name}," in rows
    assert main(command) == 0
    assert '"event": "sample"' not in capsys.readouterr().out
    assert (tmp_path / "study" / "rows.csv").read_text("utf-8") == rows


def test_segmentations_without_a_common_label_are_refused(pair, tmp_path, capsys):
    other = Image(np.where(boxes() > 0, 50, 0).astype(np.int32), GRID)
    write_image(other, tmp_path / "other.nrrd")
    command = [
        "evaluate",
        "labels",
        "--out",
        str(tmp_path / "study"),
        "--samples",
        "2",
        "--backbone-settings",
        '{"affine": false}',
        "--progress",
        "none",
    ]
    for name, file in {**pair, "fixed-labels": str(tmp_path / "other.nrrd")}.items():
        command += [f"--{name}", file]
    assert main(command) == 1
    assert "no structure (50) has the label of one of" in capsys.readouterr().err


def test_overlapping_structures_are_judged_in_their_layers(pair, tmp_path):
    """Refused before. Structures that are there twice, in two layers, score as they do once."""
    command = ["evaluate", "labels", "--samples", "3", "--progress", "none"]
    command += ["--backbone-settings", '{"affine": false}', "--name", "p", "--out"]
    tables = []
    for copies in (1, 2):
        files = dict(pair)
        for side in ("fixed", "moving"):
            labels = read_segmentation(pair[f"{side}-labels"]).layers[0]
            layers = [
                Image(labels.array + n * 10 * (labels.array > 0), GRID) for n in range(copies)
            ]
            names = {v + 10 * n: f"{v}, {n}" for v in (1, 7) for n in range(copies)}
            files[f"{side}-labels"] = str(tmp_path / f"{side} {copies}.seg.nrrd")
            write_segmentation(Segmentation(tuple(layers), names), files[f"{side}-labels"])
        options = [text for name, file in files.items() for text in (f"--{name}", file)]
        assert main([*command, str(tmp_path / f"{copies}"), *options]) == 0
        with open(tmp_path / f"{copies}" / "rows.csv", newline="", encoding="utf-8") as stream:
            tables.append(list(csv.DictReader(stream)))
    once, twice = tables
    assert len(once) == len(twice) == 14
    for one, two in zip(once, twice):
        for name in ("auroc", "ece", "ause", "dice", "mean"):
            if one[name]:
                assert float(two[name]) == pytest.approx(float(one[name]), abs=2e-5), one["map"]
