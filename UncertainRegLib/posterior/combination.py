"""The members of an ensemble as one prediction with its uncertainty.

Gong et al., "Uncertainty Learning towards Unsupervised Deformable Medical Image Registration",
WACV 2022.
"""

from __future__ import annotations

from ..geometry.arrays import Array


def ensemble_moments(members: Array) -> tuple[Array, Array]:
    """Mean and variance over the first axis, the members (Eq. 7: divided by N)."""
    mean = members.mean(0)
    return mean, ((members - mean) ** 2).mean(0)


def combine(
    memberships: Array, scales: Array | None = None, laplace_variance: bool = False
) -> tuple[Array, Array]:
    """The Bayesian combination of an ensemble, Eq. 9, in label space: Ŝ and u.

    u² = mean over n of (Ŝ - Ŝ_n)² + u_n². The paper adds the variance of the flow to the scale of
    the labels; here both are of the labels.

    Args:
        memberships: Ŝ_n, (N, ...), numpy or torch.
        scales: u_n of the same shape, or None for members that predict none.
        laplace_variance: add 2 u_n², the variance of a Laplace distribution of scale u_n, instead
            of the paper's u_n².

    Returns:
        Ŝ and u, without the first axis.
    """
    mean, variance = ensemble_moments(memberships)
    if scales is not None:
        variance = variance + (2 if laplace_variance else 1) * (scales**2).mean(0)
    return mean, variance**0.5
