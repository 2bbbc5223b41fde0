"""A dose seen through the samples of a result: the entry "dose", with its files.

Samples are read as they were kept, on the animation grid.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ..checksum import sha256_of
from ..geometry import (
    Grid,
    Segmentation,
    inside_index,
    read_field,
    read_image,
    read_segmentation,
    write_image,
)
from ..geometry.dicom import frame_of_reference
from ..geometry.dose_file import read_dose
from ..geometry.files import InputError, Say
from ..posterior.weights import effective_count, normalised
from ..results.maps import MAPS, OF_DOSE
from ..results.record import Record
from .dose_samples import STRUCTURE_VOXELS, Seen, maps_of, rows_of

LIMIT_GY = 20.0
MAP_VOXELS = 1_000_000
CROWDED = 20  # fewer samples have their 5 and 95 % near their extremes


def evaluate_dose(
    folder: str | Path,
    record: Record,
    file: str,
    side: str,
    unit: str = "",
    structures: str = "",
    limit_gy: float = LIMIT_GY,
    advance: Callable[[str], None] = lambda text: None,
) -> dict:
    """The entries of a result that a dose makes or changes, "dose" and "maps", with their files
    written.

    Args:
        folder: the result folder; record: what its ``result.json`` says.
        file: the dose, see `geometry.dose_file.read_dose`; unit: of its values where it has none.
        side: the image it belongs to.
        structures: a segmentation of the other image; that of the run where it has one, else of
            the moving one as registered.
        limit_gy: whose volume the table has.
        advance: called before every step with what it does; it may raise to stop.

    Raises:
        InputError: one of the files cannot be used, they do not lie together, or the result has
            fewer than two samples.
    """
    folder, notes = Path(folder), []
    names = record.samples.files
    if len(names) < 2 or record.transform is None or not record.maps:
        raise InputError(f"{folder}: has fewer than two samples to see a dose through.")
    dose = read_dose(file, unit, notes.append)
    _check_frame(file, record, side)
    segmentation, called = _structures(record, folder, side, structures, notes.append)
    seen = Seen(
        dose,
        side,
        read_field(folder / (record.transform_working or record.transform)),
        [read_field(folder / name) for name in names],
        normalised(record.log_weights),
        segmentation,
        limit_gy,
        notes,
    )
    fixed = read_image(folder / next(iter(record.maps.values())).file).grid
    _check_place(seen, fixed, file)
    effective = effective_count(range(len(names)), seen.weights)
    if len(names) < CROWDED:
        notes.append(
            f"Of {len(names)} samples, 5 and 95 % lie near the lowest and the highest; take "
            f"{CROWDED} or more for steadier bands."
        )
    elif effective < CROWDED - 0.5:
        notes.append(
            f"By their weights the {len(names)} samples count as {effective:.1f}, so that 5 and 95 % "
            "lie near the lowest and the highest of these; take more for steadier bands."
        )
    if record.samples.strays_mm:
        notes.append("The dose is that of all samples, the stray ones with them.")
    digest = sha256_of(file)
    mark = f"{sha256_of(*filter(_is_file, (file, called)))[:8]}-{side}"
    rows, curves = [], []
    for row, curve in rows_of(seen, advance):
        rows.append(row)
        curves += curve
    if not rows:
        raise InputError(f"{called}: has no structure that the registration leaves in the image.")
    listed = {name: asdict(one) for name, one in record.maps.items()}
    for name, values in maps_of(seen, fixed.at_most(MAP_VOXELS), advance).items():
        target = f"maps/{name}-{mark}.nrrd"
        write_image(values.resample(fixed), folder / target)
        listed[name] = {"file": target, "unit": "Gy", "meaning": MAPS[name].meaning}
    target = f"dose-{mark}.csv"
    _write_curves(folder / target, curves)
    entry = {
        "file": {"file": str(file), "sha256": digest},
        "structures": {"file": called, "sha256": ""},
        "side": side,
        "limit_gy": limit_gy,
        "samples": len(names),
        "rows": rows,
        "curves": target,
        "warnings": notes,
    }
    return {"dose": entry, "maps": listed}


def remove_others(folder: str | Path, record: Record) -> None:
    """Remove the files of a dose that a record does not name: of one before, or never finished."""
    named = {one.file for one in record.maps.values()} | {record.dose.curves if record.dose else ""}
    for pattern in (*(f"maps/{name}-*.nrrd" for name in OF_DOSE), f"dose-{'?' * 8}-*.csv"):
        for path in Path(folder).glob(pattern):
            if path.relative_to(folder).as_posix() not in named:
                path.unlink(missing_ok=True)


def _is_file(name: str) -> bool:
    return Path(name).is_file()


def _structures(
    record: Record, folder: Path, side: str, given: str, say: Say
) -> tuple[Segmentation, str]:
    """The segmentation of the other image, and its file."""
    wanted = "fixed_labels" if side == "moving" else "moving_labels"
    names = {
        row["label"]: row["name"] for row in record.labels if isinstance(row.get("label"), int)
    }
    if given:
        return read_segmentation(given, say), given
    if wanted in record.inputs:
        file = record.inputs[wanted].file
        found = read_segmentation(file, say)
        if sha256_of(file) != record.inputs[wanted].sha256:
            say(
                f"{file}: has changed since the registration; the dose is that of the present file."
            )
        return found if found.names else found.named(names), file
    if side == "moving" and record.warped_labels:
        say(
            "There is no segmentation of the fixed image: the structures are those of the moving "
            "image where the registration puts them."
        )
        file = str(folder / record.warped_labels)
        return read_segmentation(file, say).named(names), file
    other = "fixed" if side == "moving" else "moving"
    raise InputError(
        f"A dose of the {side} image is judged in structures of the {other} image, and the result "
        f"has none; give a segmentation of the {other} image."
    )


def _check_frame(file: str, record: Record, side: str) -> None:
    """Refuse a DICOM dose of another frame of reference than a DICOM image.

    Raises:
        InputError: both have one, and they differ.
    """
    image = record.inputs[side].file
    ours, theirs = frame_of_reference(file), frame_of_reference(image)
    if ours and theirs and ours != theirs:
        raise InputError(
            f"{file}: belongs to another frame of reference than {image}; give the dose that was "
            f"planned on the {side} image."
        )


def _check_place(seen: Seen, fixed: Grid, file: str) -> None:
    """Refuse a dose that does not meet the image, and say where structures go beyond it."""
    grid = fixed.at_most(STRUCTURE_VOXELS)
    index = seen.dose.grid.to_index(grid.points())
    if seen.side == "moving":
        index = seen.registration.resample(grid).mapped_index(seen.dose.grid)
    if not inside_index(seen.dose.grid.shape, index).any():
        raise InputError(f"{file}: lies nowhere in the {seen.side} image.")


def _write_curves(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
