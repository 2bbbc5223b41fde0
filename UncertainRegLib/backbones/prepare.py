"""Steps of preparation that several backbones share."""

from __future__ import annotations

import numpy as np

from ..geometry import Image
from ..geometry.image import mask_of


def percentile_window(image: Image, low: float = 0.5, high: float = 99.5) -> Image:
    """Intensities between two percentiles (of the masked voxels) mapped to [0, 1] and clipped.

    Voxels outside the mask become 0.
    """
    inside = mask_of(image)
    values = image.array[inside]
    bottom, top = np.percentile(values, [low, high])
    scaled = np.clip((image.array - bottom) / max(top - bottom, 1e-6), 0.0, 1.0)
    return Image((scaled * inside).astype(np.float32), image.grid, image.mask)
