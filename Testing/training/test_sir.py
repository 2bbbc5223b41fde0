"""Training of structured SIR: objectives with known optima, data, resuming, a tiny run."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.backbones.models import read_model  # noqa: E402
from UncertainRegLib.gaussian import DiagonalFactor, LowRank, SparseFactor, StructuredGaussian  # noqa: E402
from UncertainRegLib.geometry import Grid, Image, write_image  # noqa: E402
from UncertainRegLib.networks.sir_unet import SirUNet  # noqa: E402
from UncertainRegLib.samplers.proposals.trained import proposal_network  # noqa: E402
from UncertainRegLib.training.folder import FolderPairs  # noqa: E402
from UncertainRegLib.training.model_folder import load_model  # noqa: E402
from UncertainRegLib.training.sir import SirTraining, train_sir  # noqa: E402
from UncertainRegLib.training.sir_objectives import CollapseMonitor, SpreadAverage, bounds, sir_loss  # noqa: E402
from UncertainRegLib.training.synthetic import SyntheticPairs  # noqa: E402

GRID = (2, 3, 2)
SIZE = 3 * math.prod(GRID)


class GaussianTarget:
    """A posterior that is known: N(mean, covariance) over all 3 Nv numbers."""

    def __init__(self, q: StructuredGaussian):
        self.q = q

    def log_prob(self, fields):
        return self.q.log_prob(fields)


class FreeGaussian:
    """Mean, L and R as free parameters."""

    def __init__(self, rank=2, sd=1.0):
        torch.manual_seed(0)
        self.mean = torch.zeros(1, 3, *GRID, dtype=torch.float64)
        self.log_diag = torch.full_like(self.mean, -math.log(sd))
        self.off = torch.zeros(1, 3, 13, *GRID, dtype=torch.float64)
        self.cross = torch.zeros_like(self.mean)
        self.columns = 0.1 * torch.randn(1, rank, 3, *GRID, dtype=torch.float64)
        self.parameters = [self.mean, self.log_diag, self.off, self.cross, self.columns]
        for parameter in self.parameters:
            parameter.requires_grad_()

    def q(self):
        return StructuredGaussian(
            self.mean,
            SparseFactor(self.log_diag.exp(), self.off, self.cross),
            LowRank(self.columns),
        )


def known_target(sd=0.5):
    torch.manual_seed(1)
    mean = torch.randn(1, 3, *GRID, dtype=torch.float64)
    factor = DiagonalFactor(torch.full_like(mean, 1 / sd))
    columns = 0.4 * torch.randn(1, 1, 3, *GRID, dtype=torch.float64)
    return GaussianTarget(StructuredGaussian(mean, factor, LowRank(columns)))


def covariance(q):
    eye = torch.eye(SIZE, dtype=torch.float64).view(1, SIZE, 3, *GRID)
    with torch.no_grad():
        return q.matmul(eye).flatten(2)[0]


def optimise(objective, steps, rate=0.05, keep=16):
    free, target, monitor = FreeGaussian(), known_target(), CollapseMonitor()
    optimiser = torch.optim.Adam(free.parameters, rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    warnings = []
    for step in range(steps):
        seeds = range(64 * step, 64 * step + 64)
        loss, log = sir_loss(objective, free.q(), target, list(seeds), keep, mean_smoothness=0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        warnings.append(monitor.update(log["half_logdet"]))
    return free.q(), target.q, [w for w in warnings if w]


def test_elbo_recovers_a_known_gaussian():
    q, p, warnings = optimise("elbo", 400)
    assert not warnings
    with torch.no_grad():
        assert (q.mean - p.mean).abs().max() < 0.15
        kl = 0.5 * (
            torch.trace(p.solve(covariance(q).view(1, SIZE, 3, *GRID)).flatten(2)[0])
            - SIZE
            + p.logdet()
            - q.logdet()
        )
        sd = covariance(q).diagonal().sqrt() / covariance(p).diagonal().sqrt()
    assert kl < 0.05 * SIZE  # it starts at 58: 1.6 a number
    assert sd.min() > 0.85 and sd.max() < 1.15


def test_the_papers_objective_collapses_and_says_so():
    q, p, warnings = optimise("paper", 300)
    assert warnings and "collapsing" in warnings[0]
    assert covariance(q).diagonal().max() < 0.3 * covariance(p).diagonal().min()


@pytest.mark.parametrize("objective", ["entropy", "wake"])
def test_entropy_and_wake_do_not_collapse(objective):
    q, p, warnings = optimise(objective, 300)
    assert not warnings
    ratio = covariance(q).diagonal().mean() / covariance(p).diagonal().mean()
    assert ratio > 0.4


def test_bounds_of_equal_weights_coincide():
    values = bounds(torch.full((8,), -30.0, dtype=torch.float64), 10)
    assert values["elbo"] == pytest.approx(-3) and values["iw_bound"] == pytest.approx(-3)
    spread = bounds(torch.tensor([-10.0, -30.0], dtype=torch.float64), 10)
    assert spread["iw_bound"] > spread["elbo"]


def test_the_moving_average_of_the_spread_begins_with_the_first_step():
    """By hand: 10, then 0.9 10 + 0.1 20 = 11, then 0.9 11 + 0.1 0 = 9.9."""
    average = SpreadAverage(0.9)
    assert [average.update(x) for x in (10.0, 20.0, 0.0)] == pytest.approx([10.0, 11.0, 9.9])


def test_a_training_tempers_by_the_average_and_keeps_it(tmp_path):
    """Also over an interruption; the model folder says it."""
    tiny = {"rank": 2, "proposals": 4, "keep": 2, "optimiser": "adam", "mean_steps": 0}
    tiny |= {"spread_average": 0.9, "validation_pairs": 1, "validate_every": 100}
    pairs = SyntheticPairs((16, 16, 16))
    train_sir(SirTraining(steps=3, **tiny), pairs, tmp_path / "whole", progress=False)
    for steps in (1, 3):
        train_sir(SirTraining(steps=steps, **tiny), pairs, tmp_path / "parts", progress=False)
    logs = [rows(tmp_path / name) for name in ("whole", "parts")]
    found = [[row["sigma_alpha"] for row in log] for log in logs]
    assert found[0] == found[1]
    spreads = [row["log_weight_sd"] for row in logs[0]]
    assert found[0][1] == pytest.approx(0.9 * spreads[0] + 0.1 * spreads[1])
    kept = read_model(tmp_path / "whole")["provenance"]["sigma_alpha"]
    assert kept == pytest.approx(found[0][-1])


def test_monitor_lets_learning_settle():
    monitor = CollapseMonitor()
    assert not any(monitor.update(-1.2 * (1 - math.exp(-i / 20))) for i in range(200))
    monitor = CollapseMonitor()
    assert any(monitor.update(-0.02 * i) for i in range(200))  # 4 nats, and no end


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="not one of mean"):
        sir_loss("iwae", None, None, [0])
    with pytest.raises(ValueError, match=r"V\+CL"):
        SirTraining("V+CL")
    with pytest.raises(ValueError, match="train with one of"):
        SirTraining("S+LC", "elbo")


def test_learning_rate_falls_and_stays():
    config = SirTraining(steps=60, mean_steps=10, decay_steps=30)
    for phase, length in ((0, 10), (10, 30)):  # the mean's, then that of all
        assert config.rate(phase) == 2e-3
        assert config.rate(phase + length // 2) == pytest.approx(1.1e-3)
    assert config.rate(40) == config.rate(59) == pytest.approx(2e-4)


def test_synthetic_pairs():
    pairs = SyntheticPairs((16, 24, 16))
    one, again, other = pairs.pair(5), pairs.pair(5), pairs.pair(6)
    assert torch.equal(one.moving, again.moving) and not torch.equal(one.moving, other.moving)
    for image, labels in ((one.moving, one.moving_labels), (one.fixed, one.fixed_labels)):
        assert image.shape == labels.shape == (1, 1, 16, 24, 16)
        assert image.min() >= 0 and image.max() <= 1 and len(labels.unique()) > 3
    agreement = (one.moving_labels == one.fixed_labels).double().mean()
    chance = (one.moving_labels == other.fixed_labels).double().mean()
    assert chance + 0.1 < agreement < 0.98  # related, and something to register


def test_folder_pairs_are_centred_and_shifted_with_their_labels(tmp_path):
    for name, origin in (("a", 0.0), ("b", 300.0)):  # far apart: centres are brought together
        grid = Grid.from_spacing((12, 14, 16), (2, 2, 2), (origin, 0, 0))
        array = np.full(grid.shape, 0.5, np.float32)  # whole values would be a segmentation
        array[4:8, 5:9, 6:10] = 100.0
        (tmp_path / "labels").mkdir(exist_ok=True)
        write_image(Image(array, grid), tmp_path / f"{name}.nii.gz")
        write_image(Image((array > 1).astype(np.uint8), grid), tmp_path / f"labels/{name}.nii.gz")
    still = FolderPairs(
        str(tmp_path), (16, 16, 16), 2.0, str(tmp_path / "labels"), together=0, apart=0
    ).pair(0)
    assert torch.allclose(still.moving, still.fixed, atol=1e-4)
    assert still.moving.max() == 1 and still.moving_labels.sum() == 64
    moved = FolderPairs(
        str(tmp_path), (16, 16, 16), 2.0, str(tmp_path / "labels"), together=0, apart=2
    ).pair(0)
    assert torch.equal(moved.fixed > 0.5, moved.fixed_labels > 0)
    assert not torch.equal(moved.fixed, still.fixed)
    with pytest.raises(ValueError, match="at least two"):
        FolderPairs(str(tmp_path), (16, 16, 16), names=("a.nii.gz",))


TINY = {"rank": 2, "proposals": 4, "keep": 2, "mean_steps": 2, "validation_pairs": 1}


def rows(folder):
    return [json.loads(line) for line in open(folder / "log.jsonl", encoding="utf-8")]


@pytest.mark.parametrize("optimiser", ["adam", "soap"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, set_threads, optimiser):
    if optimiser == "soap":
        pytest.importorskip("heavyball")
    pairs = SyntheticPairs((16, 16, 16))

    def run(folder, *stops):
        for threads, steps in zip((1, 2), stops):  # it goes on with as many as it began
            set_threads(threads)
            net = train_sir(
                SirTraining(steps=steps, optimiser=optimiser, **TINY), pairs, folder, progress=False
            )
        return net, rows(folder)

    whole, log = run(tmp_path / "whole", 6)
    parts, resumed = run(tmp_path / "parts", 3, 6)
    assert [row["step"] for row in resumed] == list(range(6))
    assert resumed[-1]["loss"] == log[-1]["loss"]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters()))
    manifest, states = load_model(tmp_path / "parts")
    assert manifest["kind"] == "sir" and manifest["network"] == parts.settings
    assert {values.dtype for values in states["proposal"].values()} == {torch.float16}
    small = proposal_network(str(tmp_path / "parts"))
    for a, b in zip(small.parameters(), parts.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["threads"] == 1
    with pytest.raises(ValueError, match=r"trained differently \(variant\)"):
        train_sir(
            SirTraining("V+D", steps=9, optimiser=optimiser, **TINY),
            pairs,
            tmp_path / "parts",
            progress=False,
        )


@pytest.mark.parametrize("variant", ["V+D", "V+LD", "V+C", "V+LC", "S+D", "S+LD", "S+C", "S+LC"])
def test_all_variants_take_a_step(tmp_path, variant):
    settings = {**TINY, "mean_steps": 1}
    train_sir(
        SirTraining(variant, steps=2, optimiser="adam", **settings),
        SyntheticPairs((16, 16, 16)),
        tmp_path,
        progress=False,
    )
    log = rows(tmp_path)
    assert [row["objective"] for row in log] == ["mean", "entropy" if variant[0] == "S" else "elbo"]
    assert all(math.isfinite(row["loss"]) for row in log)
    assert log[-1]["validation_iw_bound"] >= log[-1]["validation_elbo"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["V+LC", "S+LC"])
def test_a_tiny_training_improves_its_bounds(tmp_path, variant):
    config = SirTraining(
        variant,
        steps=120,
        mean_steps=40,
        decay_steps=120,
        rank=4,
        proposals=8,
        keep=2,
        optimiser="adam",
        validate_every=20,
        validation_pairs=2,
    )
    train_sir(config, SyntheticPairs((16, 24, 16), warp_voxels=1.0), tmp_path, progress=False)
    log = rows(tmp_path)
    checks = [row for row in log if "validation_elbo" in row]
    for bound in ("validation_elbo", "validation_iw_bound"):
        assert checks[-1][bound] > checks[0][bound] + 0.1  # nats per voxel
    last = [row["loss"] for row in log if row["objective"] != "mean"]
    assert np.mean(last[-20:]) < np.mean(last[:20])


def test_a_start_gives_what_both_networks_have(tmp_path):
    start = SirUNet("D")
    with torch.no_grad():
        start.mean.weight.add_(0.5)
    net = train_sir(
        SirTraining(variant="V+LC", steps=0, mean_steps=0, optimiser="adam"),
        SyntheticPairs((16, 16, 16)),
        tmp_path,
        progress=False,
        start=start,
    )
    assert torch.equal(net.mean.weight, start.mean.weight)
    assert torch.equal(net.encoder[0][0].weight, start.encoder[0][0].weight)
    assert net.columns is not None


def test_convolutions_in_bfloat16_give_nearly_the_same_loss(tmp_path):
    losses = []
    for bfloat16 in (False, True):
        folder = tmp_path / str(bfloat16)
        train_sir(
            SirTraining(steps=2, optimiser="adam", bfloat16=bfloat16, **TINY),
            SyntheticPairs((16, 16, 16)),
            folder,
            progress=False,
        )
        losses.append([row["loss"] for row in rows(folder)])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
