"""Every consumer of torch's random numbers draws its own, and no test pair is a training pair."""

import importlib.util
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support import ROOT
from support.draws import SEEDS, Blind, all_differ, as_bytes
from support.phantoms import textured

torch = pytest.importorskip("torch")

from support.known_pairs import KnownPairs  # noqa: E402
from support.trained_models import write_images  # noqa: E402
from UncertainRegLib import backbones  # noqa: E402
from UncertainRegLib.backbones import transmorph, voxelmorph  # noqa: E402
from UncertainRegLib.gaussian import StructuredGaussian, smooth_factor  # noqa: E402
from UncertainRegLib.geometry import Grid  # noqa: E402
from UncertainRegLib.networks.displacement import DisplacementNet  # noqa: E402
from UncertainRegLib.networks.voxelmorph import VxmDense  # noqa: E402
from UncertainRegLib.perturbations import Translation  # noqa: E402
from UncertainRegLib.randomness import numpy_generator, seed_of, torch_generator, torch_seeded  # noqa: E402
from UncertainRegLib.samplers import Dropout, Equivariance  # noqa: E402
from UncertainRegLib.samplers.proposals.optimised import Optimised  # noqa: E402
from UncertainRegLib.samplers.proposals.seeded import EquivarianceSeeded  # noqa: E402
from UncertainRegLib.samplers.sir import SIR  # noqa: E402
from UncertainRegLib.training.adacs import AdaCSTraining, train_adacs  # noqa: E402
from UncertainRegLib.training.folder import FolderPairs  # noqa: E402
from UncertainRegLib.training.gong import GongTraining, train_gong  # noqa: E402
from UncertainRegLib.training.heteroscedastic import HeteroscedasticTraining, train_heteroscedastic  # noqa: E402
from UncertainRegLib.training.model_folder import load_model, save_model  # noqa: E402
from UncertainRegLib.training.sir import SirTraining, train_sir  # noqa: E402
from UncertainRegLib.training.synthetic import SyntheticPairs  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

BENCHMARKS = ROOT / "Testing" / "benchmarks"
GRID = Grid.from_spacing((16, 16, 16))
CUBES = SyntheticPairs((16, 16, 16))
FLAT = KnownPairs(SyntheticPairs((1, 16, 16)), noise=(0.1, 0.2), occlusion=(3, 4))
WIDTHS = {"encoder": (4, 8), "decoder": (8, 8, 4), "ndim": 2}
HETEROSCEDASTIC = HeteroscedasticTraining(**WIDTHS, network=WIDTHS, steps=2)
ADACS = AdaCSTraining(**WIDTHS, network=WIDTHS, steps=2)
SIR_TRAINING = SirTraining(
    steps=2,
    mean_steps=1,
    rank=2,
    proposals=4,
    keep=2,
    optimiser="adam",
    validation_pairs=2,
    validate_every=2,
)


class Noise(torch.nn.Module):
    """A network that answers noise."""

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """(1, 3, Z, Y, X)."""
        return torch.rand_like(torch.cat([moving, fixed, fixed], 1))


def test_data_and_states_follow_the_whole_seed(tmp_path):
    files = FolderPairs(str(write_images(tmp_path)[0]), (16, 16, 16))
    gaussian = StructuredGaussian(
        torch.zeros(1, 3, *GRID.shape), smooth_factor(GRID.shape, (1.0, 1.0, 1.0), 2.0)
    )

    def state(seed, purpose):
        with torch_seeded(seed, purpose):
            return torch.rand(4)

    all_differ(
        {
            "generator": lambda seed: torch.rand(4, generator=torch_generator(seed, "test")),
            "step": lambda seed: state(seed, "training step"),
            "new weights": lambda seed: state(seed, "initial weights"),
            "moving": lambda seed: CUBES.pair(seed).moving,
            "fixed": lambda seed: CUBES.pair(seed).fixed,
            "warp": lambda seed: FLAT.pair(seed).displacement,
            "noise map": lambda seed: FLAT.pair(seed).noise_sd,
            "occlusion": lambda seed: FLAT.pair(seed).occluded,
            "files": lambda seed: files.pair(seed).moving,
            "white noise": lambda seed: gaussian.noise([seed]).local,
            "variance": lambda seed: weights(replace(HETEROSCEDASTIC, seed=seed), "variance"),
            "score": lambda seed: weights(replace(ADACS, seed=seed), "score"),
        }
    )


