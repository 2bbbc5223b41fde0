"""Everything that must survive saving a scene, as one JSON-able dictionary."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import slicer
import vtk

from UncertainRegLib.scene.bundle import read_bundle
from UncertainRegLib.scene.headless import HeadlessScene
from UncertainRegLib.scene.legend import legend_of
from UncertainRegLib.scene.nodes import find_folder
from UncertainRegLib.scene.result import find_results
from UncertainRegLib.scene.result_nodes import ResultNodes


def facts(result: ResultNodes, headless: HeadlessScene) -> dict:
    """Values, geometry, display, links, tables, sequence, folder and attributes of a run."""
    return {
        "run": result.run,
        "transforms": {
            name: _transform(getattr(result, name))
            for name in ("transform", "mean_transform", "sample_transform")
        },
        "maps": {name: _volume(node) | _map_display(node) for name, node in result.maps.items()},
        "fixed": _volume(result.fixed),
        "moving": _volume(result.moving),
        "parents": {
            name: getattr(result, name).GetParentTransformNode().GetName()
            for name in ("moving", "moving_segmentation", "moving_points")
        },
        "segments": _segments(result.moving_segmentation),
        "samples": [
            _transform(result.sample_sequence.GetNthDataNode(i))
            for i in range(result.sample_sequence.GetNumberOfDataNodes())
        ],
        "browser": _browser(result),
        "tables": [_table(result.label_table), _table(result.landmark_table)],
        "points": [_points(result.landmarks), _points(result.moving_points)],
        "ellipsoids": _array(slicer.util.arrayFromModelPoints(result.ellipsoids)),
        "folder": _folder(result),
        "attributes": {
            name: result.transform.GetAttribute(name)
            for name in sorted(result.transform.GetAttributeNames())
        },
        "layers": {
            name: [
                logic.GetSliceCompositeNode().GetBackgroundVolumeID(),
                logic.GetSliceCompositeNode().GetForegroundVolumeID(),
                round(logic.GetSliceCompositeNode().GetForegroundOpacity(), 6),
            ]
            for name, logic in headless.slices.items()
        },
    }


def _array(array: np.ndarray) -> str:
    array = np.ascontiguousarray(array, dtype=np.float32)
    return f"{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


def _transform(node) -> list:
    grid = node.GetTransformFromParentAs("vtkOrientedGridTransform")
    image, direction = grid.GetDisplacementGrid(), grid.GetGridDirectionMatrix()
    return [
        _array(vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())),
        np.round([*image.GetOrigin(), *image.GetSpacing()], 4).tolist(),
        np.round(slicer.util.arrayFromVTKMatrix(direction), 6).tolist(),
        node.GetAttribute("UncertainReg.LogWeight"),
    ]


def _volume(node) -> dict:
    """Values and matrix; Slicer reverses the slices of left-handed volumes when it reads them."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix = slicer.util.arrayFromVTKMatrix(matrix).copy()
    array = np.nan_to_num(slicer.util.arrayFromVolume(node), nan=-999.0)
    if np.linalg.det(matrix) < 0:
        matrix[:3, 3] += matrix[:3, 2] * (array.shape[0] - 1)
        matrix[:3, 2] *= -1
        array = array[::-1]
    return {"values": _array(array), "matrix": np.round(matrix, 3).tolist()}


def _map_display(node) -> dict:
    display, legend = node.GetDisplayNode(), legend_of(node)
    colors, rgba = display.GetColorNode(), np.zeros(4)
    colors.GetColor(128, rgba)
    return {
        "window": [display.GetWindowLevelMin(), display.GetWindowLevelMax()],
        "threshold": [display.GetApplyThreshold(), display.GetLowerThreshold()],
        "colors": [colors.GetName(), colors.GetNumberOfColors(), np.round(rgba, 2).tolist()],
        "legend": [
            legend.GetTitleText(),
            legend.GetNumberOfLabels(),
            legend.GetTitleTextProperty().GetFontSize(),
            legend.GetPrimaryDisplayNode().GetID() == display.GetID(),
        ],
        "text": [node.GetName(), node.GetDescription(), node.GetAttribute("UncertainReg.Unit")],
    }


def _segments(node) -> list:
    segments = node.GetSegmentation()
    return [
        [
            segments.GetNthSegment(i).GetName(),
            np.round(segments.GetNthSegment(i).GetColor(), 3).tolist(),
            int(
                slicer.util.arrayFromSegmentInternalBinaryLabelmap(
                    node, segments.GetNthSegmentID(i)
                )
                .astype(bool)
                .sum()
            ),
        ]
        for i in range(segments.GetNumberOfSegments())
    ]


def _browser(result) -> list:
    browser = result.sample_browser
    return [
        browser.GetPlaybackRateFps(),
        browser.GetPlaybackItemSkippingEnabled(),
        browser.GetPlaybackLooped(),
        browser.GetSelectedItemNumber(),
        browser.GetSaveChanges(result.sample_sequence),
        browser.GetNumberOfItems(),
    ]


def _table(node) -> dict:
    table = node.GetTable()
    return {
        table.GetColumnName(c): [
            node.GetColumnTitle(table.GetColumnName(c)),
            node.GetColumnUnitLabel(table.GetColumnName(c)),
            node.GetColumnType(table.GetColumnName(c)),
            [str(table.GetValue(r, c)) for r in range(table.GetNumberOfRows())],
        ]
        for c in range(table.GetNumberOfColumns())
    }


def _points(node) -> list:
    return [
        [
            node.GetNthControlPointLabel(i),
            node.GetNthControlPointDescription(i),
            np.round(node.GetNthControlPointPosition(i), 3).tolist(),
        ]
        for i in range(node.GetNumberOfControlPoints())
    ]


def _folder(result) -> list:
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(result.scene)
    item, children = find_folder(result.scene, result.run), vtk.vtkIdList()
    tree.GetItemChildren(item, children)
    return [
        tree.GetItemName(item),
        sorted(tree.GetItemName(children.GetId(i)) for i in range(children.GetNumberOfIds())),
    ]


if __name__ == "__main__":
    with HeadlessScene() as headless:
        read_bundle(sys.argv[1], headless.scene)
        print(json.dumps([facts(result, headless) for result in find_results(headless.scene)]))
