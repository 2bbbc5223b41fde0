"""Lists of pairs to train with and to judge by: who is in them, and what each pair is for.

Without torch, so that other rooms can read the same lists.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..geometry.errors import Say, unsaid
from ..pair_list import Line, PairsError, read_lines
from ..randomness import numpy_generator
from ..results.atomic import replace_text

SPLITS = ("train", "validation", "test")
SHARES = (0.6, 0.2, 0.2)  # of the subjects, where the list does not say: as in the papers
FILES = ("fixed", "moving", "fixed_labels", "moving_labels")
FRAMES = ("fixed_frame", "moving_frame")
COLUMNS = ("id", *FILES, "subject", "group", "split", *FRAMES)


@dataclass(frozen=True)
class ListedPair:
    """A line of the list.

    Attributes:
        fixed, moving: image files.
        fixed_labels, moving_labels: segmentations, both or none.
        subject: whom the images are of; two are separated by a semicolon. Empty where the list
            does not say.
        split: one of SPLITS, or empty.
        frames: of the fixed and of the moving file, from 0; None in a file of a single image.
        name: the id, or the files' names.
        line: in the list.
    """

    fixed: str
    moving: str
    fixed_labels: str | None = None
    moving_labels: str | None = None
    subject: str = ""
    split: str = ""
    frames: tuple[int | None, int | None] = (None, None)
    name: str = ""
    line: int = 0

    @property
    def belongs_to(self) -> frozenset[str]:
        """What must not be on two sides of a split: the subjects, or else the image files."""
        subjects = [f"the subject {one.strip()}" for one in self.subject.split(";") if one.strip()]
        return frozenset(subjects or (self.fixed, self.moving))


def read_pair_list(path: str | Path) -> list[ListedPair]:
    """The pairs of a CSV, in its order.

    Columns: fixed and moving, and of choice fixed_labels and moving_labels, subject (or group),
    split (train, validation or test; for all pairs or for none), fixed_frame and moving_frame
    (from 0, of files with several images), id. Paths are relative to the list.

    Raises:
        PairsError: the list cannot be used; all that is wrong with its lines is said at once.
    """
    path = Path(path)
    pairs, wrong = [], []
    for line in read_lines(path, COLUMNS):
        try:
            pairs.append(_pair(path.parent, line))
        except ValueError as error:
            wrong.append(f"Line {line.number}: {error}")
    if not pairs and not wrong:
        wrong.append("It lists no pair.")
    without = [pair.line for pair in pairs if not pair.split]
    if without and len(without) < len(pairs):
        wrong.append(f"Line {without[0]}: has no split, but others have; give all pairs one.")
    wrong += _on_two_sides(pairs)
    if wrong:
        raise PairsError(f"{path}: cannot be used. {' '.join(wrong)}")
    return pairs


def of_split(pairs: Sequence[ListedPair], split: str) -> list[ListedPair]:
    """The pairs of one split; all of a list that has none."""
    return [pair for pair in pairs if pair.split in ("", split)]


def with_splits(
    pairs: Sequence[ListedPair], seed: int = 0, shares: Sequence[float] = SHARES, say: Say = unsaid
) -> list[ListedPair]:
    """The pairs, each with a split: that of the list, or one drawn with a seed.

    Pairs that share a subject (an image, where no subject is given) stay together; each split has
    about its share of all such groups, and the training at least one.

    Args:
        shares: of training, validation and test, in the sum 1.
        say: hears once how many groups and pairs each split has.

    Raises:
        PairsError: nothing is left to train with.
    """
    pairs = list(pairs)
    if pairs and not pairs[0].split:
        groups = _groups(pairs)
        order = numpy_generator(seed, "splits").permutation(len(groups))
        ends = np.round(np.cumsum(shares) * len(groups)).astype(int)
        ends[0] = max(ends[0], 1)
        for rank, number in enumerate(order):
            split = SPLITS[int(np.searchsorted(ends[:2], rank, side="right"))]
            for index in groups[number]:
                pairs[index] = replace(pairs[index], split=split)
        counts = [len([g for g in groups if pairs[g[0]].split == split]) for split in SPLITS]
        parts = (f"{n} for {split}" for n, split in zip(counts, SPLITS))
        say(
            f"The list has no column split: the {len(groups)} groups of its {len(pairs)} pairs that "
            f"share no subject (no image, where no subject is given) were divided by the seed {seed}: "
            f"{', '.join(parts)}. Give a column split to choose yourself."
        )
    if not any(pair.split == "train" for pair in pairs):
        raise PairsError("No pair of the list is for training: write train in the column split.")
    return pairs


def write_pair_list(pairs: Sequence[ListedPair], path: Path) -> None:
    """Write a list that `read_pair_list` reads from anywhere on this computer.

    Raises:
        OSError: it cannot be written.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("id", *FILES, "subject", "split", *FRAMES))
    for pair in pairs:
        files = [getattr(pair, name) for name in FILES]
        paths = ["" if file is None else os.path.abspath(file) for file in files]
        frames = ["" if frame is None else frame for frame in pair.frames]
        lines.writerow((pair.name, *paths, pair.subject, pair.split, *frames))
    replace_text(path, text.getvalue())


