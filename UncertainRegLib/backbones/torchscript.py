"""Bring your own: a TorchScript network, described by a manifest."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Grid, Image
from ..geometry.image import mask_of
from ..geometry.volume import MAX_VOXELS
from ..randomness import torch_seeded
from .facts import Facts
from .linear import affine_alignment
from .manifest import Manifest, read_manifest
from .network_file import last_words, load_network
from .prepare import PERCENTILES
from .working_grid import axes_of, field_from_voxels, reordered, trained_grid

MUCH = 0.1  # of an image beyond the window of intensities: worth a word


def class_of(path: str) -> type[TorchScript]:
    """The backbone class of a manifest file (.json).

    Raises:
        ValueError: the manifest cannot be used; the sentence says why.
    """
    manifest = read_manifest(path)
    shape = "x".join(map(str, manifest.shape)) if manifest.shape else "its own shape"
    facts = Facts(
        name=manifest.name,
        title=manifest.title or manifest.name,
        anatomy=manifest.anatomy,
        modality=manifest.modality,
        needs_affine=manifest.needs_affine,
        stochastic=manifest.stochastic,
        code_licence=manifest.licence,
        packages={"torch": "torch"},
        outside=manifest.outside,
        working_grid=f"{shape}, {manifest.spacing_mm or 'any'} mm",
    )
    return make_dataclass(
        "OwnNetwork",
        [("affine", bool, field(default=manifest.needs_affine))],
        bases=(TorchScript,),
        namespace={"manifest": manifest, "facts": facts},
    )


@dataclass
class TorchScript(Backbone):
    """A custom network (TorchScript); ``class_of`` makes the class of a manifest.

    Attributes:
        affine: estimate an affine map first; the manifest's ``needs_affine`` unless set.
        seed: of what it draws; calls in the same order give the same fields.
        device: "cpu" or a torch device.
        notes: what had to be decided about the images last prepared, in sentences.
    """

    affine: bool = False
    seed: int = 1
    device: str = "cpu"

    learned = True
    manifest: ClassVar[Manifest]  # this and facts made of it are set by ``class_of``

    def __post_init__(self) -> None:
        self.notes: list[str] = []

    @cached_property
    def network(self):
        """The loaded network, a function of tensors."""
        return load_network(self.manifest.network, self.device)

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on the network's grids, with its intensities, on the device.

        Raises:
            ValueError: the network cannot be read, an image has no contrast within the window of
                the manifest, or would need too many voxels.
        """
        self.network  # noqa: B018  a damaged file is reported before any work
        self.notes = []
        grids = self._grids(fixed, moving)
        images = []
        for name, image, grid in zip(("fixed", "moving"), (fixed, moving), grids):
            scaled = Image(self._scaled(name, image), image.grid, image.mask)
            images.append(
                scaled.resample(grid, outside=self.manifest.outside).to_torch(self.device)
            )
        return tuple(images)

    def _scaled(self, name: str, image: Image) -> np.ndarray:
        """(Z, Y, X) in [0, 1], 0 outside the mask; what is cut off is noted or refused."""
        low, high = self._window(image)
        values = image.array[mask_of(image)]
        least, most = float(values.min()), float(values.max())
        if least >= high or most <= low:
            raise ValueError(
                f"The {name} image ({least:g} to {most:g}) has no contrast within 'intensity' "
                f"[{low:g}, {high:g}] of the manifest of {self.manifest.name}; state the window "
                "that the network was trained with, or scale the image."
            )
        share = float((values > high).mean())
        if share > MUCH:
            self.notes.append(
                f"{share:.0%} of the {name} image are above 'intensity' "
                f"[{low:g}, {high:g}] of the manifest and were cut off at {high:g}."
            )
        if most - least < MUCH * (high - low):
            self.notes.append(
                f"The {name} image ({least:g} to {most:g}) fills little of "
                f"'intensity' [{low:g}, {high:g}] of the manifest: the network sees "
                "next to no contrast."
            )
        array = (np.clip(image.array, low, high) - low) / max(high - low, 1e-6)
        return (array * mask_of(image)).astype(np.float32)

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
            grids = [reordered(image, reference).grid.resized(m.shape) for image in (fixed, moving)]
        else:
            shape = m.shape
            if shape is None:
                turned = reordered(fixed, trained_grid(fixed, (1, 1, 1), 1.0, axes)).grid
                needed = turned.extent_mm[::-1] / (m.spacing_mm * m.multiple)
                shape = tuple(np.ceil(needed - 1e-6).astype(int) * m.multiple)
                if np.prod([float(size) for size in shape]) > MAX_VOXELS:
                    raise ValueError(
                        f"At 'spacing_mm' {m.spacing_mm:g} of the manifest of "
                        f"{m.name} the fixed image has {' x '.join(map(str, shape))} "
                        "voxels, more than 1024^3; crop the images."
                    )
            grids = [trained_grid(fixed, shape, m.spacing_mm, axes)] * 2
        if self.affine:
            start = affine_alignment(fixed, moving)
            grids[1] = Grid(grids[0].shape, start @ grids[0].affine)
        return tuple(grids)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image.

        Raises:
            RuntimeError: the network fails, with its own words.
            ValueError: what it returns is not a displacement as the manifest describes it.
        """
        voxels = self._voxels(self._chosen(self._answer(fixed, moving)), moving)
        return field_from_voxels(voxels, fixed.grid, moving.grid)

    def _answer(self, fixed: Image, moving: Image):
        """Whatever the network returns."""
        import torch

        m = self.manifest
        # copies: a network may change its inputs in place, and they are registered many times
        tensors = {"fixed": fixed.array[None, None].clone()}
        tensors["moving"] = moving.array[None, None].clone()
        arguments = [tensors[name] for name in m.inputs]
        if m.joined:
            arguments = [torch.cat(arguments, 1)]
        self.calls += 1
        try:
            with torch.no_grad(), torch_seeded(self.seed, "draw", self.stream, self.calls):
                return self.network(*arguments)
        except Exception as error:  # a network is foreign code: it may raise anything
            shapes = " and ".join(str(tuple(tensor.shape)) for tensor in arguments)
            raise RuntimeError(
                f"The network of {m.name} fails when it is called with "
                f"{'one tensor' if m.joined else 'two tensors'} {shapes}: "
                f"{last_words(error)}."
            ) from error

    def _chosen(self, out):
        """The tensor that is the displacement."""
        import torch

        m = self.manifest
        if isinstance(out, (tuple, list)):
            if m.output >= len(out):
                raise ValueError(
                    f"The network of {m.name} returns {len(out)} outputs, so 'output' "
                    f"{m.output} of its manifest does not exist; the first is 0."
                )
            out = out[m.output]
        elif m.output:
            raise ValueError(
                f"The network of {m.name} returns one output, so 'output' {m.output} "
                "of its manifest does not exist; state 0."
            )
        if not isinstance(out, torch.Tensor):
            raise ValueError(
                f"The network of {m.name} returns a {type(out).__name__} as its "
                "displacement; it must be a tensor, alone or in a tuple (see "
                "'output')."
            )
        if not out.is_floating_point():
            raise ValueError(
                f"The network of {m.name} returns a displacement of {out.dtype}; it "
                "must be of floating point."
            )
        return out

    def _voxels(self, out, moving: Image):
        """Network output to (Z, Y, X, 3) voxels along the array axes."""
        m, grid = self.manifest, moving.grid
        if tuple(out.shape) == (1, 3, *grid.shape):
            voxels = out[0].permute(1, 2, 3, 0)
        elif tuple(out.shape) == (1, *grid.shape, 3):
            voxels = out[0]
        else:
            size = ", ".join(map(str, grid.shape))
            raise ValueError(
                f"The network of {m.name} returns a displacement of shape "
                f"{tuple(out.shape)}; it must be (1, 3, {size}) or (1, {size}, 3) "
                "(see 'output' where it has several)."
            )
        if voxels.device != moving.array.device:
            raise ValueError(
                f"The network of {m.name} returns its displacement on "
                f"{voxels.device}, for images on {moving.array.device}; a device is "
                "written into its program: export it on the CPU, with tensors made on "
                "the device of its inputs."
            )
        voxels = voxels.float()
        share = 1 - float(voxels.isfinite().all(-1).float().mean())
        if share > 0:
            raise ValueError(
                f"The network of {m.name} returns values that are not finite (NaN or "
                f"infinite) in {100 * share:.3g} % of the voxels."
            )
        if m.channels == "reversed":
            voxels = voxels.flip(-1)
        if m.units == "mm":
            return voxels / voxels.new_tensor(grid.spacing[::-1].copy())
        if m.units == "half-extents":
            return voxels * voxels.new_tensor([(size - 1) / 2 for size in grid.shape])
        return voxels
