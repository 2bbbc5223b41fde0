"""A result folder as nodes of a MRML scene: load it, refresh it in place, find it again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import slicer

from ..geometry import Image
from ..results import columns
from ..results.expectation import bound_of
from ..results.maps import DISAGREEMENT, EXPECTED, in_order, kind_of
from ..results.reader import ResultFolder
from ..results.record import Record
from . import inputs, landmarks, maps, nodes, plots, strays, tables
from .acceptance import fill_acceptance
from .bound import show_bound
from .collect import collect
from .collect import find_results as find_results
from .colors import display_of
from .display import show_moving
from .dose import fill_dose
from .removal import remove_result
from .result_nodes import ResultNodes
from .samples import update_samples
from .steps import Steps, finished
from .sweep import is_current, remove_sweep
from .transform import read_transform, set_field


def load_result(
    folder: str | Path,
    scene: slicer.vtkMRMLScene,
    given: dict[str, slicer.vtkMRMLNode | None] | None = None,
    map_names: Iterable[str] | None = None,
) -> ResultNodes:
    """Show a result folder, complete or partial, in a scene as a new run.

    Inputs not given, or no longer in the scene, are read from the files named in
    result.json. The moving nodes are put under the transform, so that they appear in the fixed
    space. The views stay as they are.

    Args:
        folder: result folder.
        scene: the scene to add to.
        given: the inputs that are there as nodes: any of "fixed", "moving", "moving_segmentation"
            and "moving_points".
        map_names: maps to read, all by default. While a run is live one is enough; the mean
            transform is then left out, too.

    Raises:
        ResultError: not a result folder, or of an unknown schema; the scene is then unchanged.
    """
    return finished(loading(folder, scene, given, map_names))


def loading(
    folder: str | Path,
    scene: slicer.vtkMRMLScene,
    given: dict[str, slicer.vtkMRMLNode | None] | None = None,
    map_names: Iterable[str] | None = None,
) -> Steps[ResultNodes]:
    """``load_result`` in steps. One that is not done to its end leaves nothing in the scene."""
    source = ResultFolder(folder)
    run = uuid.uuid4().hex[:12]
    try:
        inputs.link(scene, run, source, given or {})
        warnings = yield from _fill_latest(scene, run, source, map_names)
        result = collect(scene, run)
        result.warnings = warnings + show_moving(result, "transform")
    except (Exception, GeneratorExit):  # no half of a result
        remove_result(collect(scene, run))
        raise
    return result


def update_result(
    result: ResultNodes, folder: str | Path, map_names: Iterable[str] | None = None
) -> ResultNodes:
    """Refresh a run from its folder: the same nodes, new values; what the user set stays.

    Parts that were not there before are added; nodes the user deleted come back. Files that did
    not change since the last call are not read again.

    Raises:
        ResultError: as for ``load_result``; the nodes are then unchanged.
    """
    return finished(updating(result, folder, map_names))


def updating(
    result: ResultNodes, folder: str | Path, map_names: Iterable[str] | None = None
) -> Steps[ResultNodes]:
    """``update_result`` in steps."""
    source = ResultFolder(folder)
    is_unlinked = nodes.find(result.scene, result.run, "transform") is None
    if is_unlinked:  # the user deleted it
        inputs.link(
            result.scene, result.run, source, {name: getattr(result, name) for name in inputs.ROLES}
        )
    warnings = yield from _fill_latest(result.scene, result.run, source, map_names)
    result = collect(result.scene, result.run)
    result.warnings = warnings
    if is_unlinked:
        result.warnings += show_moving(result, "transform")
    if result.sweep_browser is not None and not is_current(result):
        show_moving(result, "transform")
        remove_sweep(result)
    return result


def leave_out_strays(result: ResultNodes, leave_out: bool) -> ResultNodes:
    """Show a run without its stray samples, or with all again, in the same nodes.

    Maps, tables, mean, landmarks and ellipsoids are read from its folder; whatever is made of the
    samples in the scene gives the stray ones no weight. A calibrated bound holds for all samples
    only, so that none is stated without them. The samples themselves stay.

    Raises:
        ValueError: there are none, or the folder is gone.
    """
    if not strays.can_leave_out(result):
        raise ValueError(
            "Stray samples can only be left out of a run that has some and whose "
            "files are still there; press Apply again."
        )
    strays.set_left_out(result.transform, leave_out)
    return update_result(result, result.folder)


def _fill_latest(
    scene, run: str, source: ResultFolder, map_names: Iterable[str] | None
) -> Steps[list[str]]:
    """Fill from the newest snapshot; returns the warnings.

    A running worker removes the files of a snapshot once the next one is there, so files that are
    missing may only mean that it was quicker.
    """
    before = list(source.warnings)
    yield from _fill(scene, run, source, map_names)
    for _ in range(3):
        if len(source.warnings) == len(before) or not source.is_outdated():
            break
        source = ResultFolder(source.path)
        source.warnings += before
        yield from _fill(scene, run, source, map_names)
    return source.warnings


def _fill(scene, run: str, source: ResultFolder, map_names: Iterable[str] | None) -> Steps[None]:
    """Bring every part of a run up to date; parts the folder does not have are left alone."""
    source.record = record = strays.shown(source.record, nodes.find(scene, run, "transform"))
    for role, name, on_own_grid, on_fixed_grid in (
        ("transform", "Registration", record.transform_working, record.transform),
        (
            "mean_transform",
            "Mean registration",
            record.mean_transform_working,
            record.mean_transform,
        ),
    ):
        if role == "mean_transform" and map_names is not None:
            continue  # large, new with each sample, and not shown by itself
        # On its own grid a field is the same map with an eighth of the voxels, or fewer.
        path = source.file(on_own_grid or on_fixed_grid)
        if path is not None:
            yield from nodes.fill(
                scene,
                run,
                role,
                "vtkMRMLGridTransformNode",
                name,
                path,
                read_transform,
                set_field,
                source.warnings,
            )
            yield
    yield from _fill_maps(scene, run, source, map_names)
    yield from _fill_samples(scene, run, source)
    yield
    for role, name, rows, titles in (
        ("label_table", "Structures", record.labels, columns.STRUCTURES),
        ("landmark_table", "Landmarks", record.landmarks, columns.LANDMARKS),
    ):
        if rows:
            table, _ = nodes.find_or_add(scene, run, role, "vtkMRMLTableNode", name)
            tables.fill_table(table, record.bounded(rows), titles)
    _fill_landmarks(scene, run, record.landmarks)
    yield from plots.fill_validation(scene, run, source)
    yield
    seen = yield from fill_dose(scene, run, source)
    metadata = _metadata(record) | fill_acceptance(scene, run, source) | seen
    metadata |= {
        "Folder": str(source.path.absolute()),
        "Time": source.written.strftime("%Y-%m-%d %H:%M:%S"),
    }
    attributes = {f"UncertainReg.{key}": value for key, value in metadata.items()}
    for node in nodes.of_run(scene, run):
        nodes.set_attributes(node, attributes)
    bound = bound_of(record.expected_error, record.calibration)
    for name in (EXPECTED, DISAGREEMENT):
        show_bound(
            nodes.find(scene, run, f"map:{name}"), bound if bound and bound.map == name else None
        )
    fixed = inputs.linked(nodes.find(scene, run, "transform"))["fixed"]
    nodes.put_in_folder(scene, run, _title(record), fixed)


def _fill_maps(
    scene, run: str, source: ResultFolder, map_names: Iterable[str] | None
) -> Steps[None]:
    listed = source.record.maps
    wanted = set(listed) if map_names is None else set(map_names)
    names = in_order(name for name in listed if name in wanted)  # first the one that is shown first
    inside = None
    if any(nodes.find(scene, run, f"map:{name}") is None for name in names):
        inside = _area_of_maps(scene, run, source)
        yield
    for name in names:
        path, unit = source.file(listed[name].file), listed[name].unit
        if path is None:
            continue
        show = partial(
            maps.set_map, name=name, unit=unit, inside=None if name == "validity" else inside
        )
        node = yield from nodes.fill(
            scene,
            run,
            f"map:{name}",
            "vtkMRMLScalarVolumeNode",
            kind_of(name, unit).heading,
            path,
            maps.read_map,
            show,
            source.warnings,
        )
        if node is not None:
            node.SetDescription(listed[name].meaning)
            shown = "%" if kind_of(name).is_ratio else unit
            nodes.set_attributes(node, {"UncertainReg.Unit": shown})
        yield


def _area_of_maps(scene, run: str, source: ResultFolder) -> Image | None:
    """Where new maps mean something: where the main one does, if it is there already."""
    main = nodes.find(scene, run, "map:uncertainty_mm")
    if main is not None and main.GetImageData() is not None:
        return maps.area_of(main)
    try:
        return inputs.area_of_interest(scene, run, source)
    except (RuntimeError, ValueError) as error:  # no mask: show the maps everywhere
        source.warnings.append(str(error).strip().splitlines()[-1])
        return None


def _fill_samples(scene, run: str, source: ResultFolder) -> Steps[None]:
    record = source.record
    files = [source.file(name) for name in record.samples.files]
    weights = record.log_weights or [0.0] * len(files)
    present = [(path, weight) for path, weight in zip(files, weights) if path is not None]
    if present:
        yield from update_samples(scene, run, present, source.warnings)


def _fill_landmarks(scene, run: str, rows: list[dict]) -> None:
    rows = [row for row in rows if row.get("mean_lps")]
    if not rows:
        return
    points, is_new = nodes.find_or_add(
        scene, run, "landmarks", "vtkMRMLMarkupsFiducialNode", "Landmarks in the fixed image"
    )
    landmarks.set_points(points, rows, "mean_lps")
    if is_new:
        landmarks.style_points(points, len(rows))
    ellipsoids, is_new = nodes.find_or_add(
        scene, run, "ellipsoids", "vtkMRMLModelNode", "Ellipsoids of the samples"
    )
    if is_new:
        landmarks.style_ellipsoids(ellipsoids)
    main = nodes.find(scene, run, f"map:{DISAGREEMENT}")
    landmarks.set_ellipsoids(ellipsoids, rows, display_of(main) if main is not None else None)


def _metadata(record: Record) -> dict[str, str]:
    """What the nodes remember of result.json, as attributes ``UncertainReg.<key>``."""
    samples = record.samples
    return {
        "Status": record.status,
        "Backbone": str(record.backbone.name),
        "Title": str(record.backbone.title or record.backbone.name),
        "Method": str(record.method),
        "Parameters": json.dumps(record.parameters),
        "Seed": str(record.seed),
        "Samples": f"{samples.finished} of {samples.asked}",
        "Versions": json.dumps(record.versions),
        "Warnings": json.dumps(record.warnings),
        "Modes": json.dumps([asdict(mode) for mode in record.modes]),
        "BestSample": json.dumps(record.best_sample),
        "OracleSample": json.dumps(record.oracle_sample),
        "Calibration": _json(record.calibration),
        "ExpectedError": _json(record.expected_error),
        "Competence": _json(record.competence),
        "BeforeAfter": _json(record.before_after),
        "Given": _json(record.given),
        "Strays": json.dumps(samples.strays_mm),
        "Sampling": _json(replace(samples, files=[], log_weights=[], status=[])),
    }


def _json(entry) -> str:
    """An entry of a record as text, without what it does not say."""
    if entry is None:
        return "null"
    return json.dumps({name: value for name, value in asdict(entry).items() if value is not None})


def _title(record: Record) -> str:
    names = [
        record.inputs[key].title if key in record.inputs else "?" for key in ("fixed", "moving")
    ]
    return f"UncertainReg: {names[0]} from {names[1]} ({record.backbone.title or 'registration'})"
