"""Options that say how a displacement network is built."""

from __future__ import annotations

from argparse import ArgumentTypeError

from .options import count, count_or_none

SIZES = ("small", "published")


def add_network(train) -> None:
    """Widths, integration, resolution."""
    train.add_argument(
        "--widths",
        type=widths,
        default="small",
        help="of the networks: small, published (as the authors of the backbone have them), or "
        "those of the encoder and the decoder of a U-Net, as 16,32,32,32/32,32,32,32,32,16,16 "
        "[small]",
    )
    train.add_argument(
        "--integration-steps",
        type=count_or_none,
        default=0,
        help="squarings that integrate the output as a velocity; VoxelMorph has 7 "
        "[0: it is the displacement]",
    )
    train.add_argument(
        "--downsize",
        type=count,
        default=1,
        help="integrate at 1 / so much of the resolution; VoxelMorph has 2 [1]",
    )
    train.add_argument(
        "--blocks",
        type=int,
        default=1,
        choices=(1, 2),
        help="2: the network sees blocks of voxels, eight times faster [1]",
    )


def widths(text: str) -> str | tuple[tuple[int, ...], tuple[int, ...]]:
    """A name, or the widths of encoder and decoder (argparse type)."""
    if text in SIZES:
        return text
    try:
        encoder, decoder = (tuple(int(n) for n in part.split(",")) for part in text.split("/"))
    except ValueError:
        encoder, decoder = (), ()
    if not encoder or min((*encoder, *decoder)) < 1 or len(decoder) <= len(encoder):
        raise ArgumentTypeError(
            f"{text!r} is none of {', '.join(SIZES)}, nor two lists of widths with commas, joined "
            "by a slash, the second (the decoder) longer"
        )
    return encoder, decoder


def dimensions(options) -> int:
    """2 for images of one slice, else 3."""
    return 2 if options.shape[0] == 1 else 3


def network_settings(options) -> dict:
    """Settings of the displacement network that were asked for, see `displacement_net`."""
    from ..training.published import PUBLISHED

    found = {
        "backbone": options.backbone,
        "int_steps": options.integration_steps,
        "downsize": options.downsize,
    }
    if options.blocks != 1:
        found["blocks"] = options.blocks
    if options.widths == "published":
        found |= PUBLISHED[options.backbone](dimensions(options))
    elif options.widths != "small":
        if options.backbone == "transmorph":
            raise ValueError("TransMorph has no U-Net whose widths could be given.")
        found |= unet_settings(options)
    return found


def unet_settings(options) -> dict:
    """Settings of the U-Net that makes a map beside it, see `UNet`."""
    from ..training.published import VOXELMORPH

    if options.widths == "small":
        return {}
    if options.widths == "published":
        return dict(VOXELMORPH)
    return dict(zip(("encoder", "decoder"), options.widths))
