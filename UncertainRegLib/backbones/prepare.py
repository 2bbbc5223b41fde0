"""Steps of preparation that several backbones share."""

from __future__ import annotations

import numpy as np

from ..geometry import Image
from ..geometry.image import mask_of

CT_WINDOW = (-1000.0, 400.0)  # Hounsfield units: lung and soft tissue
PERCENTILES = (0.5, 99.5)


def normalise(fixed: Image, moving: Image) -> tuple[Image, Image]:
    """Both images with intensities in [0, 1]; voxels outside a mask become 0.

    Two whole CT images keep one common window of Hounsfield units: windows fitted to each would
    differ by a little, which a method that compares intensities follows by millimetres in
    homogeneous organs. Other images, and masked organs (a lung changes its density with every
    breath), are scaled between percentiles of their own voxels.
    """
    masked = fixed.mask is not None or moving.mask is not None
    if is_ct(fixed) and is_ct(moving) and not masked:
        windows = [CT_WINDOW, CT_WINDOW]
    else:
        windows = [np.percentile(image.array[mask_of(image)], PERCENTILES)
                   for image in (fixed, moving)]
    return tuple(_window(image, *window) for image, window in zip((fixed, moving), windows))


def is_ct(image: Image) -> bool:
    """Hounsfield units reach far below zero wherever there is air or lung."""
    return float(np.percentile(image.array, 1)) < -500.0


def _window(image: Image, low: float, high: float) -> Image:
    scaled = np.clip((image.array - low) / max(high - low, 1e-6), 0.0, 1.0)
    return Image((scaled * mask_of(image)).astype(np.float32), image.grid, image.mask)
