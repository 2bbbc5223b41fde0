"""One registration, beside the maps that its network predicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..contracts import Backbone, Sampler
from ..geometry import Image
from .sample import Sample


@dataclass(frozen=True)
class Predictive(Sampler):
    """The registration itself is the only sample: what is uncertain, the network says in its maps.

    Predictive uncertainty (Gong et al., WACV 2022), image noise (Zhang et al., MICCAI 2024) and
    correspondence scores (Zhang et al., ECCV 2024): see ``backbones.trained``.

    Attributes:
        backbone: a model with ``maps`` (``facts.methods`` says which).
    """

    backbone: Backbone
    at_most = 1

    name, title, place = "predictive", "Predictive", 5
    tip = (
        "One registration; its map is the error of the structures' outlines that the network "
        "itself expects."
    )
    trained_by = "`train predictive`"

    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time, from the time of one registration."""
        return register_s

    def sample(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Sample]:
        """The registration of two prepared images."""
        started = perf_counter()
        yield Sample(
            self.backbone.register(fixed, moving), facts={"seconds": perf_counter() - started}
        )


class ImageNoise(Predictive):
    """`Predictive`, of a model that was trained to predict the noise of the images."""

    name, title, place = "image-noise", "Image noise", 6
    tip = "One registration; its map is the noise that the network finds in the images."
    trained_by = "`train heteroscedastic`"


class CorrespondenceScore(Predictive):
    """`Predictive`, of a model that was trained to score correspondence."""

    name, title, place = "correspondence-score", "Correspondence score", 7
    tip = "One registration; its map is low where nothing is found that corresponds."
    trained_by = "`train adacs`"
