#!/bin/sh
# SimpleITK ignores the measurement frame of a vector NRRD: it turns the geometry of a file in RAS
# to LPS, but not the vectors. Needs python3 and a package index; leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check SimpleITK==2.5.5
"$folder/venv/bin/python" - "$folder" <<'PY'
import struct
import sys
from pathlib import Path

import SimpleITK as sitk

path = Path(sys.argv[1]) / "field.nrrd"
path.write_bytes(b"NRRD0005\ntype: float\ndimension: 4\nspace: right-anterior-superior\n"
                 b"sizes: 3 4 4 4\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\n"
                 b"kinds: vector domain domain domain\nendian: little\nencoding: raw\n"
                 b"measurement frame: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (10,20,30)\n\n"
                 + struct.pack("<3f", 1.0, 2.0, 3.0) * 64)
image = sitk.ReadImage(str(path))
seen = image.GetOrigin(), image.GetPixel(0, 0, 0)
print("SimpleITK", sitk.Version.VersionString())
print("A field in right-anterior-superior whose measurement frame says that its vectors are in RAS "
      "too: the origin is turned to LPS, the vector (1, 2, 3) is not; it is (-1, -2, 3) in LPS.")
print("seen: origin", seen[0], "vector", seen[1])
sys.exit(0 if seen == ((-10.0, -20.0, 30.0), (1.0, 2.0, 3.0)) else "This has changed.")
PY
