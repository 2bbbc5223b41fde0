"""The sampled registrations as a sequence whose current item moves the moving image."""

from __future__ import annotations

from pathlib import Path

import slicer

from . import nodes
from .transform import set_field

FRAMES_PER_SECOND = 4.0


def update_samples(scene: slicer.vtkMRMLScene, run: str,
                   samples: list[tuple[Path, float]]) -> None:
    """Bring the sample sequence and its browser up to date from (file, log-weight) pairs.

    The browser keeps one proxy transform that always holds the selected sample. Only new or
    changed files are read.
    """
    sequence, _ = nodes.find_or_add(
        scene, run, "sample_sequence", "vtkMRMLSequenceNode", "Registration samples")
    blocked = sequence.StartModify()
    sequence.SetIndexName("sample")
    sequence.SetIndexUnit("")
    for index, (path, log_weight) in enumerate(samples):
        present = sequence.GetDataNodeAtValue(str(index))
        if present is None or not nodes.is_current(present, path):
            sequence.SetDataNodeAtValue(_item(path, log_weight, run), str(index))
    for index in range(len(samples), sequence.GetNumberOfDataNodes()):
        sequence.RemoveDataNodeAtValue(str(index))
    sequence.EndModify(blocked)
    _add_browser(scene, run, sequence)


def _item(path: Path, log_weight: float, run: str) -> slicer.vtkMRMLTransformNode:
    """One sample as a transform node outside the scene.

    The class is the general transform node: after loading a saved scene items are of that class,
    and a proxy of another class would be replaced, dropping the moving image.
    """
    item = slicer.vtkMRMLTransformNode()
    item.SetName("Registration sample")
    nodes.tag(item, run, "sample_transform")  # showing an item copies its attributes to the proxy
    item.SetAttribute("UncertainReg.LogWeight", repr(float(log_weight)))
    set_field(item, path)
    nodes.set_current(item, path)
    return item


def _add_browser(scene, run: str, sequence: slicer.vtkMRMLSequenceNode) -> None:
    browser, is_new = nodes.find_or_add(
        scene, run, "sample_browser", "vtkMRMLSequenceBrowserNode", "Sample browser")
    if is_new:
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        browser.SetSaveChanges(sequence, False)
        browser.SetOverwriteProxyName(sequence, False)
        browser.SetPlaybackRateFps(FRAMES_PER_SECOND)
        browser.SetPlaybackItemSkippingEnabled(False)  # every sample counts the same
        browser.SetPlaybackLooped(True)
        browser.SetSelectedItemNumber(0)
