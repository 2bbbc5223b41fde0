"""Does a transform read here carry points to where the program that wrote it carries them?

    python Testing/benchmarks/given/agreement.py DATA OUT [lung|brain]

Prints the mean and the largest distance in mm over 2,000 points, after `judge.py` made the files.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from given.files import PROGRAMS, itk_image, made
from given.pairs import PAIRS
from UncertainRegLib.geometry import read_field
from UncertainRegLib.geometry.image import grid_from_sitk
from UncertainRegLib.geometry.transform_file import read_transform

POINTS = 2000


def simpleitk(files: list[Path], fixed: sitk.Image, points: np.ndarray) -> np.ndarray:
    """SimpleITK's own transform."""
    transform = sitk.ReadTransform(str(files[0]))
    return np.array([transform.TransformPoint(point.tolist()) for point in points])


def ants(files: list[Path], fixed: sitk.Image, points: np.ndarray) -> np.ndarray:
    """antsApplyTransformsToPoints."""
    import ants as package
    import pandas

    table = pandas.DataFrame(points, columns=["x", "y", "z"])
    found = package.apply_transforms_to_points(3, table, [str(file) for file in files])
    return found[["x", "y", "z"]].to_numpy()


def elastix(files: list[Path], fixed: sitk.Image, points: np.ndarray) -> np.ndarray:
    """The displacement field of transformix."""
    import itk

    folder = files[0].parent
    parameters = itk.ParameterObject.New()
    for name in ("start.txt", "TransformParameters.0.txt", "TransformParameters.1.txt"):
        parameters.AddParameterFile(str(folder / name))
    field = itk.transformix_deformation_field(itk_image(fixed), parameters)
    itk.imwrite(field, str(folder / "deformationField.mha"))
    return read_field(folder / "deformationField.mha").map(points)


def greedy(files: list[Path], fixed: sitk.Image, points: np.ndarray) -> np.ndarray:
    """Greedy's own composition of warp and matrix."""
    from picsl_greedy import Greedy3D

    composed = files[0].parent / "composed.nii.gz"
    Greedy3D().execute(f"-rf fixed -rc {composed} -r {files[0]} {files[1]} -V 0", fixed=fixed)
    return read_field(composed).map(points)


OWN = {"simpleitk": simpleitk, "ants": ants, "elastix": elastix, "greedy": greedy}


def main() -> None:
    """A line for each program and pair."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    for kind in sys.argv[3:] or PAIRS:
        pair = PAIRS[kind](data, out)
        fixed, _, _ = pair.simple()
        grid = grid_from_sitk(fixed)
        index = np.random.default_rng(1).integers(4, grid.size - 4, (POINTS, 3))  # voxel centres
        points = grid.to_world(index.astype(float))
        for name in PROGRAMS:
            files = made(name, pair, out)
            ours, covered = read_transform(files).map(points)
            theirs = OWN[name](files, fixed, points)
            apart = np.linalg.norm(ours - theirs, axis=1)[covered]
            far = np.linalg.norm(ours - points, axis=1).mean()
            print(
                f"{kind} {name}: {apart.mean():.4f} mm mean, {apart.max():.4f} mm at most, of "
                f"{far:.1f} mm moved; {covered.mean():.1%} covered",
                flush=True,
            )


if __name__ == "__main__":
    main()
