"""One pair, one sampler: the uncertainty map, and how well an independent one repeats it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry import DisplacementField, Image, warp
from ..geometry.arrays import to_numpy
from ..posterior.maps import uncertainty
from ..posterior.moments import Moments
from ..posterior.stream import Validity

RESIDUAL_SIGMA = 2.0  # voxels of the working grid


@dataclass(frozen=True)
class Disagreement:
    """What the samples of one pair say, numpy, on the working grid.

    Attributes:
        uncertainty_mm: u (Z, Y, X).
        mean: mean of the samples, mm LPS.
        covariance: (Z, Y, X, 6) mm².
        inside: booleans, where most samples stay in the moving image.
        halves: two maps u of independent halves of the samples.
        failed: how many registrations failed and were drawn again.
    """

    uncertainty_mm: np.ndarray
    mean: DisplacementField
    covariance: np.ndarray
    inside: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    failed: int = 0


def disagreement(
    sampler,
    fixed: Image,
    moving: Image,
    samples: int,
    generator: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
    each: Callable[[DisplacementField, float], None] | None = None,
) -> Disagreement:
    """Sample the registration of a prepared pair and sum the samples up.

    Args:
        sampler: see ``samplers``.
        fixed, moving: as returned by ``backbone.prepare``.
        samples: how many; every second one goes to the other half.
        generator: source of everything random.
        advance: called after every sample.
        each: called with every sample's field and log-weight, for whoever needs more of them.

    Raises:
        TooManyFailedError: most registrations fail; a few that do are drawn again by the sampler.
    """
    halves, validity = (Moments(), Moments()), Validity(moving.grid)
    for number, sample in enumerate(sampler.sample(fixed, moving, samples, generator)):
        halves[number % 2].add(sample.field.vectors, sample.log_weight)
        validity.add(sample.field, sample.log_weight)
        if each is not None:
            each(sample.field, sample.log_weight)
        advance()
    all_samples = Moments()
    for half in halves:
        all_samples.merge(half)
    maps = [to_numpy(uncertainty(m.covariance)) for m in (all_samples, *halves)]
    mean = DisplacementField(all_samples.mean, sample.field.grid).to_numpy()
    return Disagreement(
        maps[0],
        mean,
        to_numpy(all_samples.covariance),
        validity.inside,
        (maps[1], maps[2]),
        sample.of_all.get("failed", {"count": 0})["count"],
    )


def image_residual(fixed: Image, moving: Image, registration: DisplacementField) -> np.ndarray:
    """|A∘phi_hat − B| of prepared images, smoothed: the one-pass baseline of every map.

    Returns:
        (Z, Y, X) in units of the prepared intensities, on the grid of ``registration``.
    """
    registration = registration.to_numpy()
    fixed, moving = fixed.to_numpy(), moving.to_numpy()
    gap = warp(moving, registration, outside=None).array - fixed.resample(registration.grid).array
    return ndimage.gaussian_filter(np.abs(gap), RESIDUAL_SIGMA)
