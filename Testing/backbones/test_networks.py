"""Adaptors of trained networks: grids, units and order of inputs, with random weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from UncertainRegLib.backbones import clapirn, create, transmorph, unigradicon, voxelmorph  # noqa: E402
from UncertainRegLib.backbones.brain_network import ready  # noqa: E402
from UncertainRegLib.backbones.working_grid import field_from_voxels, reordered, trained_grid  # noqa: E402
from UncertainRegLib.geometry import Grid, Image, interpolate, warp  # noqa: E402
from UncertainRegLib.jobs.warnings import of_method  # noqa: E402
from UncertainRegLib.networks.warp import warp as warp_voxels  # noqa: E402
from UncertainRegLib.perturbations import Deform, Translation  # noqa: E402
from UncertainRegLib.posterior.labels import LabelProbabilities  # noqa: E402
from UncertainRegLib.posterior.stream import SampleStream, Validity  # noqa: E402
from UncertainRegLib.samplers import Equivariance  # noqa: E402
from UncertainRegLib.samplers.in_one_pass import registers_many  # noqa: E402

OBLIQUE = np.array([[0.95, -0.2, 0.24], [0.3, 0.65, -0.7], [-0.02, 0.73, 0.68]])
OBLIQUE = np.linalg.qr(OBLIQUE)[0] * [1, 1, -1]  # columns: oblique and left-handed
SHAPE = (32, 64, 32)


def smooth(grid, seed, pieces=5):
    """A smooth random image in [0, 1] on a grid."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, pieces, pieces, pieces, generator=generator)
    return Image(F.interpolate(coarse, grid.shape, mode="trilinear")[0, 0].numpy(), grid)


@pytest.fixture
def pair():
    """Two images on different oblique, anisotropic grids of about the same place."""
    fixed = Grid.from_spacing((20, 40, 36), (1.4, 1.2, 2.5), (10, -20, 30), OBLIQUE)
    moving = Grid.from_spacing((30, 44, 22), (1.3, 1.1, 1.7), (12, -25, 28), OBLIQUE)
    return smooth(fixed, 1), smooth(moving, 2)


class Constant(torch.nn.Module):
    """Plays a network that answers one displacement in voxels, whatever it sees."""

    def __init__(self, *voxels):
        super().__init__()
        self.answer = torch.tensor(voxels, dtype=torch.float32).view(1, 3, 1, 1, 1)

    def forward(self, moving, fixed, *settings, **options):
        """(1, 3, Z, Y, X), channel c along array axis c."""
        return self.answer.expand(1, 3, *fixed.shape[2:])


def brain(network, **settings):
    backbone = voxelmorph.VoxelMorph(shape=SHAPE, affine=False, weights="-", **settings)
    backbone.__dict__["network"] = network
    return backbone


def test_trained_grid_of_a_network_ready_image_is_its_own_voxels():
    direction = np.array([[1, 0, 0], [0, 0, -1], [0, -1, 0]], float)  # i, j, k towards L, I, A
    image = Image(
        np.zeros((14, 12, 10), np.float32),
        Grid.from_spacing((14, 12, 10), (1, 1, 1), (-5, 6, 7), direction),
    )
    grid = trained_grid(image, (10, 12, 14), 1.0, "LIA")
    k, j, i = 3, 2, 5
    assert np.allclose(grid.to_world([i, j, k]), image.grid.to_world([k, j, i]))


def test_trained_grid_follows_the_image_axes_and_their_anatomy(pair):
    grid = trained_grid(pair[0], (10, 12, 14), 1.0, "LIA")
    assert np.allclose(grid.spacing, 1) and np.allclose(grid.center, pair[0].grid.center)
    towards = grid.direction[:, ::-1].T  # rows: array axes
    assert np.allclose(np.abs(pair[0].grid.direction.T @ towards.T).sum(axis=0), 1)
    for row, wanted in zip(towards, ([1, 0, 0], [0, 0, -1], [0, -1, 0])):
        assert row @ np.array(wanted) > 0.4


def test_large_field_of_view_is_centred_on_the_foreground():
    array = np.zeros((60, 60, 60), np.float32)
    array[10:20, 30:40, 44:54] = 1.0
    image = Image(array, Grid.from_spacing(array.shape))
    assert np.allclose(trained_grid(image, (16, 16, 16), 1.0, "SPL").center, [48.5, 34.5, 14.5])


def test_reordered_image_has_the_same_values_in_space(pair):
    fixed, moving = pair
    turned = Image(
        np.ascontiguousarray(moving.array.transpose(2, 0, 1)[::-1]),
        Grid(
            (22, 30, 44),
            moving.grid.affine
            @ np.array([[0, 0, -1, 21], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]),
        ),
    )
    back = reordered(turned, fixed.grid)
    assert back.grid == moving.grid and np.array_equal(back.array, moving.array)


