"""AdaCS: momentum and losses by hand, phases, exact resume, and how alpha prevents a collapse."""

import json
import math
import random
from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from support.known_pairs import KnownPairs
from UncertainRegLib.training.adacs import (
    AdaCSTraining,
    Momentum,
    predict_score,
    scoring_loss,
    train_adacs,
)
from UncertainRegLib.training.losses import smoothness
from UncertainRegLib.training.synthetic import SyntheticPairs

WIDTHS = {"encoder": (4, 8), "decoder": (8, 8, 4), "ndim": 2}
TINY = AdaCSTraining(
    **WIDTHS,
    network=WIDTHS,
    learning_rate=1e-3,
    motion_steps=3,
    scoring_steps=2,
    epoch_steps=2,
    steps=9,
    save_every=2,
)
OCCLUDED = KnownPairs(SyntheticPairs((1, 24, 32)), occlusion=(4, 6))


def test_momentum_by_hand():
    momentum = Momentum(kappa=50, epoch_steps=2)
    b = [math.cos(math.pi / 2 * 50 * mu) for mu in (0.01, 0.005, 0.004)]
    for mu in (0.01, 0.005):  # epoch 0: no memory
        momentum.update(mu, 0.0)
    assert math.isclose(momentum.value, b[1])
    momentum.update(0.004, 0.0)  # epoch 1: half and half
    assert math.isclose(momentum.value, 0.5 * b[1] + 0.5 * b[2])
    other = Momentum(kappa=50, epoch_steps=2)
    other.load_state_dict(momentum.state_dict())
    (
        momentum.update(0.5, 0.0),
        other.update(0.5, 0.0),
    )  # kappa mu is cut at 1: b is 0, never negative
    assert math.isclose(momentum.value, 0.25 * (b[1] + b[2])) and other.value == momentum.value


def test_momentum_forgets_a_hundredth_in_the_end():
    momentum = Momentum(epoch_steps=1)
    for _ in range(500):
        momentum.update(1.0, 0.0)
    momentum.update(0.0, 0.0)
    assert math.isclose(momentum.value, 0.01)


def test_momentum_grows_as_the_residual_falls():
    values = []
    momentum = Momentum(epoch_steps=10)
    for mu in torch.linspace(0.02, 0.002, 50).tolist():
        momentum.update(mu, 0.0)
        values.append(momentum.value)
    assert values == sorted(values) and values[0] < 0.1 and values[-1] > 0.9


def test_momentum_of_the_authors_code_by_hand():
    """cos(pi kappa mu) of the epoch's mean so far: 0 and -1 where the paper's has 0.71 and 0."""
    values = {}
    for kind in ("paper", "code"):
        for mu in (0.005, 0.01, 0.02):
            momentum = Momentum(kappa=50, epoch_steps=2, kind=kind)
            momentum.update(mu, mu)
            values[kind, mu] = round(momentum.value, 2)
    assert values == {
        **{("paper", 0.005): 0.92, ("paper", 0.01): 0.71, ("paper", 0.02): 0.0},
        **{("code", 0.005): 0.71, ("code", 0.01): 0.0, ("code", 0.02): -1.0},
    }
    momentum = Momentum(kappa=50, epoch_steps=2, kind="code")
    momentum.update(9.0, 0.002)  # the weighed residual counts, not the plain one
    momentum.update(9.0, 0.006)
    assert math.isclose(momentum.value, math.cos(math.pi * 50 * 0.004))
    other = Momentum(kappa=50, epoch_steps=2, kind="code")
    other.load_state_dict(momentum.state_dict())
    for each in (momentum, other):  # a new epoch, a new mean
        each.update(9.0, 0.001)
    expected = 0.5 * math.cos(math.pi * 50 * 0.004) + 0.5 * math.cos(math.pi * 50 * 0.001)
    assert math.isclose(momentum.value, expected) and other.value == momentum.value


def test_scoring_loss_by_hand():
    score, residual = torch.rand(2, 1, 3, 4, 5), torch.rand(2, 1, 3, 4, 5)
    wanted = (score * residual).mean() + 0.02 * ((1 - score) ** 2).mean()
    assert torch.isclose(scoring_loss(replace(TINY, beta=0), score, residual, 0.7), wanted)
    smooth = smoothness(score)
    assert torch.isclose(scoring_loss(TINY, score, residual, 0.7), wanted + 1.5 * 0.7 * smooth)
    constant = scoring_loss(replace(TINY, momentum="none"), score, residual, 0.7)
    assert torch.isclose(constant, wanted + 1.5 * smooth)


