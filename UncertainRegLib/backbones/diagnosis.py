"""Explains in words a registration's conventions from its results on known displacements."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..geometry import DisplacementField, Grid
from .competence import TOO_MUCH
from .known_content import Places

SHIFT_MM = 4.0
SILENT = 0.1  # a smaller response means that the shift is not followed at all
UNRELATED = 0.3  # a smaller share of the answers' size is what they have in common
ALIGNED = 0.7  # a smaller share of an answer lies along one axis
AT_REST_MM = SHIFT_MM / 2  # an image and itself must be nearer than that
ENOUGH_LIKE = 0.5  # likeness (-1 to 1) of an answer and the truth
CLEARLY = 0.1  # a larger likeness than another's
CERTAIN = 0.15  # deviation from the stated units: a factor of 1.8; more is no weak answer
DOUBTFUL = 0.04  # a factor of 1.17
UNEVEN = 2.0  # times the answer along one axis, by which that along another is larger
AXES = ("i", "j", "k")
REVERSED = (
    "sign reversed: the field maps moving to fixed points (multiply it by -1 before you "
    "export the network), or the two inputs are exchanged (state the other order in "
    "'inputs'); both mend the answers to shifts, so look up in its training which it is"
)


@dataclass(frozen=True)
class Answers:
    """The answers to unit shifts along the three axes of a field's grid.

    Attributes:
        base: the field of the pair that is not shifted, an image and itself.
        moved: that of the pair shifted along i.
        base_mm: (n,) its length in the foreground.
        matrix: (3, 3): row a is the mean answer, along (i, j, k), to a shift along axis a.
        sizes: (3,) root mean square over the foreground of the same answers.
    """

    base: DisplacementField
    moved: DisplacementField
    base_mm: np.ndarray
    matrix: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(
        cls, base: DisplacementField, inside: np.ndarray, shifted: list[DisplacementField]
    ) -> Answers:
        """From the fields (numpy, one grid) of the three shifted pairs; ``inside`` is the
        foreground."""
        changes = [(field.vectors - base.vectors)[inside] for field in shifted]
        return cls(
            base,
            shifted[0],
            np.linalg.norm(base.vectors[inside], axis=-1),
            np.array(
                [base.grid.direction.T @ change.mean(axis=0) / SHIFT_MM for change in changes]
            ),
            np.array([np.sqrt((change**2).sum(-1).mean()) / SHIFT_MM for change in changes]),
        )


def diagnose_pair_of_one(answers: Answers) -> str:
    """What is wrong with the field of an image and itself; empty if nothing is."""
    median = float(np.median(answers.base_mm))
    if median < AT_REST_MM:
        return ""
    text = f"an image and itself are {median:.3g} mm apart (median); no displacement was expected"
    grid = answers.base.grid
    along = (answers.base.vectors @ grid.direction).reshape(-1, 3)
    index = np.indices(grid.shape)[::-1].reshape(3, -1).T
    likeness = np.abs(np.corrcoef(along.T + 1e-9, index.T)[:3, 3:])
    if np.all(likeness.max(axis=1) > 0.95):
        return (
            f"{text}: the network returns positions (identity + displacement); subtract the "
            "identity before you export it"
        )
    return text


def diagnose(answers: Answers, units: str | None = None) -> str:
    """What is wrong with the results on shifts; empty if nothing is.

    Args:
        units: as the manifest states them, where there is one: no others can be mistaken.
    """
    grid, size = answers.base.grid, np.abs(answers.matrix)
    least = SILENT / (grid.size.max() - 1) * 2
    if answers.sizes.max() < least:
        return _still(answers.base)
    common = np.linalg.norm(answers.matrix, axis=1)
    if np.any(common < UNRELATED * answers.sizes) or size.max() < least:
        return (
            "the answers have nothing to do with the shifts: neighbouring voxels are sent in "
            "different directions, as by a network that was not trained"
        )
    partner = size.argmax(axis=1)
    if np.any(size.max(axis=1) < ALIGNED * common) or sorted(partner) != [0, 1, 2]:
        rows = "; ".join(
            f"{AXES[a]} by ({', '.join(f'{value:.2f}' for value in row)})"
            for a, row in enumerate(answers.matrix)
        )
        return (
            "the answers have other directions than the shifts: a unit shift along an axis is "
            f"answered along (i, j, k), {rows}"
        )
    if list(partner) != [0, 1, 2]:
        swaps = ", ".join(
            f"a shift along {AXES[a]} is answered along {AXES[b]}"
            for a, b in enumerate(partner)
            if a != b
        )
        advice = (
            "state the other value of 'channels'"
            if list(partner) == [2, 1, 0]
            else "no 'channels' mends this: reorder the components before you export the network"
        )
        return f"axes swapped: {swaps} ({advice})"
    scale = np.diag(answers.matrix)
    if np.all(scale < 0):
        return REVERSED
    if np.any(scale < 0):
        wrong = " and ".join(AXES[a] for a in range(3) if scale[a] < 0)
        return (
            f"sign reversed along {wrong}: multiply that component by -1 before you export the "
            "network"
        )
    return _wrong_units(scale, grid, units)


def _still(base: DisplacementField) -> str:
    """The words for a field that does not change."""
    text = "the field does not change when the moving image is shifted"
    vectors = base.vectors.reshape(-1, 3)
    mean = vectors.mean(axis=0)
    if np.abs(vectors).max() < 1e-6:
        return f"{text}: the network answers zero whatever it sees"
    if vectors.std(axis=0).max() < 0.01 * np.linalg.norm(mean):
        return (
            f"{text}: the network answers one vector of {np.linalg.norm(mean):.3g} mm at every "
            "voxel, whatever it sees"
        )
    return f"{text}: the network answers the same field whatever it sees"


def doubtful_units(answers: Answers, units: str) -> str:
    """A unit other than the stated one that the answers suggest without proving it, in words; else
    empty. Called where `diagnose` found nothing wrong."""
    scale = np.diag(answers.matrix)
    best, deviation = _likeliest_units(scale, answers.base.grid, units)
    if not best[0] or deviation < DOUBTFUL:
        return ""
    return (
        f"the answers ({_percents(scale)}) would also be those of a network whose 'units' are "
        f'"{best[0]}", given as {best[1]}; that cannot be told here from one that follows '
        "shifts by another share. Look up the units in its training"
    )


def uneven(answers: Answers) -> str:
    """What answers of very different strength along the axes suggest, in words; else empty. Called
    where `diagnose` found nothing wrong."""
    scale = np.diag(answers.matrix)
    if scale.max() < UNEVEN * scale.min():
        return ""
    return (
        f"the answers are much weaker along one axis than along another ({_percents(scale)}). A "
        "network exported with torch.jit.trace answers so at any other size than it was traced "
        "with (state that as 'shape'); so does one whose components have different units"
    )


def _wrong_units(scale: np.ndarray, grid: Grid, stated: str | None) -> str:
    """A unit other than the stated one multiplies the answers by known numbers of the grid."""
    best, deviation = _likeliest_units(scale, grid, stated)
    beyond = scale.mean() > TOO_MUCH  # no network that sees a shift answers with more than it
    if best[0] and (deviation > CERTAIN or beyond):
        hardly = "; or it hardly follows such an image" if scale.max() < SILENT else ""
        return (
            f"{best[0]} given as {best[1]}: the answers ({_percents(scale)}) are those of a "
            f"network whose 'units' are \"{best[0]}\"{hardly}"
        )
    if beyond:
        return (
            f"the answers are larger than the shifts ({_percents(scale)}): look up the 'units' and "
            "'spacing_mm' of its training, or divide the network's answer before you export it"
        )
    if scale.max() < SILENT:
        return (
            f"shifts are hardly followed ({_percents(scale)}); give an image of the kind it "
            "was made for, or it was not trained"
        )
    return ""


def _likeliest_units(
    scale: np.ndarray, grid: Grid, stated: str | None
) -> tuple[tuple[str, str], float]:
    """The units that explain answers clearly better than the stated ones, as (true, stated), both
    empty if none do; and how badly the stated ones explain them."""
    half = np.maximum(grid.size - 1, 1) / 2.0
    readings = {
        ("", ""): np.ones(3),
        ("voxels", "mm"): 1 / grid.spacing,
        ("mm", "voxels"): grid.spacing,
        ("half-extents", "voxels"): 1 / half,
        ("voxels", "half-extents"): half,
        ("half-extents", "mm"): 1 / (half * grid.spacing),
        ("mm", "half-extents"): half * grid.spacing,
    }
    # A network follows a part of a shift, much the same along every axis: the right reading
    # leaves factors that are equal, and not far from 1.
    deviation = {}
    for name, factor in readings.items():
        if name[1] and stated and name[1] != stated:
            continue
        logs = np.log(scale / factor)
        deviation[name] = logs.std() + 0.25 * abs(logs.mean())
    best = min(deviation, key=deviation.get)
    clearly = deviation[best] < 0.5 * deviation["", ""]
    return best if clearly else ("", ""), float(deviation["", ""])


def _percents(scale: np.ndarray) -> str:
    return ", ".join(f"{value:.3g}" for value in scale) + " of each shift"


def diagnose_places(truth: Places, answer: DisplacementField) -> tuple[bool | None, str]:
    """Whether a deformation of a few places came back there (None: hardly), in words."""
    grid, along = answer.grid, answer.vectors @ answer.grid.direction
    points = grid.points().astype(np.float64)
    wanted = truth(points) @ grid.direction
    likeness = {words: _likeness(turned, wanted) for words, turned in _turns(along)}
    here, best = likeness[""], max(likeness, key=likeness.get)
    found = f"a deformation of up to {np.abs(wanted).max():.1f} mm"
    if best and likeness[best] > ENOUGH_LIKE and likeness[best] > here + CLEARLY:
        return False, (
            f"{found} comes back in another place, as if the array of the field had its "
            f"axes {best}: the network turns its images, but not its answer back"
        )
    if here > ENOUGH_LIKE:
        return True, f"{found} comes back at its places (likeness {here:.2f} of 1)"
    return None, (
        f"{found} hardly comes back at its places (likeness {here:.2f} of 1): parts of "
        "the image that move by themselves are not followed"
    )


def _turns(array: np.ndarray):
    """All arrays with axes exchanged and mirrored that keep the shape, and words for each."""
    for order in itertools.permutations(range(3)):
        if tuple(array.shape[a] for a in order) != array.shape[:3]:
            continue
        for flips in itertools.product((False, True), repeat=3):
            parts = []
            if order != (0, 1, 2):
                names = "kji"
                parts.append("in the order " + "".join(names[a] for a in reversed(order)))
            mirrored = [AXES[2 - a] for a in range(3) if flips[a]]
            if mirrored:
                parts.append("mirrored along " + " and ".join(sorted(mirrored)))
            turned = array.transpose(*order, 3)
            turned = np.flip(turned, [a for a in range(3) if flips[a]])
            yield " and ".join(parts), turned


def _likeness(answer: np.ndarray, truth: np.ndarray) -> float:
    """Cosine of two fields, -1 to 1."""
    size = np.linalg.norm(answer) * np.linalg.norm(truth)
    return float((answer * truth).sum() / size) if size > 0 else 0.0
