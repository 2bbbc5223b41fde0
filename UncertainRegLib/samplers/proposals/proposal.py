"""A Gaussian over displacements of a pair, from which structured SIR draws its proposals."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from ...geometry import DisplacementField, Grid, Image, compose, warp
from ...geometry.arrays import as_like

if TYPE_CHECKING:  # torch is imported where it is used
    from torch import Tensor

    from ...gaussian import StructuredGaussian
    from ...networks.target import RegistrationTarget


VOXEL_WINDOW = 5  # voxels of the grid of Z, about: of the correlation that weighs a voxel


@dataclass(frozen=True)
class Proposal:
    """q(Z), with what turns Z into a registration and what weighs it.

    Attributes:
        gaussian: a ``StructuredGaussian`` over Z, B = 1, in voxels of ``grid``; channel c is the
            displacement along array axis c. None as long as only the geometry is needed.
        grid: where Z lives, in the fixed space.
        start: a registration that Z is added to: phi(x) = start(x + Z(x)); None: phi(x) = x + Z(x).
            Its grid and ``grid`` have one field of view.
        images: the grid, of the same field of view, on which the images are compared; None:
            ``grid``.
        sigma, smoothness: of the density that weighs fields Z, see
            `networks.target.RegistrationTarget`; whatever makes the proposal uses the same.
        sigma_alpha: spread of the log-weights in the training of the network, its moving average;
            None where there is none.
        of_all: facts of how it was made, for the record of its samples.
    """

    gaussian: StructuredGaussian | None
    grid: Grid
    start: DisplacementField | None = None
    images: Grid | None = None
    sigma: float = 0.5
    smoothness: float = 4.0
    sigma_alpha: float | None = None
    of_all: dict = field(default_factory=dict)

    def field(self, voxels: Tensor) -> DisplacementField:
        """The registration (mm LPS) of Z, (3, Z, Y, X) in voxels; on the grid of ``start`` and
        an array of its kind.

        Cubic interpolation brings Z to that grid, as in the paper: linear interpolation would draw
        a pattern into the disagreement, which is smaller between the voxels of Z.
        """
        from ...networks.upsample import upsample_cubic

        if self.start is not None:
            voxels = upsample_cubic(voxels, self.start.grid.shape)
        moved = np.moveaxis(voxels.cpu().numpy(), 0, -1)[..., ::-1]
        vectors = (moved @ self.grid.affine[:3, :3].T).astype(np.float32)
        if self.start is None:
            return DisplacementField(vectors, self.grid)
        z = DisplacementField(as_like(vectors, self.start.vectors), self.start.grid)
        return compose(self.start, z)

    def seen(self, moving: Image) -> Image:
        """The moving image that Z deforms: after ``start``; numpy."""
        moving = moving.to_numpy()
        return moving if self.start is None else warp(moving, self.start.to_numpy(), outside=None)

    def target(
        self, fixed: Image, moving: Image, device: str = "cpu", window: int = 9
    ) -> RegistrationTarget:
        """The density that weighs fields Z, for two prepared images.

        The fixed image is resampled to the grid ``images``; the moving image keeps its own grid,
        coarsened with smoothing where it is much finer.

        Args:
            window: edge of the windows of the correlation, voxels of ``images``.
        """
        import torch

        from ...networks.target import RegistrationTarget

        grid = self.grid if self.images is None else self.images
        fixed = fixed.to_numpy().resample(grid)
        moving = self.seen(moving)
        spacing = float(np.cbrt(np.prod(grid.spacing)))
        if spacing > 1.2 * float(np.cbrt(np.prod(moving.grid.spacing))):
            moving = moving.resample(moving.grid.at_spacing(spacing))
        to_index = np.linalg.inv(moving.grid.affine) @ grid.affine
        unit = np.array([2 / max(n - 1, 1) for n in moving.grid.size])  # of grid_sample, per voxel
        start = grid.affine_points(to_index) * unit - 1
        of_z = np.linalg.inv(moving.grid.affine) @ self.grid.affine
        linear = (of_z[:3, :3] * unit[:, None])[:, ::-1]
        fixed, moving, start, linear = (
            torch.as_tensor(np.ascontiguousarray(a, np.float32), device=device)
            for a in (fixed.array, moving.array, start, linear)
        )
        return RegistrationTarget(
            fixed[None, None],
            moving[None, None],
            start,
            linear,
            sigma=self.sigma,
            smoothness=self.smoothness,
            window=window,
        )

    def voxel_window(self) -> int:
        """`VOXEL_WINDOW` in voxels of ``images``, an odd number."""
        grid = self.grid if self.images is None else self.images
        edge = round(VOXEL_WINDOW * max(grid.shape) / max(self.grid.shape))
        return edge - (edge % 2 == 0)


def check_target(sigma: float | None, smoothness: float | None) -> None:
    """Refuse a likelihood scale or a lambda that cannot be; None is left to someone else.

    Raises:
        ValueError: one cannot be.
    """
    for name, value, least in (
        ("sigma", sigma, "above 0"),
        ("smoothness", smoothness, "not negative"),
    ):
        number = isinstance(value, Real) and not isinstance(value, bool) and np.isfinite(value)
        if value is not None and not (number and (value > 0 or (value == 0 and name != "sigma"))):
            raise ValueError(f"Structured SIR: {name} is {value!r}; give a number that is {least}.")


def in_voxels(registration: DisplacementField, grid: Grid, device: str = "cpu") -> Tensor:
    """A displacement field as a tensor (3, Z, Y, X) in voxels of ``grid``."""
    import torch

    vectors = registration.to_numpy().resample(grid).vectors
    index = vectors @ np.linalg.inv(grid.affine[:3, :3]).T.astype(np.float32)
    return torch.as_tensor(np.moveaxis(index[..., ::-1], -1, 0).copy(), device=device)