@pytest.mark.parametrize("axis", range(3))
def test_a_displacement_of_voxels_becomes_the_right_millimetres(pair, axis):
    """Constant answers, oblique anisotropic images: phi maps index p of one grid to p + d."""
    fixed, moving = pair
    voxels = np.zeros(3, np.float32)
    voxels[axis] = 2.5
    for backbone in (brain(Constant(*voxels)), icon(Constant(*voxels))):
        f, m = backbone.prepare(fixed, moving)
        field = backbone.register(f, m).to_numpy()
        index = np.array([3.0, 7.0, 4.0])
        expected = m.grid.to_world(index + voxels[::-1])
        assert np.allclose(field.map(f.grid.to_world(index)), expected, atol=1e-3)


def icon(network, **settings):
    backbone = unigradicon.UniGradICON(weights="-", **settings)
    backbone.__dict__["network"] = network
    return backbone


@pytest.fixture
def small_icon(monkeypatch):
    monkeypatch.setattr(unigradicon, "SHAPE", (72, 70, 74))
    from UncertainRegLib.networks.unigradicon import UniGradICON

    torch.manual_seed(0)
    network = UniGradICON()
    with torch.no_grad():
        for step in network.steps:
            torch.nn.init.normal_(step.lastConv.weight, std=0.03)
    return icon(ready(network, "cpu"))


def small_brains():
    from UncertainRegLib.networks.clapirn import ConditionalLapIRN
    from UncertainRegLib.networks.transmorph import TransMorph
    from UncertainRegLib.networks.voxelmorph import VxmDense, VxmPairwise

    torch.manual_seed(0)
    small = {"channels": 12, "window": (2, 2, 2), "heads": (2, 2, 2, 2), "head_channels": 4}
    networks = {
        "clapirn": (clapirn.ConditionalLapIRN, ConditionalLapIRN(), None),
        "dense": (voxelmorph.VoxelMorph, VxmDense(), "flow"),
        "pairwise": (voxelmorph.VoxelMorph, VxmPairwise(), "flow"),
        "transmorph": (transmorph.TransMorph, TransMorph(**small), "reg_head"),
    }
    for name, (cls, network, head) in networks.items():
        with torch.no_grad():
            for layer, parameter in network.named_parameters():
                if head and layer.startswith(head):
                    torch.nn.init.normal_(parameter, std=0.3)
        backbone = cls(affine=False, weights="-")
        backbone.shape = SHAPE
        backbone.__dict__["network"] = ready(network, "cpu")
        yield name, backbone


def own_moved_error(backbone, fixed, moving, voxels, padding):
    """Largest difference of the warped image and the network's own moved image, inside."""
    f, m = backbone.prepare(fixed, moving)
    with torch.no_grad():
        own = warp_voxels(
            m.array[None, None], voxels(m.array[None, None], f.array[None, None]), padding
        )
    field = backbone.register(f, m)
    ours = warp(m, field, outside=None).array
    index = field.mapped_index(m.grid)
    limits = torch.tensor(m.grid.shape[::-1]) - 1.0
    inside = ((index >= 0) & (index <= limits)).all(-1)
    assert float(field.vectors.norm(dim=-1).max()) > 0.3 and float(inside.float().mean()) > 0.5
    return float((ours - own[0, 0]).abs()[inside].max())


@pytest.mark.parametrize("name, backbone", list(small_brains()), ids=lambda v: str(v)[:12])
def test_warped_image_is_the_brain_networks_own_moved_image(name, backbone, pair):
    error = own_moved_error(backbone, *pair, backbone.displacement_voxels, "border")
    assert error < 1e-3


def test_warped_image_is_unigradicons_own_moved_image(small_icon, pair):
    error = own_moved_error(small_icon, *pair, small_icon.network, "border")
    assert error < 1e-3


def test_unigradicon_resizes_as_its_package_does(pair):
    """F.interpolate with align_corners=False; and the intensity rules for MRI and CT."""
    backbone = icon(Constant(0, 0, 0))
    fixed = pair[0]
    f, _ = backbone.prepare(fixed, pair[1])
    low, high = (
        fixed.array.min(),
        np.partition(fixed.array.ravel(), int(0.99 * 28800) - 1)[int(0.99 * 28800) - 1],
    )
    scaled = (np.clip(fixed.array, low, high) - low) / (high - low)
    expected = F.interpolate(torch.from_numpy(scaled)[None, None], (175,) * 3, mode="trilinear")
    assert torch.allclose(f.array, expected[0, 0], atol=1e-4)
    hounsfield = Image(3000 * fixed.array - 1500, fixed.grid)
    scan, _ = backbone.prepare(hounsfield, hounsfield)
    assert float(scan.array.min()) == 0 and float(scan.array.max()) == pytest.approx(1)
    value = interpolate(scan.to_numpy().array, scan.grid.to_index(fixed.grid.points()))
    assert np.abs(value - (np.clip(hounsfield.array, -1000, 1000) + 1000) / 2000).max() < 0.05
    with pytest.raises(ValueError, match="'auto', 'ct' or 'mri'"):
        unigradicon.UniGradICON(modality="pet")


