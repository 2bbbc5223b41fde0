"""The sample data of the extension, made by code: a pair whose true registration is known.

    python Examples/sample_data.py FOLDER

writes the five files (1.5 MB) and prints their SHA-256 sums. The release that
``UncertainRegParts/sampledata.py`` points to must carry exactly these files; a test compares the
sums, so a change here needs new ones there and a new release.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from UncertainRegLib.geometry.image import to_sitk  # noqa: E402
from UncertainRegLib.sample_pair import LANDMARKS, STRUCTURES, sample_pair  # noqa: E402

MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)


def write_sample_data(folder: Path) -> dict[str, str]:
    """Write the files; returns {file name: SHA-256}."""
    import SimpleITK as sitk

    folder.mkdir(parents=True, exist_ok=True)
    pair = sample_pair()
    for name, image in (("Fixed", pair.fixed), ("Moving", pair.moving)):
        sitk.WriteImage(to_sitk(image), str(folder / f"UncertainReg{name}.nrrd"))
    segmentation = to_sitk(pair.labels)
    for number, (name, (_, _, color)) in enumerate(STRUCTURES.items()):
        for key, value in {
            "ID": f"Segment_{number + 1}",
            "Name": name,
            "LabelValue": number + 1,
            "Layer": 0,
            "Color": " ".join(map(str, color)),
        }.items():
            segmentation.SetMetaData(f"Segment{number}_{key}", str(value))
    sitk.WriteImage(segmentation, str(folder / "UncertainRegMoving.seg.nrrd"))
    for name, points in (("Fixed", pair.fixed_points), ("Moving", pair.moving_points)):
        markups = {
            "@schema": MARKUPS_SCHEMA,
            "markups": [
                {
                    "type": "Fiducial",
                    "coordinateSystem": "LPS",
                    "coordinateUnits": "mm",
                    "controlPoints": [
                        {"label": label, "position": [round(float(x), 3) for x in point]}
                        for label, point in zip(LANDMARKS, points)
                    ],
                }
            ],
        }
        text = json.dumps(markups, indent=1)
        (folder / f"UncertainReg{name}.mrk.json").write_text(text + "\n", "utf-8", newline="\n")
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


if __name__ == "__main__":
    for file, digest in write_sample_data(Path(sys.argv[1])).items():
        print(f"{digest}  {file}")
