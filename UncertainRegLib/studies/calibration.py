"""A check of the bounds of one pair on known deformations of its own fixed image.

The user's own fixed image is deformed a few times by known elastic fields, as large as the pair's
own deformation; each simulated pair goes through the same backbone, method and number of samples.
If fewer than 95 % of its errors lie within the stated bound, that is widened until they do; and
split conformal prediction (`metrics.calibration.conformal_factor`) gives the factor q that makes
95 % of the errors lie within q times the disagreement. Voxels of one deformation are no
independent tests: each factor is the largest that any of the deformations asks for, which holds
for a further one like them in n of n + 1 cases. All is refused where the backbone does not follow
a shift (`backbones.competence`): the simulation would not show that it is confidently wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from time import perf_counter

import numpy as np

from ..backbones.competence import DISTANCES_MM, ENOUGH, probe
from ..backbones.contrast import difference
from ..backbones.failures import Failures, TooManyFailedError, check_finite
from ..geometry import DisplacementField, Image, compose
from ..geometry.foreground import patient
from ..jobs.expectation import Expecting
from ..metrics.calibration import bound_coverage, conformal_factor
from ..perturbations import Deform
from .disagreement import disagreement
from .simulate import affine_part, deformed, error_mm, seen

LEVEL = 0.95
ELASTIC = Deform(10, 0.4)  # the largest that cannot fold
MOST_COMPOSED = 4  # for larger deformations several are composed: that does not fold either
SMALLEST_VOXELS = 0.5  # a simulated deformation below half a voxel would calibrate nothing
VOXELS_A_WARP = 200_000  # drawn from each simulated pair
WARNING = (
    "Simulated truth is the same image deformed smoothly. It has no missing or changed "
    "anatomy and no other noise, so it does not tell how far off the registration is where "
    "the two real images differ in more than shape."
)


def registrations(samples: int, warps: int) -> int:
    """How many registrations `calibrate` does."""
    return 2 + len(DISTANCES_MM) + warps * (1 + samples)


def calibrate(
    backbone,
    sampler,
    fixed: Image,
    moving: Image,
    samples: int,
    warps: int,
    generator: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
) -> dict:
    """Self-calibration of one pair.

    Args:
        backbone: see ``backbones``.
        sampler: the pair's sampler around this backbone.
        fixed, moving: the pair as read (numpy), with masks where given.
        samples: as many as the map to be calibrated has: u grows with their number.
        warps: simulated deformations, at least 2 (each is checked by the others).
        generator: source of everything random.
        advance: called after every registration.

    Returns:
        The "calibration" entry of ``result.json``: level, factor (q; None when refused, or where
        no multiple of the disagreement is a bound), warps,
        samples, amplitude_mm (mean simulated displacement), pair_amplitude_mm, missing_mm (root
        mean square along an axis of the part of the simulated error that exceeds u),
        coverage_check (mean coverage of each simulated pair by the factor of the others),
        coverages, wider (by how much the stated bounds have to be widened, at least 1; 1 as well
        where the expected error is not known), expected_within (mean share of the simulated errors
        within the bound as it was stated; None where there is none), competence, failed (count and
        reasons of simulated deformations that could not be registered and were drawn again),
        refused (None or a sentence), warning, seconds.

    Raises:
        ValueError: fewer than two warps.
    """
    if warps < 2:
        raise ValueError(
            f"warps is {warps}; calibration needs at least 2 simulated deformations, "
            "to check one by the others."
        )
    begun = perf_counter()
    prepared = backbone.prepare(fixed, moving)
    registration = backbone.register(*prepared)
    advance()
    region = region_of(fixed.resample(registration.grid)) & seen(
        registration.to_numpy(), moving.grid
    )
    competence = probe(backbone, *prepared)
    for _ in range(1 + len(DISTANCES_MM)):
        advance()
    own = nonaffine_mm(registration.to_numpy(), region)
    entry = {
        "level": LEVEL,
        "factor": None,
        "warps": 0,
        "samples": samples,
        "pair_amplitude_mm": own,
        "amplitude_mm": None,
        "missing_mm": None,
        "coverage_check": None,
        "coverages": [],
        "wider": 1.0,
        "expected_within": None,
        "competence": {
            "followed": {f"{mm:g}": part for mm, part in competence.followed.items()},
            "enough": ENOUGH,
            "warnings": list(competence.warnings),
        },
        "failed": Failures().record(),
        "refused": None,
        "warning": WARNING,
    }
    differ = difference(*prepared, registration)
    if differ:
        entry["refused"] = (
            "A calibration registers the fixed image with itself, deformed. That says nothing about "
            f"this pair, because the registered images {differ}."
        )
    elif competence.warnings:
        entry["refused"] = " ".join(competence.warnings)
    else:
        _simulate(entry, backbone, sampler, fixed, own, warps, generator, advance)
    return {**entry, "seconds": perf_counter() - begun}


def _simulate(entry, backbone, sampler, fixed, own, warps, generator, advance) -> None:
    """Fill the factor and its check into ``entry``."""
    pairs, scores, sizes, redrawn = [], [], [], 0
    failures = Failures("simulated deformations")
    while failures.finished < warps:
        try:
            found = failures.attempt(
                _simulated, backbone, sampler, fixed, own, entry["samples"], generator, advance
            )
        except TooManyFailedError as error:
            entry["failed"] = failures.record()
            entry["refused"] = str(error)
            return
        if found is not None:
            pairs.append(found[0])
            sizes.append(found[1])
            redrawn += found[2]
            scores += found[3]
    entry["failed"] = failures.record()
    if failures.count:
        entry["warning"] += (
            f" {failures.count} of {failures.count + warps} simulated "
            "deformations could not be registered and were left out: no bound "
            "holds where the registration fails."
        )
    if redrawn:
        entry["warning"] += f" {redrawn} of their samples failed and were drawn again."
    entry["warps"], entry["amplitude_mm"] = warps, float(np.mean(sizes))
    entry["missing_mm"] = missing_mm(pairs)
    if scores:
        entry["wider"] = max(1.0, *(float(np.quantile(score, LEVEL)) for score in scores))
        entry["expected_within"] = float(np.mean([(score <= 1.0).mean() for score in scores]))
    factor = _factor(pairs)
    if np.isfinite(factor):
        entry["factor"] = factor
        for left_out, (u, error) in enumerate(pairs):
            others = [pair for k, pair in enumerate(pairs) if k != left_out]
            entry["coverages"].append(bound_coverage(u, error, _factor(others)))
        entry["coverage_check"] = float(np.mean(entry["coverages"]))
    elif not scores:  # no expected error either, which would not be zero there
        entry["refused"] = (
            "More than 5 % of voxels have an error and no disagreement at all on "
            "simulated truth: no factor can bound them."
        )
    if entry["amplitude_mm"] < 0.8 * own:
        entry["warning"] += (
            f" The pair's own deformation, {own:.1f} mm on average beyond an "
            f"affine map, is larger than the {entry['amplitude_mm']:.1f} mm that "
            "can be simulated without folding."
        )


def _simulated(backbone, sampler, fixed: Image, own: float, samples: int, generator, advance):
    """One simulated pair: u and error in mm of some of its voxels, the mean displacement, how many
    samples were drawn again, and the errors in units of their stated bound, if there is one."""
    truth = matched_truth(fixed, own, generator)
    image = deformed(fixed, truth)
    prepared = backbone.prepare(image, fixed)
    registration = backbone.register(*prepared)
    check_finite(registration)
    advance()
    found = disagreement(sampler, *prepared, samples, generator, advance)
    here = region_of(image.resample(registration.grid)) & found.inside
    here &= seen(truth.resample(registration.grid), fixed.grid)
    error = error_mm(registration, truth)
    keep = generator.permutation(np.flatnonzero(here))[:VOXELS_A_WARP]
    scores, pair = [], [one.to_numpy() for one in (*prepared, registration)]
    if not difference(*pair):
        expected = Expecting(*pair).found(found.uncertainty_mm, found.mean.grid)
        bound = expected.said.point_factor * expected.length_mm
        scores.append((error / bound).ravel()[keep])
    return (
        (found.uncertainty_mm.ravel()[keep], error.ravel()[keep]),
        nonaffine_mm(truth.resample(registration.grid), here),
        found.failed,
        scores,
    )


def _factor(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return max(conformal_factor(u, error, level=LEVEL) for u, error in pairs)


def missing_mm(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Error that the disagreement lacks, standard deviation along an axis in mm; 0 if none.

    With <e²> = <u²> + 3 s² over the voxels of simulated pairs, s is what an independent isotropic
    error would have to add.

    Args:
        pairs: u and error in mm of every simulated pair.
    """
    u, error = (np.concatenate(values).astype(np.float64) for values in zip(*pairs))
    return float(np.sqrt(max(0.0, (error**2).mean() - (u**2).mean()) / 3))


