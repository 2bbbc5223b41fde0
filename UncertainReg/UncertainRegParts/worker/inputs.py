"""The chosen nodes as files for the worker: NRRD images and CSV points, in LPS mm.

A linear transform above a node is folded into what is written; the nodes are not changed.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .segmentations import segmentationOf
from .world import InputsError, linearToWorld, worldImage

NODES = {  # entry of the job -> argument of `writeInputs`
    "fixed": "fixed",
    "moving": "moving",
    "moving_labels": "segmentation",
    "moving_points": "landmarks",
    "fixed_labels": "fixedSegmentation",
    "fixed_points": "fixedLandmarks",
    "fixed_mask": "fixedMask",
    "moving_mask": "movingMask",
    "transform": "transform",
}


def writeInputs(
    fixed,
    moving,
    segmentation,
    landmarks,
    folder: Path,
    fixedSegmentation=None,
    fixedLandmarks=None,
    fixedMask=None,
    movingMask=None,
    transform=None,
) -> dict:
    """Write the input nodes to ``folder``; all but the volumes may be None.

    ``segmentation`` and ``landmarks`` are on the moving volume. Those on the fixed one only judge,
    and are left out where there is nothing on the moving one to compare them with. ``transform`` is
    a registration to be judged; moving nodes under it are written as they lie without it.

    Returns:
        The entries of the job: fixed, moving, moving_labels, moving_points, fixed_labels,
        fixed_points, fixed_mask, moving_mask, transform.

    Raises:
        InputsError: a node is empty or under a transform that is not linear.
    """
    from UncertainRegLib.geometry import write_image

    folder.mkdir(parents=True, exist_ok=True)
    job = {}
    for name, node in (("fixed", fixed), ("moving", moving)):
        job[name] = str(folder / fileName(node, name))  # reports and errors name the file
        image = volumeImage(node, transform)
        Path(job[name]).parent.mkdir(exist_ok=True)
        write_image(image, job[name], compress=False)
    if segmentation is not None:
        job |= _writeSegmentations(
            (segmentation, moving), (fixedSegmentation, fixed), folder, transform
        )
    if landmarks is not None:
        job |= _writeLandmarks(landmarks, fixedLandmarks, folder, transform)
    for name, node, volume in (
        ("fixed_mask", fixedMask, fixed),
        ("moving_mask", movingMask, moving),
    ):
        if node is not None:
            job[name] = str(folder / f"{name}.nrrd")
            write_image(maskImage(node, volume, transform), job[name])
    if transform is not None:
        from .transforms import writeTransform

        file = folder / fileName(transform, "transform")
        grid = volumeImage(fixed, transform).grid
        job |= {"transform": [writeTransform(transform, grid, file)]}
    return job


def writeDose(dose, segmentation, volume, folder: Path) -> dict[str, str]:
    """Write a dose volume, and a segmentation on ``volume`` or None, for ``evaluate dose``.

    Returns:
        Its options "dose" and "structures", the latter only with a segmentation.

    Raises:
        InputsError: a node is empty or under a transform that is not linear.
    """
    from UncertainRegLib.geometry import write_image, write_segmentation

    folder.mkdir(exist_ok=True)
    files = {"dose": str(folder / fileName(dose, "dose"))}
    Path(files["dose"]).parent.mkdir(exist_ok=True)
    write_image(volumeImage(dose), files["dose"], compress=False)
    if segmentation is not None:
        files["structures"] = str(folder / "structures.seg.nrrd")
        write_segmentation(segmentationOf(segmentation, volume), files["structures"])
    return files


def namesOf(job: dict, nodes: dict) -> dict[str, str]:
    """What people call the inputs of a job: the names of the nodes (arguments of `writeInputs`)."""
    return {role: nodes[node].GetName() for role, node in NODES.items() if role in job}


def fileName(node: slicer.vtkMRMLVolumeNode, role: str) -> str:
    """A file name by which people know the volume, plain enough for every system.

    Two volumes of the same name are told apart by their folder, which is named by ``role``.
    """
    plain = re.sub(r"[^\w .-]", "_", node.GetName(), flags=re.ASCII).strip(" .")[:60] or role
    return f"{role}/{plain}.nrrd"


def maskImage(node, volume: slicer.vtkMRMLVolumeNode, without=None):
    """A segmentation (all its segments) or a label map as a mask ``Image`` of 0 and 1."""
    from UncertainRegLib.geometry import Image

    if node.IsA("vtkMRMLSegmentationNode"):
        image = segmentationOf(node, volume, without).foreground()
    else:
        image = volumeImage(node, without)
    mask = (image.array != 0).astype(np.uint8)
    if not mask.any():
        raise InputsError(
            _("The mask “{name}” is empty; choose none or another one.").format(name=node.GetName())
        )
    return Image(mask, image.grid)


def volumeImage(node: slicer.vtkMRMLScalarVolumeNode, without=None):
    """A volume node as an ``Image`` where it is seen in the world, or would be ``without`` a
    transform."""
    if node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        raise InputsError(
            _("The volume “{name}” is empty; load or choose another one.").format(
                name=node.GetName()
            )
        )
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    array = slicer.util.arrayFromVolume(node)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:  # not every file format has them
        array = array.astype(np.float64)
    return worldImage(array, matrix, node, without)


def _writeSegmentations(moving: tuple, fixed: tuple, folder: Path, without) -> dict[str, str]:
    """Write the segmentations of one or two (segmentation, volume); their segments pair by name."""
    from UncertainRegLib.geometry import write_segmentation
    from UncertainRegLib.scene.segments import names_of

    job, nodes = {}, [moving[0], fixed[0]]
    if nodes[1] and not set(names_of(nodes[1]).values()) & set(names_of(nodes[0]).values()):
        raise InputsError(
            _("No segment of “{name}” has the name of one of “{other}”.").format(
                name=nodes[1].GetName(), other=nodes[0].GetName()
            )
        )
    for name, (node, volume) in (("moving_labels", moving), ("fixed_labels", fixed)):
        if node is not None:
            job[name] = str(folder / f"{name}.seg.nrrd")
            write_segmentation(segmentationOf(node, volume, without), job[name], compress=False)
    return job


def _writeLandmarks(moving, fixed, folder: Path, without) -> dict[str, str]:
    """Write the points of one or two nodes; says in their names why they are not pairs."""
    from UncertainRegLib.geometry.files import InputError, unsaid
    from UncertainRegLib.geometry.landmarks import write_points

    job, points = {}, []
    for name, node in (("moving_points", moving), ("fixed_points", fixed)):
        if node is not None:
            points.append(landmarkPoints(node, without))
            job[name] = str(folder / f"{name}.csv")
            write_points(*points[-1], job[name])
    if fixed is not None:
        from UncertainRegLib.jobs.pairs import pair_points  # takes a second

        try:  # the worker says the rest
            pair_points(*points, (f"“{moving.GetName()}”", f"“{fixed.GetName()}”"), unsaid)
        except InputError as error:
            raise InputsError(str(error)) from None
    return job


def landmarkPoints(
    node: slicer.vtkMRMLMarkupsFiducialNode, without=None
) -> tuple[list[str], np.ndarray]:
    """Labels and positions, (P, 3) LPS mm, NaN for a point that is not placed."""
    count = node.GetNumberOfControlPoints()
    placed = [
        node.GetNthControlPointPositionStatus(i) == node.PositionDefined for i in range(count)
    ]
    if not any(placed):
        raise InputsError(
            _("“{name}” has no points; choose no landmarks or place some.").format(
                name=node.GetName()
            )
        )
    labels = [node.GetNthControlPointLabel(i) for i in range(count)]
    points = slicer.util.arrayFromMarkupsControlPoints(node)
    matrix = slicer.util.arrayFromVTKMatrix(linearToWorld(node, without))
    points = (points @ matrix[:3, :3].T + matrix[:3, 3]) * (-1.0, -1.0, 1.0)
    return labels, np.where(np.array(placed)[:, None], points, np.nan)
