"""What a run has to warn of: facts in, sentences out."""

from __future__ import annotations

from ..contracts import Backbone
from ..geometry import Grid
from ..posterior.agreement import FEWEST
from ..results.record import Samples
from ..results.steadiness import needed
from ..samplers import Sample
from ..samplers.committee import TURN
from .inputs import some_of

SMALLEST_LOSS = 0.005  # of the Dice of one structure that is worth a word
SMALLEST_PART = 0.01  # of the anatomy without an answer that is worth a word
VISIBLE = {"dice": 0.0005, "similarity": 0.0005, "tre_mm": 0.005}  # changes that the numbers show
UNDISTURBED_SHARE = 0.05  # of the extent of the fixed image: how far off a sample may lie that
# comes from no perturbation
NOISE_VOXELS = 2  # what a registration may jitter by itself
UNNOTICED = 0.05  # of a perturbation: answers that change by less do not depend on it
STEADY = 0.8  # rank correlation of maps of different samples; 16 of demons reach 0.8 to 0.9


def of_method(backbone: Backbone, family: str | None) -> list[str]:
    """A backbone and a perturbation family that do not suit each other, or the images."""
    facts = backbone.facts
    found = []
    if family in facts.equivariant_to:
        found.append(
            f"{facts.title} is equivariant to {family} by construction: its "
            "disagreement is near zero whatever its error. Choose another family."
        )
    if facts.needs_affine and not backbone.affine:
        found.append(f"{facts.title} expects affinely aligned images.")
    if family is not None and backbone.coarse_samples:
        found.append(
            f"{facts.title} registers the perturbed images by its coarser levels alone; what the "
            "finest one adds to the registration is added to each sample. Structures so differ more "
            "between the samples than with coarse_samples: false."
        )
    return found + list(backbone.notes)


def of_folding(share: float) -> list[str]:
    """A registration that folds, in this share of its voxels."""
    if share <= 0:
        return []
    percent = f"{100 * share:.0f}" if share >= 0.01 else f"{100 * share:.2g}"
    return [f"The registration folds in {percent} % of its voxels."]


def of_loss(found: dict, names: dict[int, str]) -> list[str]:
    """What is worse after the registration, in one sentence for each kind of beginning.

    Args:
        found: see `comparison.before_after`.
        names: of label values.
    """
    sentences = []
    for begin in ("before", "centred"):
        worse = _worse(found, begin)
        if begin == "before":
            worse += _worse_structures(found["structures"], names)
        if worse:
            sentences.append(
                f"After the registration this is worse than with {found[begin]}: "
                f"{'; '.join(worse)}. Check it before you use it, or try another "
                "registration."
            )
    return sentences


def _worse(found: dict, begin: str) -> list[str]:
    worse = []
    for key, title, better, digits in (
        ("dice", "mean Dice", 1, 3),
        ("tre_mm", "mean landmark error in mm (fixed space)", -1, 2),
        ("similarity", "similarity of the images", 1, 3),
    ):
        values = found[key]
        if not values or values[begin] is None:
            continue
        if better * (values["after"] - values[begin]) < -VISIBLE[key]:
            worse.append(
                f"{title} {values['after']:.{digits}f} instead of {values[begin]:.{digits}f}"
            )
    return worse


def _worse_structures(structures: dict, names: dict[int, str]) -> list[str]:
    lost = [
        (dice["after"] - dice["before"], label, dice)
        for label, dice in structures.items()
        if dice["after"] < dice["before"] - SMALLEST_LOSS
    ]
    if not lost:
        return []
    return [
        "Dice of "
        + some_of(
            [
                f"{names.get(label, label)} {dice['after']:.2f} instead of {dice['before']:.2f}"
                for _, label, dice in sorted(lost, key=lambda one: one[0])
            ]
        )
    ]


