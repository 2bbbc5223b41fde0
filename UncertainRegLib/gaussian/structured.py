"""The Gaussian N(mean, R R^T + (L L^T)^-1) over displacement fields."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import torch_generator
from .diagonal import DiagonalFactor
from .lowrank import LowRank, inner, squared_norm
from .sparse import SparseFactor


@dataclass(frozen=True)
class Noise:
    """White noise a sample is made of: ``local`` (B, N, 3, Z, Y, X), ``global_`` (B, N, r)."""

    local: Tensor
    global_: Tensor


class StructuredGaussian:
    """q(Z) = N(mean, Sigma), Sigma = R R^T + (L L^T)^-1, Z a displacement field.

    Sigma is never formed. Densities use the Woodbury identity and the determinant lemma
    (Simpson & Campbell, "Structured SIR", Eqs. 4, 9-11 and appendix A): with k = L^T (Z - mean),
    S = L^T R and M = I + S^T S,

        (Z - mean)^T Sigma^-1 (Z - mean) = k^T k - (S^T k)^T M^-1 (S^T k),
        log det Sigma = -2 log det L + log det M.

    M is r x r with eigenvalues of at least 1. It is built and factorised (Cholesky) in float64; the
    paper's eigen-decomposition has no gradient where eigenvalues coincide, as they do at R = 0.

    Args:
        mean: (B, 3, Z, Y, X).
        factor: L, of the same shape.
        low_rank: R, or None for a covariance without it.

    Raises:
        ValueError: mean, factor and low_rank are of different grids.
    """

    def __init__(
        self, mean: Tensor, factor: DiagonalFactor | SparseFactor, low_rank: LowRank | None = None
    ):
        grids = [mean.shape, factor.shape]
        if low_rank is not None:
            grids.append(low_rank.columns[:, 0].shape)
        if len({tuple(g) for g in grids}) > 1:
            raise ValueError(
                "Mean, factor and low-rank columns must share one shape (B, 3, Z, Y, X), got "
                + ", ".join(str(tuple(g)) for g in grids)
                + "."
            )
        self.mean, self.factor, self.low_rank = mean, factor, low_rank
        self._cache = {}

    @property
    def rank(self) -> int:
        """Columns of R, 0 without a low-rank part."""
        return 0 if self.low_rank is None else self.low_rank.rank

    @property
    def dimension(self) -> int:
        """3 Nv, the length of Z as a vector."""
        return self.mean[0].numel()

    def noise(self, seeds: Sequence[int]) -> Noise:
        """White noise of one sample a seed, for each of the B distributions.

        A sample depends on its own seed alone, so it can be drawn again, in any company: only seeds
        need keeping.
        """
        batch, like = self.mean.shape[0], {"dtype": self.mean.dtype, "device": self.mean.device}
        local = torch.empty(batch, len(seeds), *self.mean.shape[1:], **like)
        global_ = torch.empty(batch, len(seeds), self.rank, **like)
        for i, seed in enumerate(seeds):
            generator = torch_generator(seed, "white noise", device=self.mean.device)
            global_[:, i] = torch.randn(batch, self.rank, generator=generator, **like)
            local[:, i] = torch.randn(self.mean.shape, generator=generator, **like)
        return Noise(local, global_)

    def sample(self, noise: Noise) -> Tensor:
        """Z = mean + R noise.global_ + L^-T noise.local (Eq. 4), shape (B, N, 3, Z, Y, X).

        Differentiable in mean, L and R (reparameterisation).
        """
        fields = self.mean[:, None] + self.factor.transpose_solve(noise.local)
        return fields if self.rank == 0 else fields + self.low_rank.matmul(noise.global_)

    def log_prob(self, fields: Tensor) -> Tensor:
        """log q(Z) for fields (B, N, 3, Z, Y, X); (B, N), float64 (Eq. 9)."""
        k = self.factor.transpose_matmul(fields - self.mean[:, None])
        quadratic = squared_norm(k)
        if self.rank:
            quadratic = quadratic - self._explained(inner(k, self._whitened[0]))
        return -0.5 * (quadratic + self.logdet()[:, None] + self._log_2pi())

    def log_prob_of_noise(self, noise: Noise) -> Tensor:
        """log q(sample(noise)), from the noise alone: no field and no product with L is needed.

        Here k = local + S global_, so that only S^T local is new. (B, N), float64.
        """
        quadratic = squared_norm(noise.local)
        if self.rank:
            columns, cholesky = self._whitened
            e = noise.global_.double()
            s_local = inner(noise.local, columns)
            capacitance = cholesky @ cholesky.transpose(1, 2)
            s_s_e = e @ capacitance - e  # S^T S = M - I
            quadratic = quadratic + ((2 * s_local + s_s_e) * e).sum(-1)
            quadratic = quadratic - self._explained(s_local + s_s_e)
        return -0.5 * (quadratic + self.logdet()[:, None] + self._log_2pi())

    def logdet(self) -> Tensor:
        """log det Sigma, (B,), float64 (Eq. 11)."""
        value = -2 * self.factor.logdet()
        if self.rank:
            cholesky = self._whitened[1]
            value = value + 2 * cholesky.diagonal(dim1=1, dim2=2).log().sum(-1)
        return value

    def entropy(self) -> Tensor:
        """Differential entropy 1/2 log det(2 pi e Sigma) in nats, (B,), float64."""
        return 0.5 * (self.logdet() + self._log_2pi() + self.dimension)

    def matmul(self, x: Tensor) -> Tensor:
        """Sigma x for x of shape (B, N, 3, Z, Y, X)."""
        y = self.factor.transpose_solve(self.factor.solve(x))
        if self.rank:
            y = y + self.low_rank.matmul(self.low_rank.transpose_matmul(x).to(x.dtype))
        return y

    transpose_matmul = matmul  # Sigma is symmetric

    def solve(self, x: Tensor) -> Tensor:
        """Sigma^-1 x for x of shape (B, N, 3, Z, Y, X)."""
        k = self.factor.transpose_matmul(x)
        if self.rank:
            columns, cholesky = self._whitened
            weights = torch.cholesky_solve(inner(k, columns).transpose(1, 2), cholesky)
            k = k - LowRank(columns).matmul(weights.transpose(1, 2).to(k.dtype))
        return self.factor.matmul(k)

    transpose_solve = solve

    @property
    def _whitened(self) -> tuple[Tensor, Tensor]:
        """S = L^T R as (B, r, 3, Z, Y, X), and the Cholesky factor of M = I + S^T S; kept."""
        key = torch.is_grad_enabled()  # what was computed without gradients must not hide them
        if key not in self._cache:
            columns = self.factor.transpose_matmul(self.low_rank.columns)
            eye = torch.eye(self.rank, dtype=torch.float64, device=columns.device)
            self._cache[key] = columns, torch.linalg.cholesky(eye + inner(columns, columns))
        return self._cache[key]

    def _explained(self, projected: Tensor) -> Tensor:
        """(S^T k)^T M^-1 (S^T k) for S^T k of shape (B, N, r)."""
        half = torch.linalg.solve_triangular(
            self._whitened[1], projected.transpose(1, 2), upper=False
        )
        return half.square().sum(1)

    def _log_2pi(self) -> float:
        return self.dimension * math.log(2 * math.pi)
