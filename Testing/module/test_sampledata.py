"""The sample data: registered without a download, and exactly what the code makes."""

import sys
import types

import numpy as np
import pytest

import sample_data

slicer = pytest.importorskip("slicer")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    return folder, sample_data.write_sample_data(folder)


@pytest.fixture
def registered(module, monkeypatch):
    """What the Sample Data module is told."""
    told = []
    logic = types.SimpleNamespace(
        registerCustomSampleDataSource=lambda **entries: told.append(entries)
    )
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    module.registerSampleData()
    return told


def test_registered_with_the_sums_of_the_files(registered, files):
    _, sums = files
    (entry,) = registered
    found = dict(zip(entry["fileNames"], entry["checksums"]))
    assert found == {name: f"SHA256:{digest}" for name, digest in sums.items()}
    for name, uri in zip(entry["fileNames"], entry["uris"]):
        assert uri.startswith("https://github.com/UncertainReg/") and uri.endswith("/" + name)
    assert len(entry["nodeNames"]) == len(entry["loadFileTypes"]) == len(found)


def test_registration_waits_for_the_application_to_start(host, monkeypatch, module):
    asked = []
    monkeypatch.setattr(slicer.app, "connect", lambda signal, slot: asked.append((signal, slot)))
    module.UncertainReg(types.SimpleNamespace(path="", title="", categories=[]))
    assert ("startupCompleted()", module.registerSampleData) in asked


def test_files_are_small_and_open_in_slicer(files, host):
    folder, sums = files
    assert sum((folder / name).stat().st_size for name in sums) < 2e6
    scene = slicer.mrmlScene
    points = {}
    for name in ("Fixed", "Moving"):
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
        storage = scene.AddNewNodeByClass("vtkMRMLMarkupsJsonStorageNode")
        storage.SetFileName(str(folder / f"UncertainReg{name}.mrk.json"))
        assert storage.ReadData(node)
        points[name] = slicer.util.arrayFromMarkupsControlPoints(node)
    moved = np.linalg.norm(points["Moving"] - points["Fixed"], axis=1)
    assert len(moved) == len(sample_data.LANDMARKS) and 2.0 < moved.max() < 9.0
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Structures")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(folder / "UncertainRegMoving.seg.nrrd"))
    assert storage.ReadData(segmentation)
    names = [segmentation.GetSegmentation().GetNthSegment(n).GetName() for n in range(3)]
    assert names == list(sample_data.STRUCTURES)
