"""Image pairs with known truth: a known warp, and noise or an occlusion in the fixed image.

For the benchmarks of learned methods, and for tests.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from UncertainRegLib.networks.upsample import upsample_cubic
from UncertainRegLib.networks.warp import warp
from UncertainRegLib.randomness import torch_generator
from UncertainRegLib.training.synthetic import Pair

OCCLUDERS = ("dark", "bright", "textured")


@dataclass(frozen=True)
class KnownPair(Pair):
    """A pair and its truth.

    Attributes:
        displacement: (1, 3, Z, Y, X) in voxels, fixed to moving points, channel c along axis c.
        noise_sd: (1, 1, Z, Y, X), standard deviation of the noise in the fixed image.
        occluded: (1, 1, Z, Y, X), where the fixed image shows something else.
    """

    displacement: Tensor | None = None
    noise_sd: Tensor | None = None
    occluded: Tensor | None = None


@dataclass(frozen=True)
class KnownPairs:
    """One image of a source, and the same image warped, spoilt on purpose.

    Attributes:
        images: source of images, has ``pair(seed, device)``: its moving images are taken.
        warp_voxels: standard deviation of the displacement; warp_detail: its control points.
        noise: smallest and largest standard deviation of the noise, which varies smoothly in
            space with ``noise_detail`` control points, in another way for each pair.
        occlusion: semi-axes of an ellipsoid, smallest and largest, voxels; None for none.
        occluder: what it shows: "dark" (a signal void, a cavity, a shadow), "bright" (contrast
            agent, metal), both with faint noise, or "textured": another place of the moving image,
            half an image away along every axis, so that no intensity gives it away.
    """

    images: object
    warp_voxels: float = 1.5
    warp_detail: int = 5
    noise: tuple[float, float] = (0.0, 0.0)
    noise_detail: int = 4
    occlusion: tuple[float, float] | None = None
    occluder: str = "dark"
    # what a model folder is told, as of `folder.FolderPairs`
    files, spacing_mm, intensity, axes = (), 1.0, "percentiles", None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) of the images."""
        return self.images.shape

    def __post_init__(self) -> None:
        if self.occluder not in OCCLUDERS:
            raise ValueError(f"The occluder is one of {', '.join(OCCLUDERS)}, not {self.occluder}.")

    def record(self) -> dict:
        """What a checkpoint records about its pairs."""
        known = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "images"}
        return {**self.images.record(), "known": known}

    def pair(self, seed: int, device: str = "cpu") -> KnownPair:
        """The pair of a seed."""
        g = torch_generator(seed, "known warp")
        moving = self.images.pair(seed).moving
        shape = tuple(moving.shape[2:])
        displacement = self.warp_voxels * _smooth(3, self.warp_detail, shape, g)
        displacement = displacement * torch.tensor([n > 1 for n in shape]).view(1, 3, 1, 1, 1)
        fixed = warp(moving, displacement, "border")
        low, high = self.noise
        noise_sd = low + (high - low) * torch.sigmoid(3 * _smooth(1, self.noise_detail, shape, g))
        fixed = fixed + noise_sd * torch.randn(fixed.shape, generator=g)
        occluded = torch.zeros(fixed.shape, dtype=torch.bool)
        if self.occlusion is not None:
            occluded = _ellipsoid(shape, self.occlusion, g)
            fixed = torch.where(occluded, self._occluder(moving, g), fixed)
        return KnownPair(
            *(
                None if a is None else a.to(device)
                for a in (moving, fixed, None, None, None, displacement, noise_sd, occluded)
            )
        )

    def _occluder(self, moving: Tensor, g: Generator) -> Tensor:
        """The image that an occlusion shows."""
        faint = 0.03 * torch.rand(moving.shape, generator=g)
        if self.occluder == "textured":
            shifts = [n // 2 for n in moving.shape[2:]]
            return moving.roll(shifts, (2, 3, 4))
        return 0.97 + faint if self.occluder == "bright" else faint


def _smooth(channels: int, points: int, shape: tuple[int, ...], g: Generator) -> Tensor:
    """Smooth random maps of about unit variance, (1, channels, Z, Y, X)."""
    return upsample_cubic(torch.randn(1, channels, points, points, points, generator=g), shape)


def _ellipsoid(shape: tuple[int, ...], sizes: tuple[float, float], g: Generator) -> Tensor:
    """A random ellipsoid inside the image, (1, 1, Z, Y, X) booleans."""
    distance = torch.zeros(shape)
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        size = sizes[0] + (sizes[1] - sizes[0]) * float(torch.rand(1, generator=g))
        centre = size + (n - 1 - 2 * size) * float(torch.rand(1, generator=g))
        line = ((torch.arange(n) - centre) / size).square()
        distance = distance + line.view([-1 if a == axis else 1 for a in range(3)])
    return (distance < 1)[None, None]
