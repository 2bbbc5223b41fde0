"""The main job on a real brain: leaves a result folder, a 3D Slicer scene and pictures.

    python Examples/demo.py OUT

With the real image pairs beside the project, one brain is registered to another (13 structures).
Without them the MNI152 brain that comes with nilearn is deformed by a known field and found
again, so that the disagreement can be compared with the true error.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = os.environ.get("UNCERTAINREG_DEMO_SAMPLES", "16")
MADE = ("input", "result", "scene.mrb", "overlay.png", "samples.gif", "about.txt")
ABOUT = """Made by `make demo` of UncertainReg; the next one replaces the files named here.
result       displacement fields, maps and tables
scene.mrb    the same for 3D Slicer
overlay.png, samples.gif    pictures (where the machine can draw them)
input        the images that were made for it (where no real pair was at hand)
"""


def two_brains(data: Path) -> list[str]:
    """Options that register subject C to subject A."""
    brain = data / "brain_t1_inter"
    return [
        "--fixed",
        brain / "subA_t1.nii.gz",
        "--moving",
        brain / "subC_aligned_t1.nii.gz",
        "--fixed-labels",
        brain / "subA_seg13.nii.gz",
        "--moving-labels",
        brain / "subC_aligned_seg13.nii.gz",
        "--label-names",
        brain / "structures13.json",
    ]


def deformed_template(folder: Path) -> list[str]:
    """Options that register the MNI152 brain to a deformed copy of itself; writes both."""
    from nilearn import datasets

    from UncertainRegLib.geometry import Image, read_image, warp, write_field, write_image
    from UncertainRegLib.perturbations import Deform

    folder.mkdir(parents=True)
    volumes = {
        "moving": datasets.load_mni152_template(resolution=2),
        "grey": datasets.load_mni152_gm_template(resolution=2),
        "white": datasets.load_mni152_wm_template(resolution=2),
    }
    images = {}
    for name, volume in volumes.items():
        volume.to_filename(folder / f"{name}.nii.gz")
        images[name] = read_image(folder / f"{name}.nii.gz")
    moving = images["moving"]
    generator = np.random.default_rng(7)
    truth = Deform(10, 0.35).draw(moving.grid, generator).field(moving.grid)
    fixed = warp(moving, truth)
    noise = generator.normal(0, 0.02 * moving.array.max(), fixed.array.shape)
    labels = 1 * (images["grey"].array > 0.5)
    labels[images["white"].array > 0.5] = 2
    labels = Image(labels.astype(np.uint8), moving.grid)
    write_image(
        Image((fixed.array + noise * (fixed.array > 0)).astype(np.float32), fixed.grid),
        folder / "fixed.nii.gz",
    )
    write_image(labels, folder / "moving_labels.nii.gz")
    write_image(warp(labels, truth, 0, "nearest"), folder / "fixed_labels.nii.gz")
    write_field(truth, folder / "truth.nrrd")
    (folder / "names.json").write_text('{"1": "Grey matter", "2": "White matter"}', "utf-8")
    return [
        "--fixed",
        folder / "fixed.nii.gz",
        "--moving",
        folder / "moving.nii.gz",
        "--fixed-labels",
        folder / "fixed_labels.nii.gz",
        "--moving-labels",
        folder / "moving_labels.nii.gz",
        "--label-names",
        folder / "names.json",
    ]


def compare_with_truth(out: Path, truth_file: Path) -> None:
    """Print how the disagreement and the true error go together inside the brain."""
    from UncertainRegLib.geometry import read_field, read_image, read_labels
    from UncertainRegLib.metrics.correlation import spearman

    truth = read_field(truth_file)
    brain = read_labels(truth_file.parent / "fixed_labels.nii.gz").array > 0
    found = read_field(out / "result" / "transform.nrrd")
    error = np.linalg.norm(found.vectors - truth.vectors, axis=-1)[brain]
    u = read_image(out / "result" / "maps" / "uncertainty_mm.nrrd").array[brain]
    print(
        f"Known truth: {np.linalg.norm(truth.vectors, axis=-1)[brain].mean():.1f} mm of motion, "
        f"{error.mean():.2f} mm of error left; its rank correlation with the disagreement is "
        f"{spearman(u, error):.2f}."
    )


def clear(out: Path) -> None:
    """Remove what an earlier demo left, finished or not; anything else is kept.

    Raises:
        ValueError: the folder holds something and is not one of this demo.
    """
    known = (out / "about.txt").is_file() or (out / "result" / "result.json").is_file()
    if out.exists() and not known and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: is not a folder of this demo; name another one.")
    for name in MADE:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        else:
            (out / name).unlink(missing_ok=True)


def save_pictures(out: Path) -> None:
    """overlay.png and samples.gif, drawn by Slicer's own view code."""
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.pictures import Panel
    from UncertainRegLib.scene.result import load_result
    from UncertainRegLib.scene.views import NoOpenGLError

    try:
        with HeadlessScene() as headless:
            panel = Panel(headless)
            result = load_result(out / "result", headless.scene)
            panel.save_picture(result, out / "overlay.png")
            panel.save_animation(result, out / "samples.gif")
        print(f"Pictures: {out / 'overlay.png'}, {out / 'samples.gif'}")
    except NoOpenGLError as error:
        print(f"No pictures: {error}")


def main(out: Path) -> int:
    """Run the demo; returns the exit code of the run."""
    from UncertainRegLib.__main__ import main as command

    try:
        clear(out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    out.mkdir(parents=True, exist_ok=True)
    (out / "about.txt").write_text(ABOUT, encoding="utf-8")
    data = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
    here = (data / "brain_t1_inter").is_dir()
    options = two_brains(data) if here else deformed_template(out / "input")
    code = command(
        [
            "run",
            *map(str, options),
            "--out",
            str(out / "result"),
            "--scene",
            str(out / "scene.mrb"),
            "--samples",
            SAMPLES,
        ]
    )
    if code:
        return code
    truth = out / "input" / "truth.nrrd"
    if truth.is_file():
        compare_with_truth(out, truth)
    save_pictures(out)
    print(f"Scene for 3D Slicer: {out / 'scene.mrb'}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")))