def of_one_sample(number: int, sample: Sample, apart_mm: float, grid: Grid) -> list[str]:
    """A sample further off the registration than what was done to it can explain.

    A method that does not notice a perturbation at all is off by as much as that moved the image
    (median, mm), and its own noise is of a voxel or two; more than both is another answer. Where
    nothing was moved, a twentieth of the extent of the image is the limit.

    Args:
        number: of the sample, from 1.
        apart_mm: median distance of sample and registration.
        grid: of the registration.
    """
    moved, noise = sample.facts.get("moved_mm"), NOISE_VOXELS * float(grid.spacing.mean())
    limit = UNDISTURBED_SHARE * float(grid.extent_mm.mean()) if moved is None else moved + noise
    if apart_mm <= limit:
        return []
    why = (
        f"more than {limit:.1f} mm, a twentieth of the image"
        if moved is None
        else f"more than the {moved:.1f} mm by which the moving image was perturbed for it and "
        f"another {noise:.1f} mm, {NOISE_VOXELS} voxels"
    )
    return [
        f"Sample {number} lies {apart_mm:.1f} mm (median) off the registration, {why}: one of "
        "the two has gone astray. Look at both."
    ]


def of_unnoticed(status: list[dict]) -> list[str]:
    """Answers that are the same whatever was done to the moving image.

    Args:
        status: the facts of all samples.
    """
    members: dict[str, list[dict]] = {}  # of a committee; else one without a name
    for one in status:
        if "changed_mm" in one:
            members.setdefault(one.get("member", ""), []).append(one)
    found = []
    for name, told in members.items():
        changed, moved = (max(one[key] for one in told) for key in ("changed_mm", "moved_mm"))
        if len(told) > 1 and moved > 0 and changed <= UNNOTICED * moved:
            found.append(
                f"{name or 'The registration'} gives the same answer whatever is done to the moving "
                f"image, which was moved by up to {moved:.1f} mm: it does not look at it, and the "
                "disagreement is that of the perturbations. Check the method (`backbones verify`)."
            )
    return found


def of_view(outside: float) -> list[str]:
    """A share of the anatomy in the fixed image that lies outside the moving one."""
    if outside <= 0.05:
        return []
    return [
        f"{100 * outside:.0f} % of the anatomy in the fixed image lie outside the moving image in "
        "most samples: the map says nothing there."
    ]


def of_not_computed(share: float, title: str) -> list[str]:
    """A share of the anatomy in the fixed image that a method does not look at.

    Args:
        title: of the method.
    """
    if share < SMALLEST_PART:
        return []
    return [
        f"{title} looks at a part of the fixed image only: {100 * share:.0f} % of the anatomy lie "
        "outside the grid that it works on. Nothing is computed there, and the maps are blank. "
        "Crop the images to the part that matters, or choose another registration method."
    ]


def of_inverse(beyond: float) -> list[str]:
    """A share of the fixed image whose moving points the inverse does not reach."""
    if beyond < SMALLEST_PART:
        return []
    return [
        f"The inverse does not reach where {100 * beyond:.0f} % of the fixed image go: there the "
        "vectors of its border were used for the inverse consistency."
    ]


def of_failures(samples: Samples) -> list[str]:
    """Registrations that failed and were drawn again."""
    failed = samples.failed
    if not failed["count"]:
        return []
    reasons = some_of(
        [
            f"{reason.rstrip('.')} ({times} times)" if times > 1 else reason.rstrip(".")
            for reason, times in failed["reasons"].items()
        ],
        2,
    )
    return [
        f"{failed['count']} registrations failed and were drawn again, so the samples are "
        f"those that succeeded: {reasons}."
    ]


def of_committee(samples: Samples) -> list[str]:
    """Members that were not admitted, and those whose turn did not come."""
    if not samples.members:
        return []
    gave = dict.fromkeys(one["member"] for one in samples.status)
    silent = [name for name in samples.members if name not in gave]
    found = [
        f"{name} is not in the committee, whose samples are those of {' and '.join(gave)}: {reason}"
        for name, reason in samples.left_out.items()
    ]
    if silent:
        found.append(
            f"{' and '.join(silent)} gave none of the {samples.finished} samples, as members take "
            f"turns of {TURN}: take {TURN * len(samples.members)} samples or more."
        )
    if len(gave) == 1:
        found.append(
            f"All samples are of {' '.join(gave)}, so the disagreement between methods says nothing."
        )
    return found


