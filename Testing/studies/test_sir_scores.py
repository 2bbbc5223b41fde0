"""What the SIR studies state: fair oracles, proposals of their own, the tables of the paper."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support import ROOT  # noqa: E402
from support.trained_models import write_images, write_proposal_network  # noqa: E402
from UncertainRegLib.gaussian import StructuredGaussian, smooth_factor  # noqa: E402
from UncertainRegLib.training.synthetic import SyntheticPairs  # noqa: E402

BENCHMARKS = ROOT / "Testing" / "benchmarks"


@pytest.fixture(scope="module")
def scores():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("sir_scores")
    finally:
        sys.path.remove(str(BENCHMARKS))


class Noise(torch.nn.Module):
    """A network whose proposal is smooth noise about nothing, whatever the images."""

    def forward(self, moving, fixed):
        half = [n // 2 for n in fixed.shape[2:]]
        return StructuredGaussian(torch.zeros(1, 3, *half), smooth_factor(half, (0.5,) * 3, 2.0))


def test_every_model_pair_and_training_has_proposals_of_its_own(scores):
    """It failed before: one seed served all of them."""
    found = {
        tuple(scores.seeds_of(seed, model, pair, 4))
        for seed in (0, 1)
        for model in ("S+LC", "smooth 0.5 mm")
        for pair in ("1-2", "2-1")
    }
    assert len(found) == 8 and len({one for seeds in found for one in seeds}) == 32


def test_an_oracle_has_as_many_different_candidates_whatever_the_weights(scores):
    """Weights that leave one proposal, and equal ones; drawn with replacement it was 1 and 16."""
    generator = torch.Generator().manual_seed(0)
    for log_weights in (torch.linspace(0, 40, 48), torch.zeros(48)):
        chosen = scores.distinct(log_weights, 16, generator)
        assert len(set(chosen.tolist())) == 16
    heaviest = scores.distinct(torch.linspace(0, 400, 48), 3, generator)
    assert set(heaviest.tolist()) == {45, 46, 47}  # in proportion to the weights


def test_labels_one_after_the_other_are_the_most_probable_ones(scores):
    pair = SyntheticPairs((16, 16, 16)).pair(3)
    labels = [int(v) for v in pair.moving_labels.unique() if v]
    field = torch.randn(1, 1, 3, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    soft = scores.memberships(pair, field, labels)[0]
    expected = np.array([0, *labels])[soft.argmax(0).numpy()]
    found = scores.hard_labels(pair, field, labels)
    clear = (soft.topk(2, 0).values.diff(dim=0)[0] < -1e-5).numpy()  # no ties
    assert (found == expected)[clear].all() and clear.mean() > 0.99


def test_a_pair_gives_the_columns_of_the_tables(scores):
    """The images as they lie: all Dice are equal, nothing folds, nothing disagrees."""
    pair = SyntheticPairs((16, 16, 16), labels=4).pair(5)
    labels = [int(v) for v in pair.fixed_labels.unique() if v]
    seeds = scores.seeds_of(0, "m", "p", 12)
    still = scores.Model(Noise(), 0.0, still=True)
    row, of_labels = scores.judge(still, pair, labels, seeds, 4)
    truth, moved = (a[0, 0].long().numpy() for a in (pair.fixed_labels, pair.moving_labels))
    by_hand = scores.dice_of(moved, truth, labels)
    for name in ("mean", "resampled", "oracle"):
        assert row[f"dice_{name}"] == pytest.approx(by_hand, abs=0.01)
        assert row[f"folds_{name}"] == 0
    assert len(of_labels) == len(labels)
    assert all(one["disp_mm2"] < 1e-4 for one in of_labels)
    noisy = scores.Model(Noise(), None, voxel_mm=2.0)
    row, of_labels = scores.judge(noisy, pair, labels, seeds, 4)
    assert row["dice_oracle"] >= row["dice_resampled"] - 0.2 and 1 <= row["different"] <= 4
    assert {one["label"] for one in of_labels} == set(labels)
    with pytest.raises(ValueError, match="sigma_alpha"):
        scores.judge(noisy, pair, labels, seeds, 4, average=True)


def test_tables_have_a_spread_over_pairs_or_over_structures(scores, tmp_path):
    rows = [
        {"model": "a", "pair": pair, **dict.fromkeys(scores.TABLES["table1"][1], dice)}
        for pair, dice in enumerate((0.5, 0.7, 0.9))
    ]
    of_labels = [
        {
            "model": "a",
            "label": label,
            "dice_resampled": dice,
            "entropy": label * (1 - dice),
            "disp_mm2": dice,
            **dict.fromkeys(("ause", "ece", "ause_disp"), 0.1 * label),
        }
        for label in (1, 2)
        for dice in (0.5, 0.7, 0.9)
    ]
    found = scores.tables(rows, of_labels)
    ((name, *cells),) = found["table1"][1]
    assert name == "a" and cells[0] == pytest.approx((0.7, np.std([0.5, 0.7, 0.9])))
    ((_, area, ece, entropy, spearman),) = found["table2"][1]
    assert area == ece == pytest.approx((0.15, 0.05))
    assert entropy == pytest.approx((0.45, 0.15)) and spearman == pytest.approx((-1, 0))
    assert found["table3"][1][0][-1] == pytest.approx((1, 0))
    text = scores.write_tables(rows, of_labels, tmp_path, "Three pairs.")
    assert "| a | 0.7000 (0.1633) |" in text
    assert {file.name for file in tmp_path.iterdir()} == {
        "tables.md",
        "table1.csv",
        "table2.csv",
        "table3.csv",
    }


@pytest.mark.slow
def test_the_script_judges_a_folder_and_goes_on(tmp_path):
    images, labels = write_images(tmp_path, 2)
    folder = write_proposal_network(tmp_path / "model")
    command = [
        *(sys.executable, str(BENCHMARKS / "sir_folder.py")),
        *("--images", str(images), "--labels", str(labels), "--models", str(folder)),
        *("--out", str(tmp_path / "out"), "--proposals", "4", "--kept", "2", "--smooth", "0.5"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for pairs, lines in (("1", 4), ("2", 8)):
        done = subprocess.run(
            [*command, "--pairs", pairs],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(" s\n") == 4  # identity, the mean, noise and the model
        rows = (tmp_path / "out/pairs.csv").read_text("utf-8").splitlines()
        assert len(rows) == 1 + lines
    assert "## Table 3" in (tmp_path / "out/tables.md").read_text("utf-8")
