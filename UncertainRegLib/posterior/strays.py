"""Stray samples: single answers far from what the others agree on."""

from collections.abc import Sequence

import numpy as np

LIMIT = 3.5  # modified z-score of an outlier, Iglewicz and Hoaglin 1993
CONSISTENT = 0.6745  # makes a median absolute deviation a standard deviation
FEWEST = 5  # different samples: of fewer none can be called stray


def stray_samples(samples: Sequence[np.ndarray], smallest_mm: float) -> dict[int, float]:
    """Samples that lie far from the median of all.

    The distance of a sample is the root mean square, over the points, of its distance from the
    median field (component by component). Its modified z-score (B. Iglewicz and D. Hoaglin, How to
    Detect and Handle Outliers, 1993) is 0.6745 times this distance over the median distance, which
    takes the place of the median absolute deviation of single numbers; beyond 3.5, that is where
    it lies more than 5.2 times as far as a typical sample, it is stray. Copies of one sample count
    once.

    Args:
        samples: (n, 3) displacements in mm, each at the same points.
        smallest_mm: what lies nearer than this is never stray.

    Returns:
        Number of the sample, from 0 -> its distance in mm.
    """
    different, of_sample = np.unique(
        np.stack([np.ravel(sample) for sample in samples]), axis=0, return_inverse=True
    )
    if len(different) < FEWEST:
        return {}
    offset = (different - np.median(different, axis=0)).reshape(len(different), -1, 3)
    distance = np.sqrt(np.square(offset).sum(-1).mean(-1))
    far = (CONSISTENT * distance > LIMIT * np.median(distance)) & (distance > smallest_mm)
    return {
        index: float(distance[one])
        for index, one in enumerate(of_sample.ravel().tolist())
        if far[one]
    }