def of_weights(samples: Samples) -> list[str]:
    """Importance weights that say little."""
    raw = samples.ess_raw
    if raw is None or raw >= samples.finished:
        return []
    text = (
        f"Of {samples.proposals} weighed proposals the weight lies on {raw:.1f} (effective "
        f"number), fewer than the {samples.finished} samples kept"
    )
    exponent = samples.tempering_exponent
    if exponent < 1:
        text += (
            f". The weights were flattened by an exponent of {exponent:.2g}, to "
            f"{samples.ess_tempered:.1f}"
        )
    return [f"{text}: the samples show the spread of the proposals more than what the images say."]


def of_agreement(found: float | None, count: int, wanted: float = 0.0) -> list[str]:
    """A map of disagreement that other samples would not repeat, or of which that is not known.

    Args:
        wanted: at which agreement the run was to end; 0 where it was to make all samples.
    """
    if found is None and wanted and count >= FEWEST:
        return [
            "All samples were made: how well the map agrees with one of other samples is not known of "
            "weighted or repeated samples, of fewer than eight perturbations, and of little anatomy."
        ]
    if found is None or found >= STEADY:
        return []
    return [
        f"The map of disagreement is noisy: another of as many samples would agree with it to "
        f"{found:.2f} only (rank correlation). Take about {needed(found, count)} samples."
    ]


def of_effective(effective: float, count: int) -> list[str]:
    """Samples that are mostly copies of each other."""
    if effective >= min(4, count / 2):
        return []
    return [
        f"The {count} samples are only {effective:.1f} different "
        "registrations (effective number): weigh more proposals."
    ]


def of_mean(apart_mm: float, spread_mm: float, count: int) -> list[str]:
    """Samples around another place than the registration (medians in mm), or very few of them; one
    alone is the registration of a network that predicts its maps."""
    if count == 1:
        return []
    if count < FEWEST:
        return [f"Only {count} samples: the map is noisy; use 16 or more."]
    if not apart_mm > spread_mm > 0:
        return []
    return [
        f"The samples surround a place {apart_mm:.1f} mm (median) off the "
        f"registration and differ by {spread_mm:.1f} mm alone: look at their mean, too."
    ]


def of_strays(strays: dict[int, float], with_mm: float, without_mm: float) -> list[str]:
    """Samples far from the others.

    Args:
        strays: number of the sample, from 0 -> its distance in mm.
        with_mm, without_mm: median disagreement with and without them.
    """
    if not strays:
        return []
    each = some_of(
        [
            f"{index + 1} ({mm:.1f} mm)"
            for index, mm in sorted(strays.items(), key=lambda one: -one[1])
        ]
    )
    are = "1 sample lies" if len(strays) == 1 else f"{len(strays)} samples lie"
    return [
        f"{are} far from the others (number and distance from their median: {each}). The "
        f"median disagreement is {with_mm:.2f} mm with and {without_mm:.2f} mm without: both "
        "maps and tables are kept."
    ]


def of_lost(rows: list[dict]) -> list[str]:
    """Rows of the table of structures that the registered image does not have."""
    lost = [row["name"] for row in rows if row["voxels"] == 0]
    if not lost:
        return []
    return [
        "These structures are not in the registered image, so their numbers "
        f"mean nothing: {some_of(lost)}."
    ]


def of_lost_samples(folded: dict[str, int], outside: dict[str, int], count: int) -> list[str]:
    """Landmarks to which samples have no answer: names and numbers of samples.

    Args:
        folded: because those samples fold, or turn too far, to be inverted there.
        outside: because their answer lies outside the grid where they were computed.
        count: of all samples.
    """
    why = [
        f"at {some_of([f'{name} ({lost})' for name, lost in names.items()])} {reason}"
        for names, reason in (
            (folded, "the registration folds or twists"),
            (outside, "the point lies outside the area that was registered"),
        )
        if names
    ]
    if not why:
        return []
    return [
        f"Some of the {count} samples have no answer at these landmarks and are left out there "
        f"(in brackets how many): {'; '.join(why)}. Look at the registration there."
    ]


def of_memory(needed_mb: float, free_mb: float | None, used_mb: float) -> list[str]:
    """A run that may need more memory than there is."""
    if free_mb is None or needed_mb <= free_mb + used_mb:
        return []
    return [f"The run may need {needed_mb:.0f} MB of memory, {free_mb:.0f} MB are free."]
