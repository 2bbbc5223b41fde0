"""A loss of both directions: the way back undoes the way there, and both count alike."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from UncertainRegLib.networks.diffusemorph import displace
from UncertainRegLib.networks.displacement import DisplacementNet
from UncertainRegLib.networks.warp import warp
from UncertainRegLib.randomness import seed_of, torch_seeded
from UncertainRegLib.training.adacs import AdaCSTraining, train_adacs
from UncertainRegLib.training.heteroscedastic import HeteroscedasticTraining, train_heteroscedastic
from UncertainRegLib.training.synthetic import SyntheticPairs

SIZES = {"encoder": (4, 8), "decoder": (8, 8, 4), "ndim": 2}
NETWORK = {**SIZES, "int_steps": 7, "downsize": 2}
PAIRS = SyntheticPairs((1, 24, 32))
CONFIGS = {
    train_adacs: AdaCSTraining(
        **SIZES, network=NETWORK, steps=1, motion_steps=0, scoring_steps=0, both_ways=True
    ),
    train_heteroscedastic: HeteroscedasticTraining(
        **SIZES, network=NETWORK, steps=1, both_ways=True
    ),
}


def test_the_way_back_undoes_the_way_there():
    torch.manual_seed(0)
    network = DisplacementNet(encoder=(4,), decoder=(4, 4), int_steps=7)
    line = torch.linspace(0, torch.pi, 24)
    bump = torch.sin(line)[:, None, None] * torch.sin(line)[:, None] * torch.sin(line)
    features = torch.cat([bump[None, None] * n for n in (1.0, 0.5, -0.5, 0.25)], 1)
    torch.nn.init.normal_(network.flow.weight, std=0.1)
    with torch.no_grad():
        there, back = (network.displacement(features, way) for way in (False, True))
        left = there + warp(back, there, "border")
    assert there.abs().max() > 0.5
    assert left.abs().max() < 0.05 * there.abs().max()


@pytest.mark.parametrize("train", list(CONFIGS), ids=lambda train: train.__name__)
def test_both_directions_count_alike(tmp_path, train):
    logged = []
    train(CONFIGS[train], PAIRS, tmp_path / "out", False, logged.append)
    network = CONFIGS[train].networks()["displacement"]  # as it began
    pair = PAIRS.pair(seed_of(0, "training pair", 0))
    with torch.no_grad(), torch_seeded(0, "training step", 0):
        there, back = displace(network, pair.moving, pair.fixed, True)[0].chunk(2)
    errors = [
        (pair.fixed - warp(pair.moving, there, "border")).square().mean(),
        (pair.moving - warp(pair.fixed, back, "border")).square().mean(),
    ]
    assert logged[0]["mse"] == pytest.approx(float(sum(errors) / 2), rel=1e-5)


def test_it_is_refused_where_there_is_no_way_back():
    for config in CONFIGS.values():
        with pytest.raises(ValueError, match="DiffuseMorph"):
            replace(config, network={"backbone": "diffusemorph"})
    with pytest.raises(ValueError, match="no way back"):
        replace(CONFIGS[train_heteroscedastic], alpha=0.1)
