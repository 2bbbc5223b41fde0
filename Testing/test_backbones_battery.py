"""The battery tells in words what is wrong with a network of one's own; the probe, what it follows.

The networks here follow a shift exactly, by the centroids of the two images, but speak different
units, orders and signs.
"""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.backbones import battery, competence, create  # noqa: E402
from UncertainRegLib.backbones.registry import BackboneError, backbone_class  # noqa: E402
from UncertainRegLib.geometry import Grid, Image  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Centroids(torch.nn.Module):
    """A displacement that is everywhere the shift of the centroid, in any convention."""

    def __init__(self, unit: str = "voxels", order: tuple[int, int, int] = (0, 1, 2),
                 gain: float = 1.0, noise: float = 0.0, last: bool = False):
        super().__init__()
        self.unit, self.order, self.gain, self.noise, self.last = unit, order, gain, noise, last

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """(1, 3, Z, Y, X), or (1, Z, Y, X, 3)."""
        parts = []
        for axis in (2, 3, 4):
            line = torch.arange(moving.shape[axis], dtype=moving.dtype)
            a = moving.transpose(axis, 4).sum((0, 1, 2, 3))
            b = fixed.transpose(axis, 4).sum((0, 1, 2, 3))
            shift = (a * line).sum() / a.sum() - (b * line).sum() / b.sum()
            if self.unit == "mm":
                shift = shift * 2.5
            if self.unit == "half-extents":
                shift = shift * 2 / (moving.shape[axis] - 1)
            parts.append(self.gain * shift + self.noise * torch.rand(1)[0])
        answer = torch.stack([parts[self.order[0]], parts[self.order[1]], parts[self.order[2]]])
        answer = answer.view(1, 3, 1, 1, 1) + torch.zeros_like(fixed)
        return answer.permute(0, 2, 3, 4, 1) if self.last else answer


@pytest.fixture
def own(tmp_path):
    """Makes a backbone of a network and the keys of its manifest."""
    def make(module, **keys):
        torch.jit.script(module).save(tmp_path / "network.pt")
        manifest = {"name": "own", "network": "network.pt", "spacing_mm": 2.5, "multiple": 8}
        (tmp_path / "own.json").write_text(json.dumps(manifest | keys))
        return create(str(tmp_path / "own.json"))
    return make


def result(checks, name):
    return next(check for check in checks if check.name == name)


GOOD = {
    "voxels": (Centroids(), {}),
    "mm": (Centroids("mm"), {"units": "mm"}),
    "half-extents": (Centroids("half-extents"), {"units": "half-extents"}),
    "reversed channels, last": (Centroids(order=(2, 1, 0), last=True), {"channels": "reversed"}),
    "exchanged inputs": (Centroids(gain=-1.0), {"inputs": ["fixed", "moving"]}),
    "fixed shape and axes": (Centroids(), {"shape": [64, 56, 64], "axes": "LIA"}),
    "own fields of view": (Centroids(), {"spacing_mm": None, "shape": [40, 48, 44], "axes": "RAS"}),
    "half of the shift": (Centroids(gain=0.6), {}),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_convention_passes_when_the_manifest_states_it(own, name):
    network, keys = GOOD[name]
    checks = battery.verify(own(network, **keys))
    assert all(check.passed for check in checks), checks
    assert result(checks, "competence").text.startswith("follows ")


WRONG = {
    "axes swapped: a shift along i is answered along k": (Centroids(order=(2, 1, 0)), {}),
    "axes swapped: a shift along j is answered along k": (Centroids(order=(1, 0, 2)), {}),
    "voxels given as mm": (Centroids(), {"units": "mm"}),
    "mm given as voxels": (Centroids("mm"), {}),
    "half-extents given as voxels": (Centroids("half-extents"), {}),
    "voxels given as half-extents": (Centroids(), {"units": "half-extents"}),
    "sign reversed: the field maps moving to fixed": (Centroids(gain=-1.0), {}),
    "does not change when the moving image is shifted": (Centroids(gain=0.0), {}),
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_convention_is_named(own, words):
    network, keys = WRONG[words]
    shift = result(battery.verify(own(network, **keys), competence=False), "shift")
    assert shift.passed is False and words in shift.text


def test_undeclared_randomness_is_noticed(own):
    noisy = Centroids(noise=0.05)
    assert result(battery.verify(own(noisy), competence=False), "repeatability").passed is False
    assert result(battery.verify(own(noisy, stochastic=True), competence=False),
                  "repeatability").passed


@pytest.mark.slow
def test_demons_passes_the_battery():
    checks = battery.verify(create("demons", affine=False, voxels=40_000))
    assert all(check.passed is not False for check in checks), checks


@pytest.mark.slow
def test_exported_programs_are_read(own, tmp_path):
    shape = (1, 1, 40, 40, 48)
    program = torch.export.export(Centroids(), (torch.rand(shape), torch.rand(shape)))
    torch.export.save(program, tmp_path / "network.pt2")
    backbone = own(Centroids(), network="network.pt2", shape=shape[2:])
    assert result(battery.verify(backbone, competence=False), "shift").passed


MISTAKES = {
    "has the unknown key 'unit'": {"unit": "mm"},
    "must state 'name'": {"name": ""},
    "does not exist": {"network": "other.pt"},
    "'units' is one of voxels, mm, half-extents": {"units": "pixels"},
    "'axes' is null or three letters": {"axes": "LLA"},
    "'shape' or 'spacing_mm' must be given": {"spacing_mm": None},
    "'shape' is null or three positive numbers": {"shape": [3, 4]},
    "'intensity' is": {"intensity": "z-score"},
    "'inputs' is": {"inputs": ["moving"]},
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_in_a_manifest_are_named(own, words):
    with pytest.raises(ValueError, match=words):
        own(Centroids(), **MISTAKES[words])


def test_damaged_files_are_named(own, tmp_path):
    backbone = own(Centroids())
    (tmp_path / "network.pt").write_bytes(b"nothing")
    image = Image(np.random.default_rng(1).random((8, 8, 8)), Grid.from_spacing((8, 8, 8)))
    with pytest.raises(ValueError, match=r"network\.pt is not a TorchScript"):
        backbone.prepare(image, image)
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        backbone_class(str(tmp_path / "own.json"))
    with pytest.raises(ValueError, match="cannot be read"):
        backbone_class(str(tmp_path / "none.json"))
    with pytest.raises(BackboneError, match="the manifest"):
        backbone_class("nonesuch")


def test_the_probe_measures_what_is_followed_and_warns(own):
    image = battery.content_image(battery._phantom, Grid.from_spacing(
        (40, 40, 40), (3, 3, 3), (-58, -58, -58)))
    for gain, warned in ((0.8, False), (0.3, True)):
        backbone = own(Centroids(gain=gain))
        found = competence.probe(backbone, *backbone.prepare(image, image))
        assert np.allclose(list(found.followed.values()), gain, atol=0.02)
        assert bool(found.warnings) == warned
    assert "30% of 10 mm" in found.warnings[0]
