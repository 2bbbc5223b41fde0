"""Files of segmentations: label maps, and Slicer's ``.seg.nrrd`` with names and layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError, Say, unsaid
from .files import check_labels, read_labels
from .image import Image, set_geometry
from .segmentation import Segmentation, distinct
from .volume import open_volume, read_voxels, straightened


def read_segmentation(path: str | Path, say: Say = unsaid) -> Segmentation:
    """Read a label map, or a Slicer ``.seg.nrrd`` with its names, colours and overlapping layers.

    ``say`` hears of empty segments, of names that occur twice and of labels that were renumbered
    because they occur in two layers.

    Raises:
        InputError: as for label maps (`files.read_labels`), or one label of a layer is given to
            two segments.
    """
    path = Path(path)
    segments, layers = _header(path)
    images = [read_labels(path, say)] if layers == 1 or not segments else _read_layers(path, say)
    return _named(path, images, segments, say)


@dataclass
class _Segment:
    """What the header of a .seg.nrrd says of a segment: its place, and how it is shown."""

    place: tuple[int, int]  # layer, label
    name: str
    color: list[float] | None


def _header(path: Path) -> tuple[list[_Segment], int]:
    """The segments that a file names, and how many layers it has."""
    reader, found = sitk.ImageFileReader(), []
    if path.suffix.lower() not in (".nrrd", ".nhdr"):
        return [], 1
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return [], 1  # whoever reads the voxels says what is wrong
    while reader.HasMetaDataKey(f"Segment{len(found)}_LabelValue"):
        entry = {key: reader.GetMetaData(f"Segment{len(found)}_{key}")
                 for key in ("LabelValue", "Layer", "Name", "Color")
                 if reader.HasMetaDataKey(f"Segment{len(found)}_{key}")}
        color = [float(c) for c in entry["Color"].split()] if "Color" in entry else None
        found.append(_Segment((int(entry.get("Layer", 0)), int(entry["LabelValue"])),
                              entry.get("Name", "").strip(), color))
    return found, reader.GetNumberOfComponents()


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


def _named(path: Path, layers: list[Image], segments: list[_Segment], say: Say) -> Segmentation:
    """Layers with labels of their own, and names of which none occurs twice."""
    found = [(n, int(v)) for n, layer in enumerate(layers) for v in np.unique(layer.array) if v]
    for segment in segments:
        if [other.place for other in segments].count(segment.place) > 1:
            raise InputError(f"{path}: gives the label {segment.place[1]} to more than one segment "
                             f"({segment.name} is one); save it again with Slicer.")
    empty = [segment.name or str(segment.place[1]) for segment in segments
             if segment.place not in found]
    if empty:
        say(f"{path.name}: these segments are empty and left out: {', '.join(empty)}.")
    label_of: dict[tuple[int, int], int] = {}
    for place in found:
        taken = label_of.values()
        label_of[place] = place[1] if place[1] not in taken else max(
            *taken, *(value for _, value in found)) + 1
    shown = [segment for segment in segments if segment.place in label_of]
    called = [segment.name or str(label_of[segment.place]) for segment in shown]
    names = distinct(called)
    if names != called:
        double = [name for name, old in zip(names, called) if name != old]
        say(f"{path.name}: has segments of the same name; the later ones are called "
            f"{', '.join(double)}.")
    nameless = [str(label) for place, label in label_of.items()
                if label != place[1] and not any(s.place == place for s in segments)]
    if nameless:
        say(f"{path.name}: has a label in two layers without a name for each; the later ones are "
            f"called {', '.join(nameless)}.")
    layers = [Segmentation((layer,)).relabelled(
        {value: label for (n, value), label in label_of.items() if n == number}).layers[0]
        for number, layer in enumerate(layers)]
    return Segmentation(
        tuple(layer for layer in layers if layer.array.any()),
        {label_of[segment.place]: name for segment, name in zip(shown, names) if segment.name},
        {label_of[s.place]: s.color for s in shown if s.color is not None})


def write_segmentation(segmentation: Segmentation, path: str | Path,
                       compress: bool = True) -> None:
    """Write a ``.seg.nrrd`` as Slicer does: layers as components, names and colours beside them."""
    kind = np.uint8 if max(segmentation.labels, default=0) < 256 else np.int32
    arrays = [layer.array.astype(kind) for layer in segmentation.layers]
    image = sitk.GetImageFromArray(np.stack(arrays, -1), isVector=True) if len(arrays) > 1 \
        else sitk.GetImageFromArray(arrays[0])
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
    sitk.WriteImage(image, str(path), compress)
