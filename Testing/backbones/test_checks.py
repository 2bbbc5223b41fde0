"""The checks tell in words what is wrong with a network of one's own; the probe, what it follows.

The networks here follow a shift exactly, by the centroids of the two images, but speak different
units, orders and signs.
"""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.__main__ import main  # noqa: E402
from UncertainRegLib.backbones import competence, create  # noqa: E402
from UncertainRegLib.backbones.checks import verify  # noqa: E402
from UncertainRegLib.backbones.diagnosis import (  # noqa: E402
    Answers,
    diagnose,
    diagnose_places,
    doubtful_units,
    uneven,
)
from UncertainRegLib.backbones.known_content import content_image, phantom, places_of  # noqa: E402
from UncertainRegLib.geometry import DisplacementField, Grid  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Centroids(torch.nn.Module):
    """A displacement that is everywhere the shift of the centroid, in any convention."""

    def __init__(
        self,
        unit: str = "voxels",
        order: tuple[int, int, int] = (0, 1, 2),
        gain: float = 1.0,
        noise: float = 0.0,
        wobble: float = 0.0,
        last: bool = False,
        signs: tuple[float, float, float] = (1.0, 1.0, 1.0),
        bias: float = 0.0,
        garbage: float = 0.0,
        spacing_mm: float = 2.5,
    ):
        super().__init__()
        self.unit, self.order, self.gain, self.noise, self.last = unit, order, gain, noise, last
        self.signs, self.bias, self.garbage = signs, bias, garbage
        self.wobble = wobble
        self.spacing_mm = spacing_mm

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """(1, 3, Z, Y, X), or (1, Z, Y, X, 3)."""
        parts = []
        for axis in (2, 3, 4):
            line = torch.arange(moving.shape[axis], dtype=moving.dtype)
            a = moving.transpose(axis, 4).sum((0, 1, 2, 3))
            b = fixed.transpose(axis, 4).sum((0, 1, 2, 3))
            shift = (a * line).sum() / a.sum() - (b * line).sum() / b.sum()
            if self.unit == "mm":
                shift = shift * self.spacing_mm
            if self.unit == "half-extents":
                shift = shift * 2 / (moving.shape[axis] - 1)
            shift = shift * (1 + self.wobble * torch.randn(1)[0])
            parts.append(self.gain * shift + self.noise * torch.rand(1)[0])
        answer = (
            torch.stack(
                [
                    self.signs[0] * parts[self.order[0]],
                    self.signs[1] * parts[self.order[1]],
                    self.signs[2] * parts[self.order[2]],
                ]
            )
            + self.bias
        )
        answer = answer.view(1, 3, 1, 1, 1) + torch.zeros_like(fixed)
        if self.garbage > 0:
            answer = self.garbage * torch.randn_like(answer)
        return answer.permute(0, 2, 3, 4, 1) if self.last else answer


class Positions(torch.nn.Module):
    """The points reached, not the displacement; always those of the identity, plus the shift."""

    def __init__(self):
        super().__init__()
        self.net = Centroids()

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """(1, 3, Z, Y, X)."""
        lines = [torch.arange(n, dtype=fixed.dtype) for n in fixed.shape[2:]]
        return self.net(moving, fixed) + torch.stack(torch.meshgrid(lines, indexing="ij"))[None]


@pytest.fixture
def own(tmp_path):
    """Makes a backbone of a network and the keys of its manifest."""

    def make(module, **keys):
        torch.jit.script(module).save(tmp_path / "network.pt")
        manifest = {"name": "own", "network": "network.pt", "spacing_mm": 2.5, "multiple": 8}
        (tmp_path / "own.json").write_text(json.dumps(manifest | keys), "utf-8")
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
    "own fields of view": (Centroids(), {"spacing_mm": None, "shape": [40, 48, 48], "axes": "RAS"}),
    "half of the shift": (Centroids(gain=0.6), {}),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_convention_passes_when_the_manifest_states_it(own, name):
    network, keys = GOOD[name]
    checks = list(verify(own(network, **keys)))
    # its answer is the same at every voxel, so it has no places
    reported = {check.name for check in checks if check.passed is None}
    assert reported == {"places", "axes"} and all(c.passed is not False for c in checks), checks
    assert result(checks, "competence").text.startswith("follows ")