def weights(config, name):
    return next(config.networks()[name].parameters()).detach()


def test_torch_seeded_leaves_the_callers_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with torch_seeded(1, "test"):
        torch.rand(5)
    assert torch.equal(torch.rand(2), expected)


def stochastic_backbones(folder: Path) -> dict:
    """Makers of every backbone that draws: backbone(seed)."""
    with torch_seeded(0, "test"):
        velocity = VxmDense((8, 8), (8, 8, 8), probabilistic=True, int_steps=0)
        dropout = DisplacementNet(encoder=(4, 4), decoder=(4, 4, 4), dropout=0.5)
        torch.nn.init.normal_(dropout.flow.weight)
    save_model(
        folder / "model",
        "dropout",
        dropout.settings,
        {"member-0": dropout.state_dict()},
        GRID.shape,
        1.0,
        "minmax",
        {},
    )
    torch.jit.script(Noise()).save(folder / "noise.pt")
    (folder / "noise.json").write_text(
        '{"name": "noise", "network": "noise.pt", "spacing_mm": 1, '
        '"multiple": 8, "stochastic": true}',
        "utf-8",
    )

    def published(cls, network, seed):
        backbone = cls(weights="-", affine=False, seed=seed)
        backbone.facts = replace(backbone.facts, stochastic=True)
        backbone.shape, backbone.__dict__["network"] = GRID.shape, network.eval()
        return backbone

    class Transformer(torch.nn.Module):
        def forward(self, moving, fixed, rate):
            """Dropout at inference."""
            return torch.nn.functional.dropout(torch.cat([moving, fixed, fixed], 1), rate)

    return {
        "voxelmorph": lambda seed: published(voxelmorph.VoxelMorph, velocity, seed),
        "transmorph": lambda seed: published(transmorph.TransMorphBayes, Transformer(), seed),
        "trained here": lambda seed: backbones.create(str(folder / "model"), seed=seed),
        "own": lambda seed: backbones.create(str(folder / "noise.json"), seed=seed),
    }


@pytest.mark.parametrize("name", ["voxelmorph", "transmorph", "trained here", "own"])
def test_a_stochastic_backbone_draws_by_its_seed_its_sampler_and_its_calls(tmp_path, name):
    make, image = stochastic_backbones(tmp_path)[name], textured(GRID)

    def calls(backbone):
        images = backbone.prepare(image, image)
        return [as_bytes(backbone.register(*images).to_numpy().vectors) for _ in range(2)]

    def sampled(sampler, seed):
        images = sampler.backbone.prepare(image, image)
        sampler.backbone.register(*images)  # as a run does first
        return [
            as_bytes(s.field.to_numpy().vectors)
            for s in sampler.sample(*images, 2, numpy_generator(seed, "samples"))
        ]

    def drawn():
        unmoved = Translation(0.0)  # what differs then is the network's
        return [
            [calls(make(seed)) for seed in (1, 2, 2**32 + 1)],
            [sampled(Dropout(make(1)), seed) for seed in (1, 2)],
            [sampled(Equivariance(make(1), unmoved), seed) for seed in (1, 2)],
        ]

    with torch.inference_mode():
        first = drawn()
        for group in first:
            assert len({field for fields in group for field in fields}) == 2 * len(group)
        assert drawn() == first


