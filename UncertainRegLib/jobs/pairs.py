"""Which landmark and which structure of the moving image is which of the fixed one."""

from __future__ import annotations

import numpy as np

from ..geometry import Image, Segmentation
from ..geometry.arrays import labels_in
from ..geometry.files import InputError, Say
from ..geometry.segmentation import packed

Landmarks = tuple[list[str], np.ndarray]  # names, and (P, 3) LPS mm, NaN for one without a position


def some_of(names: list[str], most: int = 5) -> str:
    """Names for a sentence; of many the first."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def pair_points(
    moving: Landmarks, fixed: Landmarks, titles: tuple[str, str], say: Say
) -> np.ndarray:
    """The true positions of the moving landmarks.

    Pairs have the same name. Two lists of one length without a common name are paired in their
    order, since Slicer names the points of every list after the list.

    Args:
        moving, fixed: all landmarks, also those without a position.
        titles: what a person calls the moving and the fixed list.

    Returns:
        (P, 3) LPS mm in the order of ``moving``, NaN where the truth is not known.

    Raises:
        InputError: a name occurs twice, or no landmark has a position in both lists.
    """
    names, points = fixed
    for title, given in zip(titles, (moving[0], names)):
        double = [name for name in given if given.count(name) > 1]
        if double:
            raise InputError(
                f"{title}: has more than one landmark named {double[0]!r}; give each "
                "pair a name of its own."
            )
    if not set(names) & set(moving[0]):
        if len(names) != len(moving[0]):
            raise InputError(
                f"{titles[1]}: has {len(names)} landmarks ({some_of(names)}), {titles[0]} has "
                f"{len(moving[0])} ({some_of(moving[0])}), and no name is in both; name pairs "
                "alike."
            )
        say(
            "The landmarks of the two images have different names and were paired in their order: "
            + some_of([f"{a} with {b}" for a, b in zip(*(moving[0], names))], 3)
            + "."
        )
        names = moving[0]
    known = dict(zip(names, points))
    alone = [name for name in moving[0] if name not in known]
    if alone:
        say(
            f"These landmarks are not on the fixed image, so their error is not known: "
            f"{some_of(alone)}."
        )
    alone = [name for name in names if name not in moving[0]]
    if alone:
        say(f"These landmarks are only on the fixed image and are left out: {some_of(alone)}.")
    true = np.array([known.get(name, np.full(3, np.nan)) for name in moving[0]])
    if not (np.isfinite(true) & np.isfinite(moving[1])).all(axis=1).any():
        raise InputError(
            f"{titles[1]}: no landmark has a position both there and in {titles[0]}; "
            "place pairs of the same name."
        )
    return true


def pair_structures(
    moving: Segmentation, fixed: Segmentation, titles: tuple[str, str], say: Say
) -> tuple[Segmentation, Segmentation]:
    """Give the true structures the labels and the layers of the moving ones.

    Pairs have the same name; where only one side has names, the same label.

    Args:
        titles: what a person calls the moving and the fixed segmentation.

    Returns:
        Moving and fixed; where true structures overlap, those of the moving image lie in different
        layers, too.

    Raises:
        InputError: they have no structure in common.
    """
    by_name = bool(moving.names and fixed.names)
    if by_name:
        number = {moving.name(label): label for label in moving.labels}
        new = {
            label: number[fixed.name(label)]
            for label in fixed.labels
            if fixed.name(label) in number
        }
    else:
        new = {label: label for label in fixed.labels if label in moving.labels}
    ours, theirs = ([one.name(label) for label in one.labels] for one in (moving, fixed))
    if not new:
        raise InputError(
            f"{titles[1]}: no structure ({some_of(theirs)}) has the "
            f"{'name' if by_name else 'label'} of one of {titles[0]} ({some_of(ours)}); call the "
            "same structures alike."
        )
    other = [f"{fixed.name(old)} ({label} and {old})" for old, label in new.items() if old != label]
    if other:
        say(
            "The structures of the two images were paired by name; their labels on the moving and "
            f"the fixed image differ: {some_of(other)}."
        )
    if bool(moving.names) != bool(fixed.names):
        say("Only one of the two segmentations has names: their structures were paired by label.")
    alone = [moving.name(label) for label in moving.labels if label not in new.values()]
    if alone:
        say(f"These structures are not on the fixed image and are not judged: {some_of(alone)}.")
    alone = [fixed.name(label) for label in fixed.labels if label not in new]
    if alone:
        say(f"These structures are only on the fixed image and are left out: {some_of(alone)}.")
    return _in_layers(moving, fixed.relabelled(new))


def _in_layers(moving: Segmentation, fixed: Segmentation) -> tuple[Segmentation, Segmentation]:
    """Both with the same labels in the same layers."""
    if len(moving.layers) == len(fixed.layers) == 1:
        return moving, fixed
    pairs: list[tuple[Image, Image]] = []
    for layer, labels in zip(moving.layers, moving.labels_of_layers):
        truth = packed(fixed.relabelled({label: label for label in labels}).layers)
        for number, part in enumerate(truth):
            if number == 0:  # the first has those without a truth, too
                later = [label for other in truth[1:] for label in labels_in(other.array)]
                here = np.where(np.isin(layer.array, later), 0, layer.array)
            else:
                here = np.where(np.isin(layer.array, labels_in(part.array)), layer.array, 0)
            pairs.append((Image(here, layer.grid), part))
    return tuple(
        Segmentation(tuple(layers), one.names, one.colors)
        for one, layers in zip((moving, fixed), zip(*pairs))
    )
