"""What a run will need, as a probe registration shows it."""

from __future__ import annotations

import math

BYTES_PER_WORKING_VOXEL = 150  # images, fields and moments (float32) and their temporaries
BYTES_PER_FIXED_VOXEL = 110  # display maps and fields on the fixed grid
SUM_UP_S = 4e-7  # a voxel of a sample, one CPU thread


def predict_memory_mb(
    fixed: tuple[int, ...], moving: tuple[int, ...], working_voxels: int
) -> float:
    """Rough peak memory of the run in MB, beyond what the backbone itself takes, for images of such
    shapes."""
    total = BYTES_PER_FIXED_VOXEL * math.prod(fixed) + 12 * math.prod(moving)
    total += BYTES_PER_WORKING_VOXEL * working_voxels
    return 250 + total / 2**20


def predict_seconds(sampler, samples: int, register_s: float, working_voxels: int) -> float:
    """Rough duration of a run after its first registration, which took ``register_s``."""
    return (
        register_s
        + sampler.expected_seconds(samples, register_s)
        + SUM_UP_S * working_voxels * samples
    )
