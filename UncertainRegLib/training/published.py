"""The sizes of networks as their authors published them, beside the small ones of this library."""

from __future__ import annotations

# Balakrishnan et al., TMI 2019, and every release of voxelmorph since: 327,331 weights in 3-D. The
# authors of the heteroscedastic loss and of AdaCS give their second U-Net the same widths.
VOXELMORPH = {"encoder": (16, 32, 32, 32), "decoder": (32, 32, 32, 32, 32, 16, 16)}


def voxelmorph(ndim: int) -> dict:
    """Settings of `DisplacementNet`."""
    return dict(VOXELMORPH)


def transmorph(ndim: int) -> dict:
    """Settings of `DisplacementNet`: Chen et al., MedIA 2022, 46.8 M weights in 3-D. In 2-D the
    window is that of the slice."""
    return {
        "transmorph": {
            "channels": 96,
            "depths": (2, 2, 4, 2),
            "heads": (4, 4, 8, 8),
            "window": (5, 6, 7) if ndim == 3 else (1, 6, 7),
        }
    }


def diffusemorph(ndim: int) -> dict:
    """Settings of `DiffuseMorph`: Kim, Han and Ye, ECCV 2022. Theirs halves the resolution of the
    displacement network by strided convolutions, and has a further one of 8 channels before the
    last level."""
    return {"encoder": (16, 32, 32, 32), "decoder": (32, 32, 32, 32, 8), "diffusion_channels": 8}


PUBLISHED = {"voxelmorph": voxelmorph, "transmorph": transmorph, "diffusemorph": diffusemorph}