WRONG = {
    "axes swapped: a shift along i is answered along k": (Centroids(order=(2, 1, 0)), {}),
    "axes swapped: a shift along j is answered along k": (Centroids(order=(1, 0, 2)), {}),
    "voxels given as mm": (Centroids(), {"units": "mm"}),
    "mm given as voxels": (Centroids("mm"), {}),
    "half-extents given as voxels": (Centroids("half-extents"), {}),
    "voxels given as half-extents": (Centroids(), {"units": "half-extents"}),
    "sign reversed: the field maps moving to fixed": (Centroids(gain=-1.0), {}),
    "sign reversed along j": (Centroids(signs=(1.0, -1.0, 1.0)), {}),
    "or the two inputs are exchanged": (Centroids(), {"inputs": ["fixed", "moving"]}),
    "answers zero whatever it sees": (Centroids(gain=0.0), {}),
    "one vector of 8.66 mm at every voxel": (Centroids(gain=0.0, bias=2.0), {}),
    "nothing to do with the shifts": (Centroids(garbage=3.0), {}),
    "have other directions than the shifts": (Centroids(order=(0, 0, 0)), {}),
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_convention_is_named(own, words):
    """Also where the product would align the images before: the network itself is judged."""
    network, keys = WRONG[words]
    backbone = own(network, needs_affine=True, **keys)
    shift = result(verify(backbone, competence=False), "shift")
    assert shift.passed is False and words in shift.text


@pytest.mark.parametrize(
    ("keys", "doubtful"),
    [
        ({"units": "mm", "spacing_mm": 1.5}, True),
        ({"units": "voxels", "spacing_mm": 1.5}, False),
        ({"units": "mm", "spacing_mm": 1.0}, False),
    ],
)
def test_units_that_answers_cannot_tell_apart_are_named(own, keys, doubtful):
    """Two thirds of each shift: a network that follows as much, or voxels given as mm."""
    checks = list(verify(own(Centroids(), **keys), competence=False))
    assert result(checks, "shift").passed
    said = [check.text for check in checks if check.name == "units"]
    assert bool(said) == doubtful
    assert not doubtful or "'units' are \"voxels\", given as mm; that cannot be told" in said[0]


MATRIX = {  # the units that are stated and the answers to unit shifts along (i, j, k)
    "right": ("voxels", lambda mm: np.eye(3)),
    "zeros": ("voxels", lambda mm: np.zeros((3, 3))),
    "swapped": ("voxels", lambda mm: np.eye(3)[::-1]),
    "mm as voxels": ("voxels", lambda mm: mm * np.eye(3)),
    "voxels as mm": ("mm", lambda mm: np.eye(3) / mm),
    "too large": ("voxels", lambda mm: 1.4 * np.eye(3)),
}


@pytest.mark.parametrize("spacing_mm", [2.5, 1.5, 1.2, 1.0])
@pytest.mark.parametrize("kind", MATRIX)
def test_what_is_certified_is_right_or_its_doubt_is_named(kind, spacing_mm):
    """At 1 mm both units are the same; a weak answer and voxels given as mm look alike at 1.5 mm
    and below; an answer larger than the shift is never right."""
    units, made = MATRIX[kind]
    matrix = made(spacing_mm)
    grid = Grid.from_spacing((20, 24, 28), (spacing_mm,) * 3, (0, 0, 0))
    base = DisplacementField(np.zeros((*grid.shape, 3), np.float32), grid)
    answers = Answers(base, base, np.zeros(5), matrix, np.linalg.norm(matrix, axis=1))
    certified = not diagnose(answers, units)
    doubted = certified and bool(doubtful_units(answers, units))
    same = kind == "right" or (spacing_mm == 1.0 and " as " in kind)
    unclear = (kind, spacing_mm) in (
        ("voxels as mm", 1.5),
        ("voxels as mm", 1.2),
        ("mm as voxels", 1.2),
    )
    assert (certified, doubted) == (same or unclear, unclear)


def test_answers_that_differ_from_axis_to_axis_are_noted():
    """Seen: 28, 76 and 58 % by a network traced at 32^3 and asked at 48 x 40 x 56."""
    grid = Grid.from_spacing((20, 24, 28), (3.5,) * 3, (0, 0, 0))
    base = DisplacementField(np.zeros((*grid.shape, 3), np.float32), grid)
    for scale, words in (((0.28, 0.76, 0.58), "torch.jit.trace"), ((0.6, 0.7, 0.9), "")):
        answers = Answers(base, base, np.zeros(5), np.diag(scale), np.array(scale))
        assert not diagnose(answers, "voxels")
        assert words in uneven(answers) and bool(words) == bool(uneven(answers))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"unit": "mm", "spacing_mm": 1.5}, "mm given as voxels"),
        ({"gain": 1.4}, "the answers are larger than the shifts"),
    ],
)
def test_an_answer_larger_than_the_shift_fails(own, made, words):
    checks = verify(
        own(Centroids(**made), spacing_mm=made.get("spacing_mm", 2.5)), competence=False
    )
    assert words in result(checks, "shift").text


