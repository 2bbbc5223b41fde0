"""The sampled registrations as a sequence whose current item moves the moving image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer

from ..posterior.weights import normalised
from . import nodes
from .steps import Steps
from .transform import read_transform, set_field, store_compressed

FRAMES_PER_SECOND = 4.0


def update_samples(
    scene: slicer.vtkMRMLScene, run: str, samples: list[tuple[Path, float]], warnings: list[str]
) -> Steps[None]:
    """Bring the sample sequence and its browser up to date from (file, log-weight) pairs, one new
    file a step.

    The browser keeps one proxy transform that always holds the selected sample. Only new or
    changed files are read; one that cannot be read becomes a warning. A log-weight of -inf leaves a
    sample out of everything that is made of them.
    """
    sequence = nodes.find(scene, run, "sample_sequence")
    items = {}
    for index, (path, _weight) in enumerate(samples):
        present = sequence.GetDataNodeAtValue(str(index)) if sequence is not None else None
        if present is None or not nodes.is_current(present, path):
            version = nodes.version_of(path)
            # The general transform class: items have it after loading a saved scene, and a proxy
            # of another class would then be replaced, dropping the moving image.
            item = slicer.vtkMRMLTransformNode()
            item.SetName("Registration sample")
            nodes.tag(item, run, "sample_transform")  # the proxy gets the attributes of its item
            try:
                set_field(item, read_transform(path))
            except (RuntimeError, ValueError) as error:
                warnings.append(nodes.cannot_read(path, error))
            else:
                nodes.set_version(item, version)
                items[index] = item
            yield
    sequence, _ = nodes.find_or_add(
        scene, run, "sample_sequence", "vtkMRMLSequenceNode", "Registration samples"
    )
    blocked = sequence.StartModify()
    sequence.SetIndexName("sample")
    sequence.SetIndexUnit("")
    for index, (_path, log_weight) in enumerate(samples):
        item = items.get(index) or sequence.GetDataNodeAtValue(str(index))
        if item is not None:
            item.SetAttribute("UncertainReg.LogWeight", repr(float(log_weight)))
        if index in items:
            sequence.SetDataNodeAtValue(item, str(index))
    for index in range(len(samples), sequence.GetNumberOfDataNodes()):
        sequence.RemoveDataNodeAtValue(str(index))
    sequence.EndModify(blocked)
    if sequence.GetNumberOfDataNodes():
        add_browser(scene, run, sequence, "sample_browser", "Sample browser", FRAMES_PER_SECOND)


def sample_weights(sequence: slicer.vtkMRMLSequenceNode) -> np.ndarray:
    """(N,) normalised weights of the samples in a sequence."""
    items = [sequence.GetNthDataNode(n) for n in range(sequence.GetNumberOfDataNodes())]
    return normalised([float(item.GetAttribute("UncertainReg.LogWeight") or 0.0) for item in items])


def add_browser(
    scene: slicer.vtkMRMLScene,
    run: str,
    sequence: slicer.vtkMRMLSequenceNode,
    role: str,
    name: str,
    frames_per_second: float,
) -> slicer.vtkMRMLSequenceBrowserNode:
    """Give a sequence of transforms its browser, looped and without skipping."""
    browser, is_new = nodes.find_or_add(scene, run, role, "vtkMRMLSequenceBrowserNode", name)
    if is_new:
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        browser.SetSaveChanges(sequence, False)
        browser.SetOverwriteProxyName(sequence, False)
        browser.SetPlaybackRateFps(frames_per_second)
        browser.SetPlaybackItemSkippingEnabled(False)  # every sample counts the same
        browser.SetPlaybackLooped(True)
        browser.SetSelectedItemNumber(0)
        proxy = browser.GetProxyNode(sequence)
        if proxy is not None:
            store_compressed(proxy)
    return browser
