"""Image pairs made on the fly: random label maps, random contrasts, smooth random warps.

The idea is that of Hoffmann et al., "SynthMorph", IEEE TMI 2022: a network that never saw an
anatomy cannot lean on one. Both images of a pair share their contrast (mono-modal), up to a gain, a
bias field and noise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool3d

from ..networks.upsample import upsample_cubic
from ..networks.warp import warp
from ..randomness import torch_generator


@dataclass(frozen=True)
class Pair:
    """Two images (1, 1, Z, Y, X) in [0, 1], and their labels (1, 1, Z, Y, X) or None.

    Attributes:
        inside: booleans (1, 1, Z, Y, X), where neither is padded; None: everywhere.
    """

    moving: Tensor
    fixed: Tensor
    moving_labels: Tensor | None = None
    fixed_labels: Tensor | None = None
    inside: Tensor | None = None


@dataclass(frozen=True)
class SyntheticPairs:
    """Random pairs of one size.

    Attributes:
        shape: (Z, Y, X), multiples of 8, or (1, Y, X) for 2-D images.
        labels: regions of a label map; one of them is background at intensity 0.
        detail: control points per axis of the fields that make the regions.
        warp_voxels: standard deviation of the displacement between the images, voxels.
        warp_detail: its control points per axis.
        noise: standard deviation of the intensity noise.
    """

    shape: tuple[int, int, int] = (48, 64, 48)
    labels: int = 12
    detail: int = 6
    warp_voxels: float = 2.0
    warp_detail: int = 5
    noise: float = 0.03
    # what a model folder is told, as of `folder.FolderPairs`
    files, spacing_mm, intensity, axes = (), 1.0, "percentiles", None

    def pair(self, seed: int, device: str = "cpu") -> Pair:
        """The pair of a seed; the same one on every machine with the same torch."""
        g = torch_generator(seed, "synthetic images")
        regions = self._smooth(self.labels, self.detail, g)
        body = self._smooth(1, 3, g)[0]
        contrast = torch.rand(self.labels, generator=g) * 0.85 + 0.15
        labels, moved = [], []
        for _ in range(2):  # each image bends the same regions in its own way
            bend = self._smooth(3, self.warp_detail, g)[None] * self.warp_voxels / 2**0.5
            stack = torch.cat((regions, body[None]))[None]
            moved = warp(stack, bend, "border")[0]
            label = moved[:-1].argmax(0) + 1
            labels.append(torch.where(moved[-1] > -0.5, label, 0))
        images = [self._image(label, contrast, g) for label in labels]
        tensors = [a[None, None].to(device) for a in (*images, *labels)]
        return Pair(*tensors)

    def record(self) -> dict:
        """What a checkpoint records about its pairs."""
        settings = asdict(self)
        return {"shape": settings.pop("shape"), "images": {"synthetic": settings}}

    def _image(self, label: Tensor, contrast: Tensor, g: Generator) -> Tensor:
        image = torch.cat((torch.zeros(1), contrast))[label]
        size = [min(3, n) for n in self.shape]  # of the window: partial volume
        image = avg_pool3d(image[None, None], size, 1, [n // 2 for n in size])[0, 0]
        gain = 1 + 0.1 * self._smooth(1, 3, g)[0]
        noise = self.noise * torch.randn(self.shape, generator=g)
        return (image * gain + noise).clamp(0, 1)

    def _smooth(self, channels: int, points: int, g: Generator) -> Tensor:
        """Smooth random fields of about unit variance, (channels, Z, Y, X)."""
        coarse = torch.randn(channels, points, points, points, generator=g)
        return upsample_cubic(coarse, self.shape)
