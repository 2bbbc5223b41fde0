#!/bin/sh
# SimpleITK drops the whole sform of a NIfTI file, its shift too, when it is sheared by 0.5 degrees
# and a qform with code 1 is there. Needs python3 and a package index; leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check SimpleITK==2.5.5 nibabel==5.4.2 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import nibabel
import numpy as np
import SimpleITK as sitk

path, found = f"{sys.argv[1]}/image.nii", {}
for degrees in (0.0, 0.005, 0.5):
    sform = np.eye(4)
    sform[1, 2], sform[:3, 3] = np.tan(np.radians(degrees)), 30.0
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), None)
    image.set_sform(sform, 1)
    image.set_qform(np.eye(4), 1)
    nibabel.save(image, path)
    origin = np.array(sitk.ReadImage(path).GetOrigin()) * [-1, -1, 1] + 0.0  # RAS
    found[degrees] = origin.round(6).tolist()
print("SimpleITK", sitk.Version.VersionString(), "nibabel", nibabel.__version__)
print("Beside a qform of code 1, an sform of code 1 is obeyed until it is sheared a little; then all "
      "of it is dropped, here its shift of 30 mm along each axis too, without an error.")
print("seen, origin in RAS mm by shear in degrees:", found)
sys.exit(0 if found == {0.0: [30.0] * 3, 0.005: [30.0] * 3, 0.5: [0.0] * 3} else "This has changed.")
PY