@pytest.mark.slow
def test_sir_draws_by_the_seed_of_the_run():
    image = textured(GRID)

    def sampled(source, seed):
        sampler = SIR(source, proposals=8, tempering="none")
        one = next(sampler.sample(image, image, 1, numpy_generator(seed, "samples")))
        return one.field.vectors

    seeded = EquivarianceSeeded(Blind(), seeds=2, voxels=512)
    optimised = Optimised(Blind(), steps=2, rank=2, voxels=512)
    all_differ(
        {
            "seeded": lambda seed: sampled(seeded, seed),
            "optimised": lambda seed: sampled(optimised, seed),
        }
    )


class Seen:
    """Pairs that remember what they were asked for."""

    def __init__(self, pairs):
        self.pairs, self.shape, self.record, self.images = pairs, pairs.shape, pairs.record, []
        self.files, self.spacing_mm = pairs.files, pairs.spacing_mm
        self.intensity, self.axes = pairs.intensity, pairs.axes

    def pair(self, seed, device="cpu"):
        found = self.pairs.pair(seed, device)
        self.images += [as_bytes(found.moving), as_bytes(found.fixed)]
        return found


def seed_in(benchmark: str):
    spec = importlib.util.spec_from_file_location(benchmark, BENCHMARKS / f"{benchmark}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.test_seed


def test_pairs_of_training_validation_and_test_are_all_different(tmp_path):
    asked = {}
    for seed in (0, 7, 2**32):
        for train, config in ((train_heteroscedastic, HETEROSCEDASTIC), (train_adacs, ADACS)):
            flat = Seen(FLAT)
            with tempfile.TemporaryDirectory() as folder:
                train(replace(config, seed=seed), flat, folder, progress=False)
            asked.setdefault((seed, "training"), set()).update(flat.images)
            assert len(asked[seed, "training"]) == 4  # of one seed they see the same pairs
        cubes = Seen(CUBES)
        train_sir(replace(SIR_TRAINING, seed=seed), cubes, tmp_path / str(seed), progress=False)
        assert len(cubes.images) == 8
        asked[seed, "training of SIR"] = set(cubes.images[:4])
        asked[seed, "validation of SIR"] = set(cubes.images[4:])
        assert len(asked[seed, "validation of SIR"]) == 4
    tests = {as_bytes(FLAT.pair(seed_in("heteroscedastic_synthetic")(i)).fixed) for i in range(64)}
    assert len(tests) == 64
    assert seed_in("adacs_occlusion")(5) == seed_in("heteroscedastic_synthetic")(5)
    trained = {
        as_bytes(FLAT.pair(seed_of(seed, "training pair", n)).fixed)
        for seed in (0, 1)
        for n in range(64)
    }
    assert len(trained) == 128
    together = [*asked.values(), tests]
    assert len(set().union(*together)) == sum(map(len, together))
    assert not trained & tests


@pytest.mark.slow
def test_every_training_follows_its_seed(tmp_path):
    files = FolderPairs(str(write_images(tmp_path)[0]), (16, 16, 16), intensity="minmax")

    def of_gong(ensemble, seed):
        config = GongTraining(
            ensemble=ensemble, steps=1, members=2, seed=seed, cycles=1, network={"blocks": 2}
        )
        with tempfile.TemporaryDirectory() as folder:
            train_gong(config, files, folder, progress=False)
            networks = load_model(folder)[1].values()
            return np.concatenate([v.numpy().ravel() for n in networks for v in n.values()])

    def of_sir(seed):
        log = []
        with tempfile.TemporaryDirectory() as folder:
            train_sir(
                replace(SIR_TRAINING, seed=seed), CUBES, folder, progress=False, on_step=log.append
            )
        return [log[0]["loss"], log[1]["elbo"], log[1]["validation_elbo"]]

    all_differ(
        {
            "bootstrap": lambda seed: of_gong("bootstrap", seed),
            "dropout": lambda seed: of_gong("dropout", seed),
        }
    )
    found = np.array([of_sir(seed) for seed in (*SEEDS, *SEEDS)])
    assert all(len(set(column)) == len(SEEDS) for column in found.T)
    assert np.array_equal(*np.split(found, 2))
