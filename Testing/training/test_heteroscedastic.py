"""Heteroscedastic training: weights and losses by hand, exact resume, sigma_I where noise is."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from support.known_pairs import KnownPairs
from UncertainRegLib.backbones import create
from UncertainRegLib.geometry import Grid, Image
from UncertainRegLib.metrics.correlation import spearman
from UncertainRegLib.networks.diffusemorph import DiffuseMorph, displace, displacement_net
from UncertainRegLib.networks.warp import warp
from UncertainRegLib.training.heteroscedastic import (
    HeteroscedasticTraining,
    adaframe_weight,
    adareg_weight,
    beta_nll,
    data_weight,
    displacement_loss,
    joint_loss,
    predict_log_variance,
    snr_weight,
    train_heteroscedastic,
)
from UncertainRegLib.training.synthetic import SyntheticPairs

WIDTHS = {"encoder": (4, 8), "decoder": (8, 8, 4), "ndim": 2}
TINY = HeteroscedasticTraining(**WIDTHS, network=WIDTHS, learning_rate=1e-3, steps=9, save_every=2)
FLAT = KnownPairs(SyntheticPairs((1, 24, 32)), noise=(0.02, 0.3))


def image(*values):
    return torch.tensor(values).view(1, 1, 1, 1, -1)


def test_weight_of_the_signal_to_noise_ratio_by_hand():
    fixed, sigma = image(0.0, 0.5, 0.9), image(0.1, 0.5, 0.1)
    ratio = torch.tensor([0.0, 1.0, 9.0])  # fixed / sigma, gamma 0.5
    wanted = torch.sigmoid(ratio / 9)
    found = snr_weight(fixed, 2 * sigma.log())
    assert torch.allclose(found.flatten(), wanted, atol=1e-6)
    assert found.min() == 0.5 and found.max() < 0.7311
    code = snr_weight(fixed, 2 * sigma.log(), snr="code")  # (fixed / sigma²)^0.5
    ratio = torch.tensor([0.0, 0.5**0.5 / 0.5, 0.9**0.5 / 0.1])
    assert torch.allclose(code.flatten(), torch.sigmoid(ratio / ratio.max()), atol=1e-6)


def test_no_confidence_weighs_all_voxels_alike():
    fixed = torch.rand(2, 1, 4, 4, 4) - 0.2  # noise makes negative intensities too
    weight = snr_weight(fixed, torch.randn(fixed.shape), gamma=0.0)
    assert torch.equal(weight, torch.full_like(weight, 0.5))
    assert torch.isfinite(snr_weight(fixed, torch.full(fixed.shape, -10.0), gamma=1.0)).all()


def test_each_image_has_weights_of_its_own():
    fixed, s = torch.rand(2, 1, 4, 4, 4), torch.randn(2, 1, 4, 4, 4)
    alone = snr_weight(fixed[:1], s[:1])
    fixed[1] *= 100
    assert torch.equal(snr_weight(fixed, s)[:1], alone)


def test_baseline_weights_by_hand():
    residual, s = image(0.04, 0.16, 0.0), image(0.0, 2.0, -2.0)
    of = {
        loss: data_weight(replace(TINY, loss=loss), residual, residual, s)
        for loss in ("mse", "adareg", "nll", "beta-nll", "adaframe")
    }
    assert of["mse"] is None and of["adareg"] is None
    assert torch.allclose(of["nll"], torch.exp(-s))
    assert torch.allclose(of["beta-nll"], torch.exp(-s / 2))
    mean = torch.tensor((0.2 + 0.4) / 3)
    score = (image(0.2, 0.4, 0.0) - mean) / 0.2
    shift = 10 * (1 - torch.cos(torch.pi * mean))
    assert torch.allclose(of["adaframe"], 1 - torch.sigmoid(0.1 / mean * score - shift))
    assert torch.allclose(adareg_weight(residual), torch.exp(-50 * image(0.2, 0.4, 0.0) * mean))
    assert torch.isfinite(adaframe_weight(torch.zeros(1, 1, 2, 2, 2))).all()


def test_variance_is_the_squared_residual_at_the_minimum():
    residual = torch.full((1, 1, 2, 2, 2), 0.04)
    for beta in (0.0, 0.5, 1.0):
        s = torch.full_like(residual, np.log(0.04)).requires_grad_()
        beta_nll(residual, s, beta).backward()
        assert s.grad.abs().max() < 1e-6
    s = torch.full_like(residual, -1.0)
    assert torch.isclose(beta_nll(residual, s, 0.0), 0.04 * torch.exp(torch.tensor(1.0)) - 1)


def test_no_loss_reaches_the_other_network():
    nets = TINY.networks()
    pair = FLAT.pair(1)
    z = nets["displacement"](pair.moving, pair.fixed)
    moved = warp(pair.moving, z, "border")
    log_variance = predict_log_variance(nets["variance"], moved, pair.fixed)
    residual = (pair.fixed - moved).square()
    displacement_loss(TINY, pair.fixed, residual, log_variance, z).backward(retain_graph=True)
    assert all(p.grad is None for p in nets["variance"].parameters())
    assert any(p.grad.abs().max() > 0 for p in nets["displacement"].parameters())
    nets["displacement"].zero_grad(set_to_none=True)
    beta_nll(residual.detach(), log_variance).backward()
    assert all(p.grad is None for p in nets["displacement"].parameters())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"loss": "adareg"},
        {"loss": "nll"},
        {"alpha": 0.01},
        {"window": 5},
        {
            "network": {"backbone": "diffusemorph", "encoder": (4, 8), "decoder": (8, 8, 4)},
            "ndim": 3,
        },
    ],
    ids=["snr", "adareg", "nll", "sigma_z", "window", "diffusemorph"],
)
def test_killed_at_a_random_step_it_resumes_to_the_same_bits(tmp_path, change):
    config = replace(TINY, **change)
    pairs = FLAT if config.ndim == 2 else KnownPairs(SyntheticPairs((8, 8, 8)))
    whole = train_heteroscedastic(config, pairs, tmp_path / "a", progress=False)
    killed = random.randrange(1, config.steps)

    def kill(log):
        if log["step"] == killed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_heteroscedastic(config, pairs, tmp_path / "b", progress=False, on_step=kill)
    resumed = train_heteroscedastic(config, pairs, tmp_path / "b", progress=False)
    for name, net in whole.items():
        theirs = resumed[name].state_dict()
        assert all(torch.equal(v, theirs[k]) for k, v in net.state_dict().items()), killed
    assert (tmp_path / "a/log.jsonl").read_text("utf-8") == (tmp_path / "b/log.jsonl").read_text(
        "utf-8"
    )
    assert (tmp_path / "a/weights.pt").read_bytes() == (tmp_path / "b/weights.pt").read_bytes()


def test_the_joint_loss_sends_its_gradient_through_the_variance_too():
    """As in the papers of NLL and beta-NLL: against differences of the loss itself."""
    torch.manual_seed(0)
    net = TINY.networks()["variance"].double()
    torch.nn.init.normal_(net.out.weight, std=0.3)
    config = replace(TINY, loss="nll", joint=True)
    fixed, moved = torch.rand(2, 1, 1, 1, 16, 16, dtype=torch.float64)
    moved.requires_grad_()
    z = torch.zeros(1, 3, 1, 16, 16, dtype=torch.float64)

    def loss_of(image):
        return joint_loss(config, net, image, fixed, z, 0.0)

    loss_of(moved).backward()
    with torch.no_grad():
        step = torch.zeros_like(moved)
        step[0, 0, 0, 8, 7] = 1e-3
        slope = float((loss_of(moved + step) - loss_of(moved - step)) / 2e-3)
        log_variance = predict_log_variance(net, moved, fixed)
        weighed = 2 * (moved - fixed) * torch.exp(-log_variance) / moved.numel()
    assert float(moved.grad[0, 0, 0, 8, 7]) == pytest.approx(slope, rel=1e-2)
    assert float(weighed[0, 0, 0, 8, 7]) != pytest.approx(slope, rel=0.05)


def test_the_folder_is_a_model(tmp_path):
    nets = train_heteroscedastic(replace(TINY, steps=1), FLAT, tmp_path, progress=False)
    manifest = json.loads((tmp_path / "model.json").read_text("utf-8"))
    assert manifest["kind"] == "heteroscedastic" and manifest["grid"]["shape"] == [1, 24, 32]
    assert manifest["network"] == {
        name: json.loads(json.dumps(net.settings)) for name, net in nets.items()
    }


@pytest.mark.parametrize(("shape", "axes"), [((1, 24, 32), 2), ((8, 8, 8), 3)])
def test_the_predicted_spread_is_over_the_axes_that_move(tmp_path, shape, axes):
    """Untrained, the spread is the same along each axis; a slice moves within its plane."""
    pairs = KnownPairs(SyntheticPairs(shape))
    network = {**WIDTHS, "ndim": axes}
    config = replace(TINY, alpha=0.01, steps=1, learning_rate=1e-12, ndim=axes, network=network)
    nets = train_heteroscedastic(config, pairs, tmp_path, progress=False)
    backbone = create(str(tmp_path))
    image = Image(np.random.default_rng(0).random(shape, np.float32), Grid(shape, np.eye(4)))
    fixed, moving = backbone.prepare(image, image)
    found = backbone.maps(fixed, moving)["predicted_uncertainty_mm"].image.array
    with torch.no_grad():
        net = nets["displacement"]
        spread = (
            0.5 * net.log_scale(net.features(moving.array[None, None], fixed.array[None, None]))
        ).exp()[0, 0]
    spacing_mm = json.loads((tmp_path / "model.json").read_text("utf-8"))["grid"]["spacing_mm"]
    wanted = axes**0.5 * spacing_mm * spread.numpy()
    assert np.asarray(found) == pytest.approx(wanted, rel=1e-4)


def test_transmorph_trains_too(tmp_path):
    config = replace(TINY, ndim=3, steps=1, network={"backbone": "transmorph"})
    train_heteroscedastic(
        config, KnownPairs(SyntheticPairs((32, 32, 32))), tmp_path, progress=False
    )
    assert (tmp_path / "model.json").exists()


def test_sigma_follows_the_noise(tmp_path):
    config = replace(TINY, steps=150, learning_rate=3e-3, window=5, save_every=1000)
    nets = train_heteroscedastic(config, FLAT, tmp_path, progress=False)
    found = []
    for seed in range(10**6, 10**6 + 8):
        pair = FLAT.pair(seed)
        with torch.no_grad():
            moved = warp(pair.moving, nets["displacement"](pair.moving, pair.fixed), "border")
            s = predict_log_variance(nets["variance"], moved, pair.fixed)
        found.append(spearman(s[0, 0].numpy(), pair.noise_sd[0, 0].numpy()))
    assert np.mean(found) > 0.6  # 0.69 to 0.81 with seeds 0, 1 and 2; nothing learnt is 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "luck"}, "is not one of mse"),
        ({"snr": "both"}, "'paper' or 'code'"),
        ({"alpha": 1, "network": {"backbone": "diffusemorph"}}, "no head for sigma_z"),
    ],
)
def test_wrong_settings_are_one_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def test_diffusemorph_learns_the_noise_and_registers_without_any():
    torch.manual_seed(0)
    net = displacement_net("diffusemorph", encoder=(4, 8), decoder=(8, 8, 4), times=10)
    moving, fixed = torch.rand(2, 2, 1, 8, 8, 12).unbind(0)
    assert torch.equal(net(moving, fixed), net(moving, fixed))
    z, loss = displace(net, moving, fixed)
    assert z.shape == (2, 3, 8, 8, 12)
    assert 0.5 < loss / 0.05 < 1.5  # an untrained network predicts no noise: its variance is 1
    loss.backward()
    assert net.diffusion.out.weight.grad.abs().max() > 0
    again = DiffuseMorph(**{k: v for k, v in net.settings.items() if k != "backbone"})
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(moving, fixed), net(moving, fixed))
    with pytest.raises(ValueError, match="'diffusemorph'"):
        displacement_net("diffusemorph", depth=3)


def test_known_pairs_tell_the_truth():
    pairs = KnownPairs(SyntheticPairs((16, 16, 24), noise=0.0), warp_voxels=1.0)
    pair = pairs.pair(4)
    assert torch.equal(pair.fixed, warp(pair.moving, pair.displacement, "border"))
    assert torch.equal(pair.fixed, pairs.pair(4).fixed) and not pair.occluded.any()
    noisy = KnownPairs(pairs.images, warp_voxels=1.0, noise=(0.05, 0.3)).pair(4)
    difference = (noisy.fixed - pair.fixed) / noisy.noise_sd
    assert torch.equal(noisy.displacement, pair.displacement)
    assert abs(difference.std() - 1) < 0.05
    assert 0.05 < noisy.noise_sd.min() < 0.1 and 0.25 < noisy.noise_sd.max() < 0.3
    dark = KnownPairs(pairs.images, warp_voxels=1.0, occlusion=(3, 4)).pair(4)
    volume = 4 / 3 * np.pi * np.array([3, 4]) ** 3
    assert 0.85 * volume[0] < dark.occluded.sum() < 1.15 * volume[1]
    assert dark.fixed[dark.occluded].max() <= 0.03
    assert torch.equal(dark.fixed[~dark.occluded], pair.fixed[~dark.occluded])


def test_occluders_are_dark_bright_or_of_the_image_itself():
    images = SyntheticPairs((1, 32, 32), noise=0.0)
    shown = {
        kind: KnownPairs(images, occlusion=(4, 6), occluder=kind).pair(2)
        for kind in ("dark", "bright", "textured")
    }
    here = shown["dark"].occluded
    assert all(torch.equal(pair.occluded, here) for pair in shown.values())
    assert shown["dark"].fixed[here].max() <= 0.03 and shown["bright"].fixed[here].min() >= 0.97
    elsewhere = shown["textured"].moving.roll((16, 16), (3, 4))
    assert torch.equal(shown["textured"].fixed[here], elsewhere[here])
    with pytest.raises(ValueError, match="occluder"):
        KnownPairs(images, occluder="pink")
