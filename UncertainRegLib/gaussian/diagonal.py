"""A diagonal factor of the precision matrix: every component of every voxel on its own."""

import torch
from torch import Tensor


class DiagonalFactor:
    """L = diag(d): the precision matrix is diag(d^2).

    The "D" covariances of Simpson & Campbell, "Structured SIR", section 4.4.

    Args:
        diag: (B, 3, Z, Y, X), positive; 1 / diag is the standard deviation, in the field's unit.
    """

    def __init__(self, diag: Tensor):
        self.diag = diag

    @property
    def shape(self) -> torch.Size:
        """(B, 3, Z, Y, X)."""
        return self.diag.shape

    def matmul(self, x: Tensor) -> Tensor:
        """L x for x of shape (B, N, 3, Z, Y, X)."""
        return self.diag[:, None] * x

    def solve(self, b: Tensor) -> Tensor:
        """L^-1 b for b of shape (B, N, 3, Z, Y, X)."""
        return b / self.diag[:, None]

    transpose_matmul = matmul
    transpose_solve = solve

    def logdet(self) -> Tensor:
        """log det L, shape (B,), float64."""
        return self.diag.double().log().flatten(1).sum(1)
