"""uniGradICON's network: maps composed as its papers say, and equal to the package's."""

import os
import subprocess

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from UncertainRegLib.networks.unigradicon import UniGradICON  # noqa: E402


def randomised(network):
    """Weights and statistics that make every step move points by several voxels."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for step in network.steps:
            torch.nn.init.normal_(step.lastConv.weight, std=0.05, generator=generator)
            for norm in step.batchNorms:
                norm.running_mean.normal_(0, 0.1, generator=generator)
                norm.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def smooth_pair(n):
    generator = torch.Generator().manual_seed(3)
    return [
        F.interpolate(
            torch.rand(1, 1, m, m, m, generator=generator), size=(n, n, n), mode="trilinear"
        )
        for m in (9, 8)
    ]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return randomised(UniGradICON())


@torch.no_grad()
def test_composition_equals_maps_of_points(network):
    n = 72  # the coarsest step halves a quarter of this five times
    moving, fixed = smooth_pair(n)

    def identity(size):
        axes = [torch.linspace(0, 1, size)] * 3
        return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]

    def at(image, points):  # unit cube, channels along the array axes
        grid = (2 * points - 1).permute(0, 2, 3, 4, 1).flip(-1)
        return F.grid_sample(image, grid, align_corners=True, padding_mode="border")

    def half(image):
        return F.avg_pool3d(image, 2, ceil_mode=True)

    maps = []

    def phi(points):
        for displacement in reversed(maps):
            points = points + at(displacement, points)
        return points

    images = [
        (half(half(moving)), half(half(fixed))),
        (half(moving), half(fixed)),
        (moving, fixed),
        (moving, fixed),
    ]
    for step, (source, target) in zip(network.steps, images):
        warped = at(source, phi(identity(target.shape[2]))) if maps else source
        maps.append(step(warped, target))
    expected = (phi(identity(n)) - identity(n)) * (n - 1)
    assert float(expected.abs().max()) > 1.0
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        field = network.to(memory_format=layout)(moving, fixed)
        assert float((field - expected).abs().max()) < 1e-3


@torch.no_grad()
def test_odd_sizes_are_allowed(network):
    moving, fixed = (F.interpolate(image, size=(71, 69, 70)) for image in smooth_pair(72))
    assert network(moving, fixed).shape == (1, 3, 71, 69, 70)


def test_published_names_are_understood(network):
    state = {}
    for name, value in network.state_dict().items():
        _, step, rest = name.split(".", 2)
        state[UniGradICON.PREFIXES[int(step)] + rest] = value
    state["identity_map"] = torch.zeros(1)
    other = UniGradICON()
    other.load_published(state)
    assert all(
        torch.equal(a, b)
        for a, b in zip(other.state_dict().values(), network.state_dict().values())
    )
    del state["netPsi.net.lastConv.bias"]
    with pytest.raises(ValueError, match="not the weights of uniGradICON"):
        UniGradICON().load_published(state)


PACKAGE = """
import sys, torch, unigradicon
n = int(sys.argv[1])
net = unigradicon.make_network([1, 1, n, n, n], include_last_step=True).eval()
given = torch.load(sys.argv[2], weights_only=True)
net.regis_net.load_state_dict(given["state"])
net.identity_map.isIdentity = True
with torch.no_grad():
    phi = net.regis_net(given["moving"], given["fixed"])
    torch.save((phi(net.identity_map) - net.identity_map) * (n - 1), sys.argv[3])
"""


@pytest.mark.slow
@torch.no_grad()
def test_field_equals_that_of_the_package(network, tmp_path):
    """Needs ``pip install --no-deps unigradicon icon_registration footsteps itk-...`` elsewhere."""
    python = os.environ.get("UNCERTAINREG_UNIGRADICON_PYTHON")
    if not python:
        pytest.skip("UNCERTAINREG_UNIGRADICON_PYTHON names no Python with the unigradicon package")
    n = 75
    moving, fixed = smooth_pair(n)
    state = {}
    for name, value in network.state_dict().items():
        _, step, rest = name.split(".", 2)
        state[UniGradICON.PREFIXES[int(step)] + rest] = value
    torch.save({"state": state, "moving": moving, "fixed": fixed}, tmp_path / "given.pt")
    subprocess.run(
        [python, "-c", PACKAGE, str(n), tmp_path / "given.pt", tmp_path / "field.pt"],
        check=True,
        cwd=tmp_path,
    )
    expected = torch.load(tmp_path / "field.pt", weights_only=True)
    field = network.to(memory_format=torch.channels_last_3d)(moving, fixed)
    assert float(expected.abs().max()) > 1.0
    assert float((field - expected).abs().max()) < 1e-3
