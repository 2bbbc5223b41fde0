"""A DICOM RT Dose file, as a planning system would write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from UncertainRegLib.geometry import Grid

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
SCALING = 1e-4  # Gy of one step


def write_rt_dose(path: Path, gray: np.ndarray, grid: Grid, **other) -> Path:
    """Write doses (Z, Y, X) in Gy on a right-handed grid; ``other`` replaces what the file says."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RT_DOSE, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = RT_DOSE, meta.MediaStorageSOPInstanceUID
    data.Modality, data.DoseUnits, data.DoseType = "RTDOSE", "GY", "PHYSICAL"
    data.DoseSummationType, data.FrameOfReferenceUID = "PLAN", "1.2.3"
    data.NumberOfFrames, data.Rows, data.Columns = grid.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 32
    data.HighBit, data.PixelRepresentation = 31, 0
    data.FrameIncrementPointer = 0x3004000C
    data.DoseGridScaling = SCALING
    data.ImagePositionPatient = grid.origin.tolist()
    data.ImageOrientationPatient = grid.direction.T[:2].ravel().tolist()
    data.PixelSpacing = [grid.spacing[1], grid.spacing[0]]  # between rows, between columns
    data.GridFrameOffsetVector = (np.arange(grid.shape[0]) * grid.spacing[2]).tolist()
    data.PixelData = np.round(gray / SCALING).astype("<u4").tobytes()
    for name, value in other.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path
