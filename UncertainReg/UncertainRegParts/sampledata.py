"""A small pair with known truth for Slicer's Sample Data module; nothing is downloaded here."""

from __future__ import annotations

from pathlib import Path

ICON = Path(__file__).resolve().parent.parent / "Resources" / "Icons" / "UncertainReg.png"
URL = "https://github.com/UncertainReg/SlicerUncertainReg/releases/download/SampleData/"
# file: (name of the node, kind of file, SHA-256); Examples/sample_data.py makes the files
FILES = {
    "UncertainRegFixed.nrrd": (
        "UncertainRegFixed",
        "VolumeFile",
        "8d0c0e21d028770f05e9ddc0bb263693ccb86879b0f4f4af02ff54632363dbc4",
    ),
    "UncertainRegMoving.nrrd": (
        "UncertainRegMoving",
        "VolumeFile",
        "c52e84414323dc830bda3d072200e2f1dae1149f132c32ef7e3b08a4424ca7c1",
    ),
    "UncertainRegMoving.seg.nrrd": (
        "UncertainRegMovingStructures",
        "SegmentationFile",
        "325ae6809859c646120ec1f902e3ed7db3adc18213d2afc2f39f742b3c75aecd",
    ),
    "UncertainRegMoving.mrk.json": (
        "UncertainRegMovingLandmarks",
        "MarkupsFile",
        "97f94061466bb0a451533fcd775c989acc0d32cdb64e32493a45d39cd2577be3",
    ),
    "UncertainRegFixed.mrk.json": (
        "UncertainRegTrueLandmarks",
        "MarkupsFile",
        "f8096cd0f03c588e30c1273c0e18a74b2ee5d33195acecf1ea45ba5e74433d32",
    ),
}


def registerSampleData() -> None:
    """Offer the pair in the Sample Data module; called when the application has started."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="UncertainReg",
        sampleName="UncertainRegPair",
        thumbnailFileName=str(ICON),
        uris=[URL + name for name in FILES],
        fileNames=list(FILES),
        nodeNames=[node for node, _kind, _digest in FILES.values()],
        loadFileTypes=[kind for _node, kind, _digest in FILES.values()],
        checksums=[f"SHA256:{digest}" for _node, _kind, digest in FILES.values()],
    )
