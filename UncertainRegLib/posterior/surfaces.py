"""Surfaces of a label: where at least 5, 50 and 95 % of the samples put it."""

import numpy as np

from ..geometry.image import Image
from .labels import LabelProbabilities

LEVELS = (0.05, 0.5, 0.95)


def probability_volume(probabilities: LabelProbabilities, label: int) -> Image:
    """Probability of a label with a border of zeros, so that its isosurfaces are closed.

    Args:
        probabilities: label probabilities of all samples.
        label: a label of the moving segmentation.

    Returns:
        (Z, Y, X) float32 in [0, 1] on the part of the fixed grid around the label, one voxel more
        on every side (that border may lie outside the fixed image).

    Raises:
        ValueError: there is no such label, or no sample met it.
    """
    image = probabilities.probability(label)
    array = np.pad(image.array, 1)
    return Image(array, image.grid.part([-1, -1, -1], array.shape))