def test_positions_given_as_displacements_are_named(own):
    checks = list(verify(own(Positions()), competence=False))
    at_rest = result(checks, "same image twice")
    assert at_rest.passed is False and "positions (identity + displacement)" in at_rest.text


def test_a_network_is_shown_the_intensities_of_its_manifest(own):
    checks = list(verify(own(Centroids(), intensity=[-1000, 255])))
    assert result(checks, "shift").passed and result(checks, "competence").passed
    assert not [check for check in checks if check.name == "intensity"]


def test_a_field_in_a_turned_array_is_named():
    """Shifts cannot show it: their field is the same at every voxel."""
    grid = Grid.from_spacing((40, 40, 44), (2.5, 2.5, 2.5), (-50, -50, -50))
    truth = places_of(content_image(phantom(), grid), grid)
    vectors = truth(grid.points().astype(float))
    for words, turned, passed in (
        ("at its places (likeness 1.00", vectors, True),
        ("at its places (likeness 1.00", 0.3 * vectors, True),
        ("mirrored along k:", vectors[::-1], False),
        ("mirrored along i and k:", vectors[::-1, :, ::-1], False),
        ("in the order ikj:", vectors.transpose(1, 0, 2, 3), False),
        ("hardly comes back", 0 * vectors, None),
        ("hardly comes back", np.ones_like(vectors), None),
    ):
        found, text = diagnose_places(truth, DisplacementField(turned, grid))
        assert found is passed and words in text, text


def test_registrations_are_counted(own):
    heard = []
    for with_competence in (False, True):
        list(
            verify(
                own(Centroids()),
                competence=with_competence,
                progress=lambda done, at_most: heard.append((done, at_most)),
            )
        )
        assert [done for done, _ in heard] == list(range(1, heard[0][1] + 1))
        heard.clear()


def test_verify_says_how_long_it_takes_and_what_fails(own, tmp_path, capsys):
    own(Centroids(gain=0.0), needs_affine=True)
    assert main(["backbones", "verify", str(tmp_path / "own.json")]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("At most 17 registrations of about ")
    assert "FAILED  shift: the field does not change" in said.out
    assert said.err.endswith("own.json does not pass: shift.\n")
    own(Centroids(gain=float("nan")))
    assert main(["backbones", "verify", str(tmp_path / "own.json")]) == 1
    assert (
        "FAILED  field: The network of own returns values that are not finite"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "random", [{"noise": 0.05}, {"wobble": 0.01}], ids=["of the answer", "in proportion to it"]
)
def test_undeclared_randomness_is_noticed(own, random):
    """Also that which an image and itself do not show, as nothing moves there."""
    noisy = Centroids(**random)
    assert result(verify(own(noisy), competence=False), "repeatability").passed is False
    assert result(verify(own(noisy, stochastic=True), competence=False), "repeatability").passed


@pytest.mark.slow
def test_demons_passes_the_checks():
    checks = list(verify(create("demons", affine=False, voxels=40_000)))
    assert all(check.passed is not False for check in checks), checks


def test_the_probe_measures_what_is_followed_and_warns(own):
    image = content_image(phantom(), Grid.from_spacing((40, 40, 40), (3, 3, 3), (-58, -58, -58)))
    for gain, warned in ((0.8, False), (0.3, True)):
        backbone = own(Centroids(gain=gain))
        found = competence.probe(backbone, *backbone.prepare(image, image))
        assert np.allclose(list(found.followed.values()), gain, atol=0.02)
        assert bool(found.warnings) == warned
    assert "30% of 10 mm" in found.warnings[0]
