"""The low-rank part R of a covariance: r displacement fields that samples combine."""

from torch import Tensor

CHUNK = 8192  # numbers per partial sum


class LowRank:
    """R, a 3 Nv x r matrix whose columns are displacement fields.

    Args:
        columns: (B, r, 3, Z, Y, X), in the field's unit.
    """

    def __init__(self, columns: Tensor):
        self.columns = columns

    @property
    def rank(self) -> int:
        """Number of columns r."""
        return self.columns.shape[1]

    def matmul(self, a: Tensor) -> Tensor:
        """R a: (B, N, r) coefficients to (B, N, 3, Z, Y, X) fields."""
        return (a @ self.columns.flatten(2)).unflatten(2, self.columns.shape[2:])

    def transpose_matmul(self, x: Tensor) -> Tensor:
        """R^T x: (B, N, 3, Z, Y, X) fields to (B, N, r) coefficients, float64."""
        return inner(x, self.columns)


def inner(x: Tensor, y: Tensor) -> Tensor:
    """Inner products of two blocks of fields, added up in float64.

    A float32 sum over 1.7 million numbers loses the digits that tell two log-densities apart;
    float64 copies of the fields would double the memory. So: products in the fields' own precision
    over short chunks, sums of the chunks in float64.

    Args:
        x: (B, N, 3, Z, Y, X); y: (B, M, 3, Z, Y, X).

    Returns:
        (B, N, M), float64.
    """
    x, y = x.flatten(2).split(CHUNK, 2), y.flatten(2).split(CHUNK, 2)
    return sum((a @ b.transpose(1, 2)).double() for a, b in zip(x, y, strict=True))


def squared_norm(x: Tensor) -> Tensor:
    """Sum of squares of each field (B, N, 3, Z, Y, X); (B, N), added up as in `inner`."""
    return sum(a.square().sum(2).double() for a in x.flatten(2).split(CHUNK, 2))