def test_affine_start_becomes_part_of_the_field():
    fixed = smooth(Grid.from_spacing((30, 62, 30)), 3, 7)
    shift = np.array([2.0, -3.0, 1.5])
    affine = fixed.grid.affine.copy()
    affine[:3, 3] += shift
    moving = Image(fixed.array, Grid(fixed.grid.shape, affine))
    backbone = brain(Constant(0, 0, 0))
    backbone.affine = True
    f, m = backbone.prepare(fixed, moving)
    vectors = backbone.register(f, m).to_numpy().at(fixed.grid.center)
    assert np.allclose(vectors, shift, atol=0.3)
    assert float((f.array - m.array).abs().mean()) < 0.02


def test_dropout_and_draws_are_seeded_and_leave_the_callers_numbers_alone(pair):
    from UncertainRegLib.networks.voxelmorph import VxmDense

    network = VxmDense((8, 8), (8, 8, 8), probabilistic=True, int_steps=0)
    torch.nn.init.constant_(network.log_sigma.bias, -1.0)
    fields = []
    for _ in range(2):
        backbone = brain(ready(network, "cpu"))
        backbone.facts = voxelmorph.replace(backbone.facts, stochastic=True)
        f, m = backbone.prepare(*pair)
        torch.manual_seed(7)
        fields.append([backbone.register(f, m).vectors for _ in range(2)])
        after = torch.rand(1)
        torch.manual_seed(7)
        assert torch.equal(after, torch.rand(1))
    assert torch.equal(fields[0][0], fields[1][0]) and torch.equal(fields[0][1], fields[1][1])
    assert not torch.equal(fields[0][0], fields[0][1])


def test_voxels_to_field_needs_no_equal_grids():
    fixed = Grid.from_spacing((4, 5, 6), (1, 2, 3))
    moving = Grid.from_spacing((4, 5, 6), (2, 2, 2), (7, 8, 9), OBLIQUE)
    displacement = np.random.default_rng(1).normal(size=(4, 5, 6, 3))
    field = field_from_voxels(displacement, fixed, moving)
    index = np.array([5.0, 2.0, 3.0])
    expected = moving.to_world(index + displacement[3, 2, 5, ::-1])
    assert np.allclose(field.map(fixed.to_world(index)), expected)


def other_weights(folder):
    """Files that are the weights of no network here, and a part of what is said of each."""
    torch.save({"a.b": torch.ones(3)}, folder / "other.pth")
    (folder / "empty.pth").write_bytes(b"")
    (folder / "text.pth").write_bytes(b"nothing")
    torch.jit.script(torch.nn.Linear(2, 2)).save(folder / "program.pth")
    (folder / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    return {
        "other.pth": "not the weights of|fit no VoxelMorph",
        "empty.pth": "is empty",
        "text.pth": "cannot be read as a file of weights",
        "none.pth": "does not exist",
        "program.pth": "cannot be read as a file of weights",
        "damaged.h5": "cannot be read as a file of weights|is not a readable HDF5",
    }


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "name", ["clapirn", "voxelmorph", "transmorph", "unigradicon", "synthmorph-brains"]
)
def test_weights_of_something_else_are_named(name, tmp_path):
    for file, words in other_weights(tmp_path).items():
        if file.endswith(".h5"):
            pytest.importorskip("h5py")
        path = str(tmp_path / file)
        with pytest.raises(ValueError, match=f"{file}.*({words})") as told:
            _ = create(name, weights=path).network
        said = str(told.value)
        assert "\n" not in said and "argument" not in said and "max()" not in said, said


