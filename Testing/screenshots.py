"""The pictures of the README, from real runs of the real image pairs.

    python Testing/screenshots.py [FOLDER]

Runs (or finds in FOLDER) the brain and the lung pair, and draws them with Slicer's own view code.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "Resources" / "Screenshots"


def lung(data: Path, folder: Path) -> list:
    """Options of the lung pair: masks, and landmarks of both images."""
    lung = data / "lung_ct_followup"
    folder.mkdir(parents=True, exist_ok=True)
    with open(lung / "landmarks_lps.csv", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    for name, first in (("fixed", 1), ("moving", 4)):
        lines = ["label,x,y,z", *(",".join([row[0], *row[first:first + 3]]) for row in rows)]
        (folder / f"{name}_points.csv").write_text("\n".join(lines))
    return ["--fixed", lung / "baseline.mha", "--moving", lung / "followup.mha",
            "--fixed-mask", lung / "baseline_mask.mha",
            "--moving-mask", lung / "followup_mask.mha",
            "--fixed-labels", lung / "baseline_mask.mha",
            "--moving-labels", lung / "followup_mask.mha",
            "--fixed-points", folder / "fixed_points.csv",
            "--moving-points", folder / "moving_points.csv"]


def main(folder: Path) -> None:
    """Run what is missing, then draw."""
    from demo import two_brains

    from UncertainRegLib.__main__ import main as command
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.pictures import Panel
    from UncertainRegLib.scene.result import load_result

    data = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, options in (("brain", two_brains(data)),
                          ("lung", lung(data, folder / "points"))):
        out = folder / name
        if not (out / "result.json").is_file() and command(
                ["run", *map(str, options), "--out", str(out)]):
            sys.exit(1)
        with HeadlessScene() as headless:
            panel = Panel(headless)
            result = load_result(out, headless.scene)
            panel.save_picture(result, PICTURES / f"{name}.png")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
