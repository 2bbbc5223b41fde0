"""The transform parameter files of elastix, as SimpleITK transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import InputError

NONE = "NoInitialTransform"
LINEAR: dict[str, Any] = {
    "EulerTransform": sitk.Euler3DTransform,
    "SimilarityTransform": sitk.Similarity3DTransform,
    "AffineTransform": lambda: sitk.AffineTransform(3),
}
TRANSFORMIX = (
    "let transformix write the displacement field (transformix -def all -tp FILE -out FOLDER) and "
    "give that"
)


def is_elastix(text: str) -> bool:
    """Does a text file begin like one of elastix?"""
    return "(Transform " in text or "(NumberOfParameters " in text


def read_elastix(path: Path) -> list[sitk.Transform]:
    """The transforms of a parameter file and of the files it continues, in the order in which a
    fixed point meets them; mm LPS.

    Raises:
        InputError: missing, damaged, of a kind that cannot be read, or added instead of composed.
    """
    transforms: list[sitk.Transform] = []
    seen: list[Path] = []
    following: Path | None = path
    while following is not None:
        if following in seen:
            raise InputError(f"{path}: continues itself; {TRANSFORMIX}.")
        seen.append(following)
        entries = _entries(following)
        transforms.insert(0, _transform(following, entries))
        following = _initial(following, entries)
    return transforms


def _entries(path: Path) -> dict[str, list[str]]:
    """The lines ``(Name value value ...)``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read; {TRANSFORMIX}.") from None
    found = {}
    for line in lines:
        line = line.split("//")[0].strip()
        if line.startswith("(") and line.endswith(")"):
            name, _, values = line[1:-1].partition(" ")
            found[name] = values.split('"')[1::2] if '"' in values else values.split()
    return found


def _initial(path: Path, entries: dict[str, list[str]]) -> Path | None:
    """The file that the transform continues. elastix notes it as it was; often it lies beside."""
    names = entries.get("InitialTransformParameterFileName") or entries.get(
        "InitialTransformParametersFileName", [NONE]
    )
    if names[0] == NONE:
        return None
    if entries.get("HowToCombineTransforms", ["Compose"])[0] != "Compose":
        raise InputError(f"{path}: adds two transforms instead of composing them; {TRANSFORMIX}.")
    for place in (Path(names[0]), path.parent / Path(names[0]).name):
        if place.is_file():
            return place
    raise InputError(f"{path}: continues {names[0]}, which is not there; put it beside.")


def _transform(path: Path, entries: dict[str, list[str]]) -> sitk.Transform:
    def numbers(name: str) -> list[float]:
        try:
            return [float(value) for value in entries[name]]
        except (KeyError, ValueError):
            raise InputError(f"{path}: has no usable {name}; {TRANSFORMIX}.") from None

    kind = entries.get("Transform", ["?"])[0]
    if entries.get("FixedImageDimension", ["3"])[0] != "3":
        raise InputError(f"{path}: is not a transform of three dimensions.")
    parameters = numbers("TransformParameters")
    try:
        if kind in ("BSplineTransform", "RecursiveBSplineTransform"):
            return _spline(numbers, parameters, entries)
        if kind == "TranslationTransform":
            return sitk.TranslationTransform(3, parameters)
        transform = LINEAR[kind]()
        transform.SetCenter(numbers("CenterOfRotationPoint"))
        if isinstance(transform, sitk.Euler3DTransform):
            transform.SetComputeZYX(entries.get("ComputeZYX", ["false"])[0] == "true")
        transform.SetParameters(parameters)
        return transform
    except KeyError:
        raise InputError(f"{path}: is of the kind {kind}, not read here; {TRANSFORMIX}.") from None
    except (RuntimeError, ValueError):
        raise InputError(f"{path}: is damaged: its numbers do not fit; {TRANSFORMIX}.") from None


def _spline(numbers, parameters: list[float], entries: dict[str, list[str]]) -> sitk.Transform:
    size = [int(n) for n in numbers("GridSize")]
    values = np.array(parameters).reshape(3, *size[::-1])
    images = [sitk.GetImageFromArray(one) for one in values]
    for image in images:
        image.SetSpacing(numbers("GridSpacing"))
        image.SetOrigin(numbers("GridOrigin"))
        if "GridDirection" in entries:  # column by column
            image.SetDirection(np.array(numbers("GridDirection")).reshape(3, 3).T.ravel().tolist())
    order = int(entries.get("BSplineTransformSplineOrder", ["3"])[0])
    return sitk.BSplineTransform(images, order)
