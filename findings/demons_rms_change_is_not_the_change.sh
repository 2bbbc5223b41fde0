#!/bin/sh
# The demons filters of ITK report an RMS change, and stop where it falls below MaximumRMSError. It is
# that of the update before the field is smoothed. When smoothing takes each update back, the field
# stands still and the reported change does not fall: the number of iterations alone ends the search.
# Needs python3 and a package index; leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check SimpleITK==2.5.5 numpy==2.3.5
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import SimpleITK as sitk

noise = np.random.default_rng(0).normal(size=(48, 48, 48)).astype(np.float32)
fixed = sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(noise), 3.0)
moving = sitk.Resample(fixed, sitk.TranslationTransform(3, (1.5, -1.0, 0.5)))


def registered(iterations):
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfIterations(iterations)
    demons.SetStandardDeviations(1.0)
    demons.SetMaximumRMSError(0.05)
    return sitk.GetArrayFromImage(demons.Execute(fixed, moving)), demons


before, _ = registered(400)
after, demons = registered(401)
reported = demons.GetRMSChange()
real = float(np.sqrt(np.square(after - before).sum(-1).mean()))
print("SimpleITK", sitk.Version.VersionString())
print("Diffeomorphic demons, told to stop below an RMS change of 0.05, does all 401 iterations and reports "
      "a change in the last one that is about ten times that of its field.")
print(f"seen: {demons.GetElapsedIterations()} iterations; reported {reported:.4f}, real {real:.6f}")
sys.exit(0 if demons.GetElapsedIterations() == 401 and reported > 0.05 and real < reported / 8
         else "This has changed.")
PY