def matched_truth(
    image: Image, amplitude_mm: float, generator: np.random.Generator
) -> DisplacementField:
    """A random elastic field on the grid of ``image`` with a mean non-affine displacement of
    about ``amplitude_mm`` in its body: at least half a voxel, and never more than cannot fold."""
    amplitude_mm = max(amplitude_mm, SMALLEST_VOXELS * float(image.grid.spacing.mean()))
    fields, region, size = [], None, 0.0
    while size < amplitude_mm and len(fields) < MOST_COMPOSED:
        fields.append(ELASTIC.draw(image.grid, generator).field(image.grid))
        region = region_of(image.resample(fields[0].grid)) if region is None else region
        size = nonaffine_mm(_composed(fields, 1.0), region)
    return _composed(fields, min(1.0, amplitude_mm / size))


def _composed(fields: list[DisplacementField], scale: float) -> DisplacementField:
    scaled = [DisplacementField(f.vectors * np.float32(scale), f.grid) for f in fields]
    return reduce(compose, scaled)


def nonaffine_mm(field: DisplacementField, region: np.ndarray) -> float:
    """Mean length in mm of what is left of a displacement (numpy) after its affine part.

    Args:
        field: mm LPS.
        region: booleans on its grid: where the affine map is fitted, and the mean taken.
    """
    affine = affine_part(field, region)
    linear = field.grid.affine_points((affine - np.eye(4)) @ field.grid.affine)
    return float(np.linalg.norm((field.vectors - linear)[region], axis=-1).mean())


def region_of(image: Image) -> np.ndarray:
    """Booleans on the grid of an image: its mask, or the patient."""
    return patient(image) if image.mask is None else image.mask > 0