def _pair(folder: Path, line: Line) -> ListedPair:
    """What a line says.

    Raises:
        ValueError: all that is wrong with it, in sentences.
    """
    cells, wrong = line.cells, []
    if line.is_too_long:
        wrong.append("has more cells than the heading.")
    files = {  # absolute, in whatever folder a worker is; one spelling each, to be compared
        name: os.path.abspath(folder / cells[name]) for name in FILES if name in cells
    }
    wrong += [
        f"{name}: {file}: no such file." for name, file in files.items() if not Path(file).exists()
    ]
    wrong += [f"{name} is empty." for name in ("fixed", "moving") if name not in files]
    if ("fixed_labels" in files) != ("moving_labels" in files):
        wrong.append("has the segmentation of one image only; give both or neither.")
    if "subject" in cells and "group" in cells:
        wrong.append("has a subject and a group; leave one of the two empty.")
    split = cells.get("split", "").lower()
    if split not in ("", *SPLITS):
        wrong.append(f"split: {split!r} is not one of {', '.join(SPLITS)}.")
    frames = []
    for name in FRAMES:
        text = cells.get(name, "")
        if text and not text.isdecimal():
            wrong.append(f"{name}: {text!r} is no whole number from 0.")
        frames.append(int(text) if text.isdecimal() else None)
    same = files.get("fixed") is not None and files.get("fixed") == files.get("moving")
    if same and frames[0] == frames[1]:
        wrong.append("fixed and moving are the same image.")
    if wrong:
        raise ValueError(" ".join(wrong))
    stems = (Path(files[name]).name.split(".")[0] for name in ("fixed", "moving"))
    return ListedPair(
        **files,
        subject=cells.get("subject", cells.get("group", "")),
        split=split,
        frames=(frames[0], frames[1]),
        name=cells.get("id", "-from-".join(stems)),
        line=line.number,
    )


def _on_two_sides(pairs: Sequence[ListedPair]) -> list[str]:
    """A sentence for each subject or image that is in two splits."""
    sides: dict[str, ListedPair] = {}
    found = {}
    for pair in pairs:
        for one in sorted(pair.belongs_to):
            first = sides.setdefault(one, pair)
            if first.split != pair.split and first.split and pair.split:
                found.setdefault(
                    one,
                    f"Line {pair.line}: {one} is for {pair.split}, but for {first.split} in line "
                    f"{first.line}; give it to one of the two.",
                )
    return list(found.values())


def _groups(pairs: Sequence[ListedPair]) -> list[list[int]]:
    """Numbers of the pairs that hang together by subjects or images, in the order of the list."""
    group_of: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        met = {id(group): group for one in pair.belongs_to if (group := group_of.get(one))}
        joined = sorted({number, *(n for group in met.values() for n in group)})
        for n in joined:
            for one in pairs[n].belongs_to:
                group_of[one] = joined
    unique = {id(group): group for group in group_of.values()}
    return sorted(unique.values())
