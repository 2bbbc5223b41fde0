"""The sample data of the extension, made by code: a pair whose true registration is known.

    python Examples/sample_data.py FOLDER

writes the five files (1.5 MB) and prints their SHA-256 sums. The release that
``UncertainRegParts/sampledata.py`` points to must carry exactly these files; a test compares the
sums, so a change here needs new ones there and a new release.

An organ with texture, in it a lesion and a cyst of one grey value where nothing holds a
registration. The fixed image is the moving one, deformed by up to 7 mm and made noisy.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from support.phantoms import smooth_field, textured  # noqa: E402
from UncertainRegLib.geometry import Grid, Image, warp  # noqa: E402
from UncertainRegLib.geometry.image import to_sitk  # noqa: E402

GRID = Grid.from_spacing((64, 72, 64), (2.5, 2.5, 2.5), (-80.0, -90.0, -80.0))
AMPLITUDE_MM, NOISE = 5.0, 1.5  # of each component of the displacement; grey values
# name: (centre from that of the image, radius) in mm, colour
STRUCTURES = {
    "Organ": (None, None, (0.87, 0.6, 0.45)),
    "Lesion": ((-22.0, 8.0, 10.0), 11.0, (0.3, 0.72, 1.0)),
    "Cyst": ((22.0, -6.0, -8.0), 17.0, (0.35, 0.85, 0.5)),
}
LANDMARKS = {
    "lesion tip": (-22.0, 8.0, 21.0),
    "cyst wall": (22.0, -23.0, -8.0),
    "hilum": (0.0, 20.0, 0.0),
    "apex": (0.0, 0.0, 45.0),
    "lateral edge": (-52.0, 0.0, 0.0),
    "middle of the cyst": (22.0, -6.0, -8.0),
}
MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)


def phantom() -> tuple[Image, Image]:
    """The moving image, grey values 0 to 130, and its labels in the order of STRUCTURES."""
    moving = textured(GRID, seed=11)
    place = GRID.points(np.zeros(0)) - GRID.center
    labels = (((place / (0.4 * GRID.extent_mm)) ** 2).sum(-1) < 1.0).astype(np.uint8)
    for number, (center, radius, _) in enumerate(STRUCTURES.values(), 1):
        if center is not None:
            inside = np.linalg.norm(place - center, axis=-1) < radius
            labels[inside] = number
            moving.array[inside] = 105.0 if number == 2 else 45.0
    return moving, Image(labels, GRID)


def write_sample_data(folder: Path) -> dict[str, str]:
    """Write the files; returns {file name: SHA-256}."""
    import SimpleITK as sitk

    folder.mkdir(parents=True, exist_ok=True)
    moving, labels = phantom()
    truth = smooth_field(GRID, AMPLITUDE_MM)
    noise = np.random.default_rng(12).normal(0.0, NOISE, (2, *GRID.shape))
    fixed = warp(moving, truth)
    for name, image, grain in (("Fixed", fixed, noise[0]), ("Moving", moving, noise[1])):
        array = np.rint(image.array + grain).astype(np.int16)
        sitk.WriteImage(to_sitk(Image(array, GRID)), str(folder / f"UncertainReg{name}.nrrd"))
    segmentation = to_sitk(labels)
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
    fixed_points = GRID.center + np.array(list(LANDMARKS.values()))
    for name, points in (("Fixed", fixed_points), ("Moving", truth.map(fixed_points))):
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
