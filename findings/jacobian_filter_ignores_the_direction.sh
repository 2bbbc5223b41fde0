#!/bin/sh
# The Jacobian determinant filter of ITK differentiates along the voxel axes and takes the result as
# if those were x, y and z: on a grid with another direction the determinant is wrong. Needs python3
# and a package index; leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check SimpleITK==2.5.5 numpy==2.3.5
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import SimpleITK as sitk

slopes = np.diag([0.5, -0.5, 0.0])  # d(x) = slopes x: the determinant is 1.5 * 0.5 = 0.75 everywhere


def determinant(direction):
    axes = np.array(direction, float).reshape(3, 3)
    k, j, i = np.meshgrid(*[np.arange(7.0)] * 3, indexing="ij")
    points = np.stack([i, j, k], -1) @ axes.T
    field = sitk.GetImageFromArray(points @ slopes.T, isVector=True)
    field.SetDirection(direction)
    return round(sitk.DisplacementFieldJacobianDeterminant(field)[3, 3, 3], 6)


seen = determinant((1, 0, 0, 0, 1, 0, 0, 0, 1)), determinant((0, 1, 0, 1, 0, 0, 0, 0, 1))
print("SimpleITK", sitk.Version.VersionString())
print("One displacement field sampled on two grids, the second with its first two axes swapped: the "
      "determinant is 0.75 on both, the filter gives another one on the second.")
print("seen:", seen)
sys.exit(0 if seen == (0.75, 1.25) else "This has changed.")
PY
