"""A simulated twin of a real pair: its truth is known everywhere, and it is as hard to register."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry import DisplacementField, Image, compose, warp
from .calibration import matched_truth, nonaffine_mm, region_of

FURTHER = 0.6  # of the pair's own deformation, by which a twin differs from what was found
SIGN_VOXELS, STEEP = 3.0, 3.0  # over which a difference keeps its sign, and how soon it turns


def twin(
    fixed: Image, moving: Image, registration: DisplacementField, generator: np.random.Generator
) -> tuple[Image, DisplacementField]:
    """A fixed image like the real one whose true registration is known, and that registration.

    The truth is what was found, deformed further: phi_hat∘delta. The moving image carried there is
    given what separates the two real scans: their difference after registration, which no
    deformation explains, deformed likewise and with a smooth random sign (a wild bootstrap), and
    their gain.

    Args:
        fixed, moving: as read (numpy).
        registration: of the pair, mm LPS.
        generator: source of delta and of the signs.

    Returns:
        The image on the grid of ``fixed``, and the truth from there to ``moving`` in mm LPS.
    """
    phi = registration.to_numpy().resample(fixed.grid)
    inside = region_of(fixed)
    further = matched_truth(fixed, FURTHER * nonaffine_mm(phi, inside), generator)
    truth = compose(phi, further)
    warped = warp(moving, phi, outside=None)
    there, here = (image.array[inside].astype(np.float64) for image in (warped, fixed))
    gain, offset = np.polyfit(there, here, 1)  # in float32 it loses rank with many voxels
    left = Image((fixed.array - gain * warped.array - offset).astype(np.float32), fixed.grid)
    sign = ndimage.gaussian_filter(generator.standard_normal(fixed.grid.shape), SIGN_VOXELS)
    sign = np.tanh(STEEP * sign / sign.std())
    array = gain * warp(moving, truth, outside=None).array + offset
    array = array + sign * warp(left, further, outside=None).array
    return Image(array.astype(np.float32), fixed.grid, fixed.mask), truth
