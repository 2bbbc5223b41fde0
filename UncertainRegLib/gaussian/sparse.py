"""A sparse triangular factor of the precision matrix, over the 3 x 3 x 3 neighbourhood."""

import torch
from torch import Tensor

from .solve import Product, Solution
from .stencil import CROSS, OFFSETS


class SparseFactor:
    """Lower triangular L with 45 numbers a voxel (pattern: `stencil`); L L^T is the precision.

    The "C" covariances of Simpson & Campbell, "Structured SIR", section 3.2. Products are 13
    shifted multiply-adds; solutions are exact, by back-substitution. Everything is differentiable
    once, on CPU and CUDA.

    Back-substitution amplifies rounding where the off-diagonals of a row outweigh its diagonal;
    whoever predicts the weights should bound them.

    Args:
        diag: (B, 3, Z, Y, X), positive, in 1 / (unit of the field).
        off: (B, 3, 13, Z, Y, X), weights of the neighbours `stencil.OFFSETS`, same unit.
        cross: (B, 3, Z, Y, X), weights between components at a voxel, pairs `stencil.CROSS`.

    Raises:
        ValueError: the shapes do not belong together.
    """

    def __init__(self, diag: Tensor, off: Tensor, cross: Tensor):
        batch, *rest = diag.shape
        expected = (batch, 3, len(OFFSETS), *rest[1:]), (batch, len(CROSS), *rest[1:])
        if (tuple(off.shape), tuple(cross.shape)) != expected:
            raise ValueError(
                f"A factor with diag {tuple(diag.shape)} needs off {expected[0]} and cross "
                f"{expected[1]}, got {tuple(off.shape)} and {tuple(cross.shape)}."
            )
        self.diag, self.off, self.cross = diag, off, cross

    @property
    def shape(self) -> torch.Size:
        """(B, 3, Z, Y, X)."""
        return self.diag.shape

    def matmul(self, x: Tensor) -> Tensor:
        """L x for x of shape (B, N, 3, Z, Y, X)."""
        return Product.apply(self.diag, self.off, self.cross, x, False)

    def transpose_matmul(self, x: Tensor) -> Tensor:
        """L^T x for x of shape (B, N, 3, Z, Y, X)."""
        return Product.apply(self.diag, self.off, self.cross, x, True)

    def solve(self, b: Tensor) -> Tensor:
        """L^-1 b for b of shape (B, N, 3, Z, Y, X)."""
        return Solution.apply(self.diag, self.off, self.cross, b, False)

    def transpose_solve(self, b: Tensor) -> Tensor:
        """L^-T b for b of shape (B, N, 3, Z, Y, X): white noise becomes a correlated field."""
        return Solution.apply(self.diag, self.off, self.cross, b, True)

    def logdet(self) -> Tensor:
        """log det L, shape (B,), float64."""
        return self.diag.double().log().flatten(1).sum(1)
