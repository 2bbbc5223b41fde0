"""Bring your own: a TorchScript or exported network, described by a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry import DisplacementField, Grid, Image
from ..geometry.image import mask_of
from ..randomness import torch_seeded
from .facts import Facts
from .linear import affine_alignment
from .manifest import read_manifest
from .prepare import PERCENTILES
from .working_grid import axes_of, field_from_voxels, reordered, trained_grid


def class_of(path: str):
    """The backbone class of a manifest file (.json).

    Raises:
        ValueError: the manifest cannot be used; the sentence says why.
    """
    manifest = read_manifest(path)
    shape = "x".join(map(str, manifest.shape)) if manifest.shape else "its own shape"
    facts = Facts(
        name=manifest.name, title=manifest.title or manifest.name, anatomy=manifest.anatomy,
        modality=manifest.modality, needs_affine=manifest.needs_affine,
        stochastic=manifest.stochastic, code_licence=manifest.licence, packages=("torch",),
        outside=manifest.outside, working_grid=f"{shape}, {manifest.spacing_mm or 'any'} mm",
    )
    return type("OwnNetwork", (TorchScript,), {"manifest": manifest, "facts": facts})


@dataclass
class TorchScript:
    """A network of one's own; ``class_of`` makes the class of a manifest.

    Attributes:
        seed: of what it draws; calls in the same order give the same fields.
        device: "cpu" or a torch device.
    """

    seed: int = 1
    device: str = "cpu"
    stream = calls = 0  # which sampling draws, and how often it did

    manifest = None  # a Manifest, and Facts made of it: set by ``class_of``
    facts = None

    @cached_property
    def network(self):
        """The loaded network, a function of tensors."""
        import torch

        path = self.manifest.network
        try:
            if path.endswith(".pt2"):
                return torch.export.load(path).module().to(self.device)
            return torch.jit.load(path, map_location=self.device).eval()
        except (RuntimeError, ValueError, OSError) as error:
            raise ValueError(f"{path} is not a TorchScript (.pt) or exported (.pt2) network: "
                             f"{str(error).splitlines()[0]}") from error

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on the network's grids, with its intensities, on the device."""
        self.network  # noqa: B018  a damaged file is reported before any work
        grids = self._grids(fixed, moving)
        images = []
        for image, grid in zip((fixed, moving), grids):
            low, high = self._window(image)
            array = (np.clip(image.array, low, high) - low) / max(high - low, 1e-6)
            scaled = Image((array * mask_of(image)).astype(np.float32), image.grid, image.mask)
            images.append(scaled.resample(grid, outside=self.manifest.outside)
                          .to_torch(self.device))
        return tuple(images)

    def _window(self, image: Image) -> tuple[float, float]:
        rule = self.manifest.intensity
        if rule == "min-max":
            return float(image.array.min()), float(image.array.max())
        if rule == "percentiles":
            return tuple(np.percentile(image.array[mask_of(image)], PERCENTILES))
        return rule

    def _grids(self, fixed: Image, moving: Image) -> tuple[Grid, Grid]:
        m = self.manifest
        axes = m.axes or axes_of(fixed.grid)
        if m.spacing_mm is None:  # each image's own field of view
            reference = trained_grid(fixed, m.shape, 1.0, axes)
            grids = [reordered(image, reference).grid.resized(m.shape)
                     for image in (fixed, moving)]
        else:
            shape = m.shape
            if shape is None:
                turned = reordered(fixed, trained_grid(fixed, (1, 1, 1), 1.0, axes)).grid
                needed = turned.extent_mm[::-1] / (m.spacing_mm * m.multiple)
                shape = tuple(np.ceil(needed - 1e-6).astype(int) * m.multiple)
            grids = [trained_grid(fixed, shape, m.spacing_mm, axes)] * 2
        if m.needs_affine:
            start = affine_alignment(fixed, moving)
            grids[1] = Grid(grids[0].shape, start @ grids[0].affine)
        return tuple(grids)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        import torch

        m = self.manifest
        tensors = {"fixed": fixed.array[None, None], "moving": moving.array[None, None]}
        arguments = [tensors[name] for name in m.inputs]
        self.calls += 1
        with torch.no_grad(), torch_seeded(self.seed, "draw", self.stream, self.calls):
            out = self.network(torch.cat(arguments, 1)) if m.joined else self.network(*arguments)
        if isinstance(out, (tuple, list)):
            if m.output >= len(out):
                raise ValueError(f"{m.name} has {len(out)} outputs, so 'output' {m.output} of its "
                                 "manifest does not exist.")
            out = out[m.output]
        voxels = self._voxels(out, moving.grid)
        return field_from_voxels(voxels, fixed.grid, moving.grid)

    def _voxels(self, out, grid: Grid):
        """Network output to (Z, Y, X, 3) voxels along the array axes."""
        if tuple(out.shape) == (1, 3, *grid.shape):
            voxels = out[0].permute(1, 2, 3, 0)
        elif tuple(out.shape) == (1, *grid.shape, 3):
            voxels = out[0]
        else:
            raise ValueError(f"{self.manifest.name} returned a tensor of shape "
                             f"{tuple(out.shape)}, not (1, 3, {', '.join(map(str, grid.shape))}) "
                             "or the same with the components last.")
        voxels = voxels.float()
        if self.manifest.channels == "reversed":
            voxels = voxels.flip(-1)
        if self.manifest.units == "mm":
            return voxels / voxels.new_tensor(grid.spacing[::-1].copy())
        if self.manifest.units == "half-extents":
            return voxels * voxels.new_tensor([(size - 1) / 2 for size in grid.shape])
        return voxels
