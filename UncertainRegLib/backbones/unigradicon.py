"""uniGradICON and multiGradICON: registration of any anatomy, CT or MRI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from ..geometry.image import mask_of
from .brain_network import fields_of, ready, stacked
from .facts import Facts, Weights
from .prepare import are_ct
from .weights import checked_path
from .working_grid import reordered

RELEASES = "https://github.com/uncbiag/uniGradICON/releases/download"
SHAPE = (175, 175, 175)


@dataclass
class UniGradICON(Backbone):
    """Tian et al., MICCAI 2024, without instance optimisation: one pass of the network.

    Attributes:
        modality: "ct" (Hounsfield units, clipped to −1000 … 1000), "mri" (minimum to the 99th
            percentile), or "auto".
        weights: file of weights (.trch), instead of the store's.
        device: "cpu" or a torch device.
    """

    modality: str = "auto"
    weights: str = ""
    device: str = "cpu"

    learned = True
    place = 4
    facts = Facts(
        name="unigradicon",
        title="uniGradICON",
        anatomy="lung, brain, knee, abdomen and others",
        modality="CT or MRI, the same in both images",
        packages={"torch": "torch"},
        weights=Weights(
            "unigradicon/Step_2_final.trch",
            f"{RELEASES}/unigradicon_weights/Step_2_final.trch",
            283_000_000,
            "",
            "Apache-2.0",
        ),
        working_grid="175 x 175 x 175 voxels over each image's own field of view",
    )

    def __post_init__(self) -> None:
        if self.modality not in ("auto", "ct", "mri"):
            raise ValueError(
                f"The modality of {self.facts.title} is 'auto', 'ct' or 'mri', not "
                f"{self.modality!r}."
            )

    @cached_property
    def network(self):
        """The loaded torch module."""
        from ..networks.checkpoint import naming, read_state
        from ..networks.unigradicon import UniGradICON as Network

        network = Network()
        path = self.weights or checked_path(self.facts.weights)
        state = read_state(path)
        with naming(path):
            network.load_published(state)
        return ready(network, self.device)

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images resized to 175^3 over their own fields of view, in [0, 1], on the device.

        The axes of the moving image are first swapped and flipped to run like the fixed ones:
        the network compares arrays and knows nothing of orientation.
        """
        self.network  # noqa: B018  missing weights are reported before any work
        images = fixed, reordered(moving, fixed.grid)
        ct = are_ct(*images) if self.modality == "auto" else (self.modality == "ct",) * 2
        return tuple(_resized(*each, self.device) for each in zip(images, ct))

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        return self.register_many(fixed, [moving])[0]

    def register_many(self, fixed: Image, moving: Sequence[Image]) -> list[DisplacementField]:
        """`register` in one pass."""
        import torch

        from ..memory import release_freed_memory

        with torch.inference_mode():
            voxels = self.network(*stacked(moving, fixed))
        release_freed_memory()
        return fields_of(voxels, fixed, moving)


class MultiGradICON(UniGradICON):
    """Demir et al., WBIR 2024: the same network, also trained across modalities."""

    place = 5
    facts = Facts(
        name="multigradicon",
        title="multiGradICON",
        anatomy=UniGradICON.facts.anatomy,
        modality="CT and MRI sequences, also different ones",
        packages={"torch": "torch"},
        weights=Weights(
            "multigradicon/Step_2_final.trch",
            f"{RELEASES}/multigradicon_weights/Step_2_final.trch",
            283_000_000,
            "",
            "Apache-2.0",
        ),
        working_grid=UniGradICON.facts.working_grid,
    )


def _resized(image: Image, is_ct: bool, device: str) -> Image:
    """On the network's grid, scaled as in its training: Hounsfield units, or up to the 99th
    percentile."""
    array = image.array.astype(np.float32)
    low, high = -1000.0, 1000.0
    if not is_ct:
        values = array.ravel()
        rank = max(int(0.99 * values.size) - 1, 0)
        low, high = float(values.min()), float(np.partition(values, rank)[rank])
    scaled = (np.clip(array, low, high) - low) / max(high - low, 1e-6)
    scaled = Image((scaled * mask_of(image)).astype(np.float32), image.grid, image.mask)
    # As a torch tensor it is interpolated without smoothing, which is how the network was trained.
    return scaled.to_torch(device).resample(image.grid.resized(SHAPE))
