#!/bin/sh
# An NRRD file in left-anterior-superior comes out of SimpleITK with left and right swapped and
# anterior and posterior not turned. Needs python3 and a package index; leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check SimpleITK==2.5.5
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import SimpleITK as sitk

path = Path(sys.argv[1]) / "image.nrrd"
path.write_bytes(b"NRRD0004\ntype: uchar\ndimension: 3\nspace: left-anterior-superior\n"
                 b"sizes: 4 4 4\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
                 b"space origin: (10,20,30)\nencoding: raw\n\n" + bytes(64))
origin = sitk.ReadImage(str(path)).GetOrigin()
print("SimpleITK", sitk.Version.VersionString())
print("An NRRD file in left-anterior-superior is read with its first axis negated instead of its "
      "second: the point (10, 20, 30) mm in LAS is (10, -20, 30) mm in LPS.")
print("seen:", origin)
sys.exit(0 if origin == (-10.0, 20.0, 30.0) else "This has changed.")
PY