def test_score_at_the_minimum_of_one_voxel():
    """S r + alpha (1 - S)² is least at S = 1 - r / (2 alpha)."""
    score = torch.full((1, 1, 1, 1, 1), 1 - 0.01 / 0.04).requires_grad_()
    scoring_loss(replace(TINY, beta=0), score, torch.full_like(score, 0.01), 0.0).backward()
    assert score.grad.abs() < 1e-6


def test_warm_up_trains_one_network_at_a_time(tmp_path):
    seen = {}

    def watch(log):
        states = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["state"]
        seen[log["step"]] = {name: states[name] for name in ("displacement", "score", "momentum")}

    config = replace(TINY, save_every=1, steps=8)
    # the checkpoint of a step is written after the log of the step is told
    train_adacs(
        config, OCCLUDED, tmp_path, progress=False, on_step=lambda log: log["step"] and watch(log)
    )

    def same(name, a, b):
        if name == "momentum":
            return seen[a][name] == seen[b][name]
        return all(torch.equal(v, seen[b][name][k]) for k, v in seen[a][name].items())

    moving = [(1, 2), (2, 3), (6, 7)]  # told in step n: the state after step n - 1
    scoring = [(3, 4), (4, 5), (6, 7)]
    for a, b in moving + scoring:
        assert same("displacement", a, b) == ((a, b) not in moving)
        assert same("score", a, b) == ((a, b) not in scoring)
        assert same("momentum", a, b) == ((a, b) not in moving)


def test_score_sees_the_fixed_image_alone():
    pair = OCCLUDED.pair(0)
    assert predict_score(TINY.networks()["score"], pair.fixed).shape == pair.fixed.shape
    assert TINY.networks()["score"].settings["inputs"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"momentum": "none", "beta": 0.5},
        {"motion_steps": 9},
        {
            "network": {"backbone": "diffusemorph", "encoder": (4, 8), "decoder": (8, 8, 4)},
            "ndim": 3,
        },
    ],
    ids=["paper", "constant", "mse", "diffusemorph"],
)
def test_killed_at_a_random_step_it_resumes_to_the_same_bits(tmp_path, change):
    config = replace(TINY, **change)
    pairs = OCCLUDED if config.ndim == 2 else KnownPairs(SyntheticPairs((8, 8, 8)))
    whole = train_adacs(config, pairs, tmp_path / "a", progress=False)
    killed = random.randrange(1, config.steps)

    def kill(log):
        if log["step"] == killed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_adacs(config, pairs, tmp_path / "b", progress=False, on_step=kill)
    resumed = train_adacs(config, pairs, tmp_path / "b", progress=False)
    for name, net in whole.items():
        theirs = resumed[name].state_dict()
        assert all(torch.equal(v, theirs[k]) for k, v in net.state_dict().items()), killed
    assert (tmp_path / "a/log.jsonl").read_text("utf-8") == (tmp_path / "b/log.jsonl").read_text(
        "utf-8"
    )
    assert (tmp_path / "a/weights.pt").read_bytes() == (tmp_path / "b/weights.pt").read_bytes()


def test_without_alpha_the_score_collapses_and_with_it_not(tmp_path):
    config = replace(TINY, motion_steps=0, scoring_steps=0, steps=150, learning_rate=3e-3)
    aligned = replace(OCCLUDED, warp_voxels=0.3)
    logs = {}
    for alpha in (0.0, 0.02):
        logs[alpha] = []
        keep = logs[alpha].append
        folder = tmp_path / str(alpha)
        if alpha:
            train_adacs(replace(config, alpha=alpha), aligned, folder, False, keep)
        else:
            with pytest.warns(UserWarning, match="collapsed"):
                train_adacs(replace(config, alpha=alpha), aligned, folder, False, keep)
    assert logs[0.0][-1]["score"] < 0.05 and "warning" in logs[0.0][-1]
    assert logs[0.02][-1]["score"] > 0.5 and "warning" not in logs[0.02][-1]


def test_the_folder_is_a_model(tmp_path):
    nets = train_adacs(replace(TINY, steps=1), OCCLUDED, tmp_path, progress=False)
    manifest = json.loads((tmp_path / "model.json").read_text("utf-8"))
    assert manifest["kind"] == "adacs" and manifest["members"] == ["displacement", "score"]
    assert manifest["network"]["score"] == json.loads(json.dumps(nets["score"].settings))
