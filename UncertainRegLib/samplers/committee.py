"""Several registration methods on one pair: where they disagree, not all of them are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np

from ..backbones.competence import probe
from ..backbones.failures import FAILURES, TooManyFailedError, out_of_memory, sentence
from ..backbones.registry import backbone_class, create, entry
from ..contracts import Backbone, Family, OnProgress, Sampler
from ..geometry import Image
from ..randomness import numpy_generator
from ..settings import check_settings, defaults
from .equivariance import Equivariance
from .sample import Sample, ignore

# Who joins unless told otherwise, the nearest to the truth first: see engines_results.md.
PREFERRED = ("greedy", "convexadam", "elastix", "ants")
WITHOUT_PACKAGES = ("bspline", "demons")
OTHERS = 2  # beside the registration that is shown
TURN = 2  # samples of a member in a row: enough to tell apart what is within it and between all
SHIFT_MM = (4.0,)  # that a member must follow
TO_ADMIT = 2  # registrations of each


@dataclass(frozen=True)
class Committee(Sampler):
    """Equivariance samples of several registration methods in turn, all of the same perturbations.

    A systematic error of one method, which perturbations hardly move, shows against the others. By
    the law of total covariance that of all samples is the mean covariance within the members plus
    the covariance of their means; both are maps of their own.

    Attributes:
        backbone: the first member, whose registration is shown.
        family: of the perturbations.
        others: the other members. Each works on the images that the first one prepared. One that
            fails, or does not follow a shift of 4 mm, leaves.
    """

    backbone: Backbone
    family: Family
    others: tuple[Backbone, ...] = ()
    on_progress: OnProgress = ignore

    name, title, place = "committee", "Committee of registrations", 2
    tip = (
        "Let several registration methods register the pair, each disturbed a few times: where "
        "they disagree, not all of them are right."
    )
    draws_per_perturbation = TURN
    parts = ("within_mm", "between_mm")

    @classmethod
    def perturbs(cls, settings: Mapping) -> bool:
        """Always."""
        return True

    @classmethod
    def create(
        cls,
        backbone: Backbone,
        family: Family,
        settings: dict,
        device: str,
        on_progress: OnProgress,
    ) -> Committee:
        """A committee of the backbone and of those named, separated by commas, in ``members``; by
        default of two that are installed, else of another that comes with SimpleITK.

        Raises:
            ValueError: no such setting or registration method, or it is not installed.
        """
        check_settings(f"Sampling method {cls.name!r}", settings, {"members": ""})
        mine = backbone.facts.name
        listed = settings.get("members", "")
        if not isinstance(listed, str):
            raise ValueError(
                f"Sampling method {cls.name!r}: members is {listed!r}; give their names in one text, "
                'separated by commas, such as "greedy, bspline".'
            )
        named = [name.strip() for name in listed.split(",") if name.strip()]
        if not named:
            installed = [name for name in PREFERRED if name != mine and entry(name).available]
            named = installed[:OTHERS] or [name for name in WITHOUT_PACKAGES if name != mine][:1]
        others = tuple(_created(name, device, backbone) for name in named)
        counted = Counter([mine, *(one.facts.name for one in others)])
        (often, count), *_ = counted.most_common(1)
        if count > 1:
            raise ValueError(f"A committee has each member once, and {often} is one already.")
        return cls(backbone, family, others, on_progress)

    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time of n samples, as if each member took as long as the first one."""
        return (n + TO_ADMIT * len(self.others)) * register_s

    def sample(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Sample]:
        """n samples, two of each member in turn, on the grid of the first one's registrations.

        Args:
            fixed, moving: as returned by ``backbone.prepare``.
            generator: source of the perturbations.

        Yields:
            Samples of numpy fields; ``facts`` name the "member", ``of_all`` all "members" and those
            that were "left_out" with the reason.

        Raises:
            TooManyFailedError: most registrations of one member fail.
        """
        members = [(self.backbone, (fixed, moving))]
        left_out: dict[str, str] = {}
        for number, member in enumerate(self.others):
            self.on_progress("Admitting members of the committee", number, len(self.others))
            images, reason = _admitted(member, fixed.to_numpy(), moving.to_numpy())
            if reason:
                left_out[member.facts.name] = reason
            else:
                members.append((member, images))
        of_all = {"members": [member.facts.name for member, _ in members], "left_out": left_out}
        seed = int(generator.integers(2**63))
        turns = [
            (member.facts.name, _turns_of(member, self.family, images, n, seed))
            for member, images in members
        ]
        grid, failed, finished = None, {}, 0
        for group, (name, samples) in enumerate(cycle(turns)):
            for sample in islice(samples, min(TURN, n - finished)):
                field = sample.field.to_numpy()
                grid = field.grid if grid is None else grid
                failed[name] = sample.of_all["failed"]
                yield replace(
                    sample,
                    field=field if field.grid == grid else field.resample(grid),
                    group=group,
                    facts=sample.facts | {"member": name, "group": group},
                    of_all=of_all | {"failed": _sum(failed.values())},
                )
                finished += 1
            if finished == n:
                return


def _created(name: str, device: str, first: Backbone) -> Backbone:
    """A member; where the first one is told that the images are aligned, the others are, too."""
    aligned = defaults(type(first)).get("affine") is True and not first.affine
    if aligned and "affine" in defaults(backbone_class(name)):
        return create(name, device, affine=False)
    return create(name, device)


def _turns_of(
    member: Backbone, family: Family, images: tuple[Image, Image], n: int, seed: int
) -> Iterator[Sample]:
    """The samples of one member; the seed gives every member the same perturbations.

    Raises:
        TooManyFailedError: most of its registrations fail; the sentence names it.
    """
    generator = numpy_generator(seed, "perturbations")
    if not member.facts.stochastic:
        generator.integers(2**63)  # what a stochastic one draws for itself, see `reseed`
    try:
        yield from Equivariance(member, family, at_once=False).sample(*images, n, generator)
    except TooManyFailedError as error:
        raise TooManyFailedError(
            f"{member.facts.name}, of the committee, cannot go on: {error} Or leave it out of the "
            "members."
        ) from error


def _admitted(member: Backbone, fixed: Image, moving: Image) -> tuple[tuple[Image, Image], str]:
    """The images that a member prepared, and why it cannot be one; empty if it can."""
    try:
        images = member.prepare(fixed, moving)
        found = probe(member, *images, distances_mm=SHIFT_MM)
    except FAILURES as error:
        if out_of_memory(error):
            raise
        return (fixed, moving), sentence(error)
    return images, " ".join(found.warnings)


def _sum(records) -> dict:
    """Failures of several members as those of one."""
    reasons: Counter = Counter()
    for record in records:
        reasons.update(record["reasons"])
    return {"count": sum(reasons.values()), "reasons": dict(reasons)}
