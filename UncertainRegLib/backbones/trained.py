"""Networks trained here: a model folder is a backbone like any other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Grid, Image
from ..geometry.arrays import labels_in
from ..geometry.image import mask_of
from ..randomness import torch_seeded
from ..results.maps import MAPS
from .facts import Facts
from .models import read_model, read_weights
from .prepare import PERCENTILES
from .working_grid import centred_grid, field_from_voxels

if TYPE_CHECKING:  # torch is imported where it is used
    from ..networks.displacement import Prediction

# The ways of asking for uncertainty that a kind of model was trained for, see samplers.registry
METHODS = {
    "bootstrap": ("ensemble",),
    "snapshot": ("ensemble",),
    "predictive": ("predictive",),
    "dropout": ("mc-dropout",),
    "heteroscedastic": ("image-noise",),
    "adacs": ("correspondence-score",),
}


class PredictedMap(NamedTuple):
    """A map that a network predicts, on the grid of the prepared fixed image."""

    image: Image
    unit: str
    meaning: str


def class_of(folder: Path) -> type[TrainedModel]:
    """The backbone class of a model folder.

    Raises:
        ValueError: the folder cannot be used; the sentence says why.
    """
    manifest = read_model(folder)
    if manifest["kind"] == "sir":
        raise ValueError(
            f"{folder} is a proposal network, no registration: use it with --method "
            f'sir --parameters \'{{"method": {{"weights": "{folder}"}}}}\'.'
        )
    made_of, grid = manifest["provenance"], manifest["grid"]
    name = folder.resolve().name
    shape = " x ".join(map(str, grid["shape"]))
    facts = Facts(
        name=name,
        title=made_of.get("title") or f"{name} ({manifest['kind']}, trained here)",
        anatomy=made_of.get("anatomy", "as in its training"),
        modality=made_of.get("modality", "as in its training"),
        stochastic=manifest["kind"] == "dropout",
        packages={"torch": "torch"},
        methods=_methods(manifest),
        working_grid=f"{shape} voxels of {grid['spacing_mm']:g} mm",
    )
    return type(
        "TrainedModel", (TrainedModel,), {"folder": folder, "manifest": manifest, "facts": facts}
    )


def _methods(manifest: dict) -> tuple[str, ...]:
    methods = METHODS.get(manifest["kind"], ())
    if manifest["network"].get("classes") and "predictive" not in methods:
        methods = (*methods, "predictive")
    return methods


@dataclass
class TrainedModel(Backbone):
    """A model folder; ``class_of`` makes its class.

    Attributes:
        seed: of dropout; calls in the same order give the same fields.
        device: "cpu" or a torch device.
    """

    seed: int = 1
    device: str = "cpu"

    learned = True
    folder: ClassVar[Path]  # these and facts made of them are set by ``class_of``
    manifest: ClassVar[dict]

    @cached_property
    def members(self) -> list:
        """The displacement networks, ready for use: one, or those of an ensemble."""
        from ..networks.diffusemorph import displacement_net

        settings = self.manifest["network"]
        if "displacement" in settings:  # beside another network that makes a map
            states = [self._weights["displacement"]]
            settings = settings["displacement"]
        else:
            states = list(self._weights.values())
        return [self._ready(displacement_net(**settings), state) for state in states]

    @cached_property
    def _weights(self) -> dict[str, dict]:
        return read_weights(self.folder, self.manifest)

    def _ready(self, network, state: dict):
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(
                f"The weights of {self.folder} do not fit its network: {error}"
            ) from error
        network = network.requires_grad_(False).to(self.device)
        return network.train(self.facts.stochastic)  # dropout is all that the mode changes

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images as in the training: scaled to [0, 1], each centred on a grid of its own."""
        self.members  # noqa: B018  damaged weights are reported before any work
        grid = self.manifest["grid"]
        images = []
        for image in (fixed, moving):
            low, high = self._window(image)
            array = np.clip((image.array - low) / max(high - low, 1e-6), 0, 1) * mask_of(image)
            scaled = Image(array.astype(np.float32), image.grid, image.mask)
            where = centred_grid(image, grid["shape"], grid["spacing_mm"], grid.get("axes"))
            images.append(scaled.resample(where).to_torch(self.device))
        return tuple(images)

    def _window(self, image: Image) -> tuple[float, float]:
        if self.manifest["intensity"] == "minmax":
            return float(image.array.min()), float(image.array.max())
        return tuple(np.percentile(image.array[mask_of(image)], PERCENTILES))

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image.

        Of an ensemble it is the mean of the members (Gong et al., Eq. 7).
        """
        import torch

        fields = [self._displacement(member, fixed, moving) for member in self.members]
        return self._field(torch.stack(fields).mean(0), fixed.grid, moving.grid)

    def register_member(self, fixed: Image, moving: Image, index: int) -> DisplacementField:
        """`register` by one member of an ensemble."""
        voxels = self._displacement(self.members[index], fixed, moving)
        return self._field(voxels, fixed.grid, moving.grid)

    def _displacement(self, member, fixed: Image, moving: Image):
        import torch

        self.calls += 1
        with torch.no_grad(), torch_seeded(self.seed, "dropout", self.stream, self.calls):
            return member(moving.array[None, None], fixed.array[None, None])[0]

    def _field(self, voxels, fixed: Grid, moving: Grid) -> DisplacementField:
        return field_from_voxels(voxels.permute(1, 2, 3, 0), fixed, moving)

    def refined_labels(self, fixed: Image, moving: Image, labels: Image) -> Image | None:
        """The moving labels warped and refined (R of Gong et al.), by all members: the most
        probable label of the mean of their memberships; None where the model has no R, or was
        trained without one of the labels."""
        if not self.manifest["network"].get("refine") or not self._knows(labels):
            return None
        soft, _ = self._combined(fixed, moving, labels)
        values = np.array(self._values, np.int32)
        return Image(values[soft.argmax(0).cpu().numpy()], fixed.grid)

    @property
    def _values(self) -> tuple[int, ...]:
        """The labels that it was trained with, the background first."""
        return (0, *self.manifest["provenance"].get("labels", ()))

    def _knows(self, labels: Image) -> bool:
        return set(labels_in(labels.to_numpy().array).tolist()) <= set(self._values)

    def _combined(self, fixed: Image, moving: Image, labels: Image):
        """Memberships and their uncertainty u, (C, Z, Y, X) each, by Eq. 9 of Gong et al."""
        import torch

        from ..posterior.combination import combine

        _, found = self.predictions(fixed, moving, labels)
        scales = [one.log_scale[0].exp() for one in found]
        return combine(torch.stack([one.memberships[0] for one in found]), torch.stack(scales))

    def predictions(
        self, fixed: Image, moving: Image, labels: Image | None = None, passes: int = 1
    ) -> tuple[tuple[int, ...], list[Prediction]]:
        """What the networks make of prepared images: each member, and with dropout each pass.

        Args:
            labels: of the moving image, on its grid before the preparation.
            passes: of each member that has dropout.

        Returns:
            The labels whose memberships were warped, the background first (none without
            ``labels``), and the predictions (torch).

        Raises:
            ValueError: the model refines labels, and these are not those of its training.
        """
        import torch

        values, masks = (), None
        if labels is not None:
            trained = self.manifest["network"].get("classes", 0) > 1
            if trained and not self._knows(labels):
                raise ValueError(
                    f"{self.folder} was trained with the labels {', '.join(map(str, self._values[1:]))}"
                    " alone; the segmentation has others."
                )
            here = labels.to_numpy().resample(moving.grid, "nearest", 0).array
            others = (0, *(int(v) for v in labels_in(labels.to_numpy().array) if v))
            values = self._values if trained else others
            masks = np.stack([here == value for value in values]).astype(np.float32)
            masks = torch.as_tensor(masks, device=self.device)[None]
        a, b = moving.array[None, None], fixed.array[None, None]
        found = []
        for member in self.members:
            for _ in range(passes if self.facts.stochastic else 1):
                self.calls += 1
                with torch.no_grad(), torch_seeded(self.seed, "dropout", self.stream, self.calls):
                    found.append(member.predict(a, b, masks))
        return values, found

    def maps(
        self, fixed: Image, moving: Image, labels: Image | None = None
    ) -> dict[str, PredictedMap]:
        """The maps that the model predicts for prepared images, by name; none for most kinds.

        With labels that it was trained with, the predicted error of the labels is that of Gong et
        al., Eq. 9: also how much the members of an ensemble differ about them.
        """
        import torch

        a, b = moving.array[None, None], fixed.array[None, None]
        found = {}
        with torch.no_grad():
            classes = self.manifest["network"].get("classes", 0)
            if classes > 1 and labels is not None and self._knows(labels):
                _, u = self._combined(fixed, moving, labels)
                found = {"predictive_uncertainty": u[1:].amax(0)}  # class 0 is the background
            elif classes:
                scales = [m.log_scale(m.features(a, b))[0].exp() for m in self.members]
                found = _of_scales(torch.stack(scales))
            elif "variance" in self._weights:
                from ..networks.warp import warp

                member = self.members[0]
                moved = warp(a, member(a, b), "border")
                log_variance = self._network("variance")(torch.cat((moved, b), 1))
                found = {"image_noise": (0.5 * log_variance.clamp(-10, 10)).exp()[0, 0]}
                if member.settings.get("classes"):  # sigma_z, trained beside sigma_I
                    sd = (0.5 * member.log_scale(member.features(a, b))).exp()[0, 0]
                    axes = member.settings["ndim"]  # noise across a slice moves nothing in it
                    mm = axes**0.5 * self.manifest["grid"]["spacing_mm"]  # root of the trace
                    found["predicted_uncertainty_mm"] = mm * sd
            elif "score" in self._weights:
                found = {"correspondence_score": self._network("score")(b).sigmoid()[0, 0]}
        return {
            name: PredictedMap(Image(values, fixed.grid), MAPS[name].unit, MAPS[name].meaning)
            for name, values in found.items()
        }

    def _network(self, name: str):
        from ..networks.unet import UNet

        return self._ready(UNet(**self.manifest["network"][name]), self._weights[name])


def _of_scales(scales) -> dict:
    """u of all members (N, C, Z, Y, X): of the most uncertain structure, or of the image."""
    u = (scales**2).mean(0) ** 0.5  # the predicted part of Eq. 9
    if len(u) == 1:
        return {"predictive_residual": u[0]}
    return {"predictive_uncertainty": u[1:].amax(0)}  # class 0 is the background
