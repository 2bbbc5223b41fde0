"""Files of segmentations: label maps, and Slicer's ``.seg.nrrd`` with names and layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError, Say, unsaid
from .files import check_labels, read_labels
from .image import Image, set_geometry
from .segmentation import Segmentation, distinct_names
from .volume import open_volume, read_voxels, straightened
from .written import write_sitk


def read_segmentation(path: str | Path, say: Say = unsaid) -> Segmentation:
    """Read a label map, or a Slicer ``.seg.nrrd`` with its names, colours and overlapping layers.

    ``say`` hears of empty segments, of names that occur twice and of labels that were renumbered
    because they occur in two layers.

    Raises:
        InputError: as for label maps (`files.read_labels`), or one label of a layer is given to
            two segments.
    """
    path = Path(path)
    segments, layers = _header(path, say)
    images = [read_labels(path, say)] if layers == 1 or not segments else _read_layers(path, say)
    return _named(path, images, segments, say)


@dataclass
class _Segment:
    """What the header of a .seg.nrrd says of a segment: its place, and how it is shown."""

    place: tuple[int, int]  # layer, label
    name: str
    color: list[float] | None


def _header(path: Path, say: Say) -> tuple[list[_Segment], int]:
    """The segments that a file names, and how many layers it has.

    Raises:
        InputError: a label or a layer that is no whole number.
    """
    reader = sitk.ImageFileReader()
    found: list[_Segment] = []
    if path.suffix.lower() not in (".nrrd", ".nhdr"):
        return [], 1
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return [], 1  # whoever reads the voxels says what is wrong
    labelled = (re.fullmatch(r"Segment(\d+)_LabelValue", key) for key in reader.GetMetaDataKeys())
    for number in sorted(int(key[1]) for key in labelled if key):  # one may be missing
        entry = {
            key: reader.GetMetaData(f"Segment{number}_{key}")
            for key in ("LabelValue", "Layer", "Name", "Color")
            if reader.HasMetaDataKey(f"Segment{number}_{key}")
        }
        try:
            place = int(entry.get("Layer", 0)), int(entry["LabelValue"])
        except ValueError:
            raise InputError(
                f"{path}: the label or the layer of its Segment{number} is no whole number; save "
                "it again with Slicer."
            ) from None
        color = _color(entry.get("Color", ""))
        if color is None and "Color" in entry:
            say(f"{path.name}: the colour of its Segment{number} cannot be read and is left out.")
        found.append(_Segment(place, entry.get("Name", "").strip(), color))
    return found, reader.GetNumberOfComponents()


def _color(text: str) -> list[float] | None:
    """Red, green and blue in [0, 1]; None for something else."""
    try:
        color = [float(part) for part in text.split()]
    except ValueError:
        return None
    return color if len(color) == 3 else None


def _read_layers(path: Path, say: Say) -> list[Image]:
    """The layers of a file that has them as components of its voxels."""
    array, grid = read_voxels(path, open_volume(path, say))
    if not array.any():
        raise InputError(f"{path}: has no labelled voxel; the segmentation is empty.")
    layers = []
    for number in range(array.shape[-1]):
        layer = check_labels(Image(np.ascontiguousarray(array[..., number]), grid), path)
        layers.append(straightened(layer, path, unsaid if number else say, "nearest"))
    return layers


def _named(path: Path, images: list[Image], segments: list[_Segment], say: Say) -> Segmentation:
    """Layers with labels of their own, and names of which none occurs twice."""
    layers = [Segmentation((image,)) for image in images]
    label_of = _labels_of([layer.labels for layer in layers])
    _check_segments(path, segments, label_of, say)
    segments = [segment for segment in segments if segment.place in label_of]
    given = {label_of[segment.place]: segment.name for segment in segments if segment.name}
    names = distinct_names(given, list(label_of.values()))
    double = [name for label, name in names.items() if name != given[label]]
    if double:
        say(
            f"{path.name}: has segments of the same name; the later ones are called "
            f"{', '.join(double)}."
        )
    layers = [
        layer.relabelled({value: label for (n, value), label in label_of.items() if n == number})
        for number, layer in enumerate(layers)
    ]
    return Segmentation(
        tuple(layer.layers[0] for layer in layers if layer.labels),
        names,
        {label_of[s.place]: s.color for s in segments if s.color is not None},
    )


def _labels_of(values: list[list[int]]) -> dict[tuple[int, int], int]:
    """(layer, value) -> label: the value itself, or a new one if a layer before has it, too."""
    found: dict[tuple[int, int], int] = {}
    for layer, inside in enumerate(values):
        for value in inside:
            taken = found.values()
            found[layer, value] = (
                value
                if value not in taken
                else 1 + max(*taken, *(other for layer in values for other in layer))
            )
    return found


def _check_segments(path: Path, segments: list[_Segment], label_of: dict, say: Say) -> None:
    """Refuse two segments of one place; say which are empty, and which labels have a new name."""
    places = [segment.place for segment in segments]
    for segment in segments:
        if places.count(segment.place) > 1:
            raise InputError(
                f"{path}: gives the label {segment.place[1]} to more than one segment "
                f"({segment.name} is one); save it again with Slicer."
            )
    empty = [
        segment.name or str(segment.place[1])
        for segment in segments
        if segment.place not in label_of
    ]
    if empty:
        say(f"{path.name}: these segments are empty and left out: {', '.join(empty)}.")
    renamed = [
        str(label) for place, label in label_of.items() if label != place[1] and place not in places
    ]
    if renamed:
        say(
            f"{path.name}: has a label in two layers without a name for each; the later ones are "
            f"called {', '.join(renamed)}."
        )


def write_segmentation(segmentation: Segmentation, path: str | Path, compress: bool = True) -> None:
    """Write a ``.seg.nrrd`` as Slicer does: layers as components, names and colours beside them."""
    kind = np.uint8 if max(segmentation.labels, default=0) < 256 else np.int32
    arrays = [layer.array.astype(kind) for layer in segmentation.layers]
    image = (
        sitk.GetImageFromArray(np.stack(arrays, -1), isVector=True)
        if len(arrays) > 1
        else sitk.GetImageFromArray(arrays[0])
    )
    set_geometry(image, segmentation.grid)
    extent = " ".join(f"0 {n - 1}" for n in segmentation.grid.size)
    layer_of = dict.fromkeys(segmentation.names, 0)  # also of those that are empty
    for layer, labels in enumerate(segmentation.labels_of_layers):
        layer_of |= dict.fromkeys(labels, layer)
    for number, (label, layer) in enumerate(sorted(layer_of.items())):
        entries = {"ID": f"Segment_{label}", "LabelValue": label, "Layer": layer, "Extent": extent}
        if label in segmentation.names:
            entries["Name"] = segmentation.names[label]
        if label in segmentation.colors:
            entries["Color"] = " ".join(f"{part:.6g}" for part in segmentation.colors[label])
        for key, value in entries.items():
            image.SetMetaData(f"Segment{number}_{key}", " ".join(str(value).splitlines()))
    write_sitk(image, path, compress)