def test_a_keras_file_of_something_else_is_named(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = [1.0]
    with pytest.raises(ValueError, match="holds no layers of a Keras VoxelMorph"):
        _ = create("voxelmorph", weights=str(tmp_path / "other.h5")).network


def network_called(name, request):
    """The small network of a name; "coarse" is Conditional LapIRN, leaving out a level of samples."""
    if name == "icon":
        return request.getfixturevalue("small_icon")
    backbone = dict(small_brains())[name.replace("coarse", "clapirn")]
    backbone.coarse_samples = name == "coarse"
    return backbone


NETWORKS = ("clapirn", "dense", "pairwise", "transmorph", "coarse", "icon")


@pytest.mark.parametrize("name", NETWORKS)
def test_several_images_in_one_pass_are_registered_as_each_alone(name, pair, request):
    """Also a network that normalises its features looks at each image by itself."""
    backbone = network_called(name, request)
    fixed, moving = backbone.prepare(*pair)
    backbone = backbone.for_samples(fixed, moving)
    assert registers_many(backbone)
    generator = np.random.default_rng(2)
    images = [
        Translation(0.1).draw(moving.grid, generator).perturbed(moving, 0.0) for _ in range(2)
    ]
    alone = [backbone.register(fixed, one).vectors for one in images]
    together = [field.vectors for field in backbone.register_many(fixed, images)]
    assert float((alone[0] - alone[1]).abs().max()) > 0.01
    for one, other in zip(alone, together, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("family", [Deform(), Translation(0.1)], ids=["deform", "translation"])
def test_on_a_device_of_its_own_nothing_meets_a_cpu(name, family, request):
    """Torch's device without memory stands for a graphics card: it refuses tensors of another
    device, and a copy to the CPU."""
    backbone = network_called(name, request)
    grid = Grid.from_spacing((72, 70, 74) if name == "icon" else SHAPE)
    backbone.network.to("meta")
    fixed = Image(torch.empty(grid.shape, device="meta"), grid)
    moving = Image(fixed.array, grid, torch.ones(grid.shape, dtype=torch.uint8, device="meta"))
    backbone = backbone.for_samples(fixed, moving)
    draws = [family.draw(grid, np.random.default_rng(seed)) for seed in range(2)]
    images = [tau.perturbed(moving, 0.0) for tau in draws]
    for tau, field in zip(draws, backbone.register_many(fixed, images), strict=True):
        sample = tau.push(field)
        validity = Validity(grid)
        validity.add(sample)
        assert {sample.vectors.device.type, validity.share.device.type} == {"meta"}
        assert sample.resample(grid.resized((8, 9, 10))).vectors.device.type == "meta"


def test_of_a_sample_little_leaves_the_device(pair, monkeypatch):
    """From the perturbation to the sums a field stays where the network made it."""
    backbone = dict(small_brains())["dense"]
    fixed, moving = backbone.prepare(*pair)
    labels = Image((moving.to_numpy().array > 0.5).astype(np.uint8), moving.grid)
    stream = SampleStream(moving.grid, [LabelProbabilities(labels, fixed.grid)])
    left, cpu = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: left.append(self.numel()) or cpu(self))
    sampler = Equivariance(backbone, Deform())
    for sample in sampler.sample(fixed, moving, 3, np.random.default_rng(0)):
        stream.add(sample.field)
    assert left and max(left) <= 3 * np.prod(SHAPE) / 50
    assert stream.count == 3 and torch.is_tensor(stream.moments.mean)


def test_coarse_samples_are_the_registration_where_nothing_is_disturbed(pair):
    """What the finest level adds is in each sample, and what it adds is of this pair alone."""
    backbone = dict(small_brains())["clapirn"]
    backbone.coarse_samples = True
    fixed, moving = backbone.prepare(*pair)
    whole = backbone.register(fixed, moving)
    sampler = Equivariance(backbone, Translation(0.0))
    (sample,) = sampler.sample(fixed, moving, 1, np.random.default_rng(0))
    assert sample.field.grid == fixed.grid.resized([n // 2 for n in SHAPE])
    assert torch.allclose(
        sample.field.vectors, whole.resample(sample.field.grid).vectors, atol=1e-5
    )
    coarse = backbone.for_samples(fixed, moving)
    assert float(coarse.refinement.vectors.abs().max()) > 0.01
    shifted = Translation(0.1).draw(moving.grid, np.random.default_rng(1))
    answer = coarse.register(fixed, shifted.perturbed(moving, 0.0))
    (disturbed,) = Equivariance(backbone, Translation(0.1)).sample(
        fixed, moving, 1, np.random.default_rng(1)
    )
    expected = shifted.push(answer).vectors + coarse.refinement.vectors
    assert torch.allclose(disturbed.field.vectors, expected, atol=1e-5)


def test_samples_are_of_the_whole_network_unless_asked_for(pair):
    backbone = dict(small_brains())["clapirn"]
    backbone.coarse_samples = True
    (said,) = (text for text in of_method(backbone, "deform") if "coarse_samples: false" in text)
    assert said not in of_method(backbone, None)  # nothing is perturbed
    backbone.coarse_samples = False
    assert said not in of_method(backbone, "deform")
    fixed, moving = backbone.prepare(*pair)
    sampler = Equivariance(backbone, Translation(0.0))
    (sample,) = sampler.sample(fixed, moving, 1, np.random.default_rng(0))
    assert sample.field.grid == fixed.grid
    assert torch.allclose(sample.field.vectors, backbone.register(fixed, moving).vectors, atol=1e-5)
