#!/bin/sh
# SimpleITK reads a DICOM RT Dose whose planes are unevenly spaced (allowed: each has an offset of its
# own) as if all distances were the first one, without a word. Needs python3 and a package index;
# leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check SimpleITK==2.5.5 pydicom==3.0.2 numpy==2.3.5
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

path = Path(sys.argv[1]) / "dose.dcm"
meta = FileMetaDataset()
meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.2"
meta.MediaStorageSOPInstanceUID = generate_uid()
meta.TransferSyntaxUID = ExplicitVRLittleEndian
data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
data.SOPClassUID = meta.MediaStorageSOPClassUID
data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
data.Modality, data.DoseUnits, data.DoseType = "RTDOSE", "GY", "PHYSICAL"
data.DoseSummationType, data.DoseGridScaling = "PLAN", 0.001
data.NumberOfFrames, data.Rows, data.Columns = 4, 3, 3
data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
data.BitsAllocated = data.BitsStored = 32
data.HighBit, data.PixelRepresentation = 31, 0
data.FrameIncrementPointer = 0x3004000C
data.ImagePositionPatient = [0, 0, -40]
data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
data.PixelSpacing = [2, 2]
data.GridFrameOffsetVector = [0, 3, 6, 12]
data.PixelData = np.arange(36, dtype="<u4").tobytes()
data.save_as(path, enforce_file_format=True)
image = sitk.ReadImage(str(path))
seen = image.GetSize(), image.GetSpacing()
last = image.TransformIndexToPhysicalPoint((0, 0, 3))[2]
print("SimpleITK", sitk.Version.VersionString(), "pydicom", pydicom.__version__)
print("An RT Dose with planes at 0, 3, 6 and 12 mm from -40 mm is read as one with planes 3 mm apart: "
      "its last plane, at -28 mm, is put at -31 mm.")
print("seen: size", seen[0], "spacing", seen[1], "last plane at", last)
sys.exit(0 if seen == ((3, 3, 4), (2.0, 2.0, 3.0)) and last == -31.0 else "This has changed.")
PY
