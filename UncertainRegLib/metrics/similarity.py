"""Similarity of a warped moving image and the fixed image (Gong et al., 4.2.1)."""

import numpy as np
from scipy import ndimage

from .voxels import select


def mean_squared_error(
    first: np.ndarray, second: np.ndarray, mask: np.ndarray | None = None
) -> float:
    """Mean squared intensity difference.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    a, b = select(mask, first=first, second=second)
    return float(np.mean((a - b) ** 2))


def mutual_information(
    first: np.ndarray, second: np.ndarray, mask: np.ndarray | None = None, bins: int = 100
) -> float:
    """Mutual information in nats from a joint histogram of ``bins`` × ``bins`` equal-width bins.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    a, b = select(mask, first=first, second=second)
    joint = np.histogram2d(a, b, bins=bins)[0] / a.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    return float(np.sum(joint[filled] * np.log(joint[filled] / independent[filled])))


def local_ncc(
    first: np.ndarray, second: np.ndarray, mask: np.ndarray | None = None, window: int = 5
) -> float:
    """Mean squared local normalised cross-correlation, 0 … 1 (Balakrishnan et al. 2019, Eq. 3).

    Args:
        first: image (Z, Y, X), intensities of order 1 (the paper's images are in [0, 1]).
        second: image, same shape.
        mask: voxels to average over; windows may reach outside it.
        window: edge of the cubic window in voxels; the image is mirrored at its border.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    shape = np.shape(first)
    a, b = (v.reshape(shape) for v in select(None, first=first, second=second))
    size = window**a.ndim

    def window_sum(image: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(image, window, mode="reflect") * size

    sum_a, sum_b = window_sum(a), window_sum(b)
    cross = window_sum(a * b) - sum_a * sum_b / size
    variances = (window_sum(a * a) - sum_a**2 / size) * (window_sum(b * b) - sum_b**2 / size)
    # The constant keeps flat windows (background) at 0 instead of 0 / 0, as in the published loss.
    (squared,) = select(mask, ncc=cross**2 / (np.maximum(variances, 0.0) + 1e-5))
    return float(squared.mean())
