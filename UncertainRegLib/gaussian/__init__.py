"""Structured Gaussian distributions over displacement fields.

Sigma = R R^T + (L L^T)^-1 over the 3 Nv numbers of a displacement field, with R of low rank and L
a sparse lower triangular factor of a precision matrix (Simpson & Campbell, "Structured SIR",
sections 3.2 and A). Nothing here knows images: the numbers are whatever the mean is in.

Blocks of vectors are tensors ``(B, N, C, Z, Y, X)``: B independent distributions (image pairs), N
vectors each (samples, or columns of R), C = 3 displacement components on a (Z, Y, X) grid.
"""

from .diagonal import DiagonalFactor
from .importance import effective_sample_size, resample, temper_by_spread, temper_to_ess
from .lowrank import LowRank
from .smooth import smooth_factor
from .sparse import SparseFactor
from .structured import Noise, StructuredGaussian

__all__ = [
    "DiagonalFactor",
    "LowRank",
    "Noise",
    "SparseFactor",
    "StructuredGaussian",
    "effective_sample_size",
    "resample",
    "smooth_factor",
    "temper_by_spread",
    "temper_to_ess",
]
