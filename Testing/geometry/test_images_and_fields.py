"""Images and displacement fields as files hold them: each is read right, with a sentence where
something had to be decided, or refused in one sentence. Nothing is misread in silence."""

import re

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import smooth_field
from support.written_files import (
    AT,
    BLOB,
    DICOM,
    PLAIN,
    SHAPE,
    TO_LPS,
    detached,
    dicom,
    lps_of,
    mha,
    nifti,
    nrrd,
    shifted,
    tilted,
    without,
)
from UncertainRegLib.geometry import Grid, read_field, read_image, read_labels
from UncertainRegLib.geometry.files import InputError

pytest.importorskip("nibabel")

LPS_PLAIN = TO_LPS @ PLAIN
STRAIGHT = np.diag([1.0, 1.5, 2.0, 1.0])  # what is assumed without an orientation
METRES = np.diag([1e-3, 1e-3, 1e-3, 1.0])
TILTED = TO_LPS @ tilted(PLAIN, 15)
NII, PAIR = "i.nii", "i.img"
SHEARED = "resampled to a right-angled grid"
PIXDIM = "but 1 x 1.5 x 2 in pixdim"  # the qform, of code 0, is of another spacing


def at(affine):
    """LPS mm of the blob under an index-to-LPS matrix."""
    return (affine @ [*AT, 1.0])[:3]


def cut(path, end):
    path.write_bytes(path.read_bytes()[:end])
    return path


def with_extension(path):
    """A NIfTI file whose header is extended beyond the place where its voxels are said to be."""
    whole = nifti(path, vox_offset=368).read_bytes()
    path.write_bytes(whole[:348] + bytes([1, 0, 0, 0, 64, 0, 0, 0]) + bytes(12) + whole[352:])
    return path


def only_header(path):
    nifti(path)
    path.unlink()
    return path.with_suffix(".hdr")


def analyze(path):
    import nibabel

    image = nibabel.AnalyzeImage(BLOB.T, None)
    image.header.set_zooms((1, 1.5, 2))
    nibabel.save(image, path)
    return path


def replaced(path, old, new):
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    return path


def renamed(path, name):
    return path.rename(path.with_name(name))


def by_itk(path, size=3):
    image = sitk.GetImageFromArray(BLOB if size == 3 else BLOB[0])
    image.SetSpacing((1.0, 1.5, 2.0)[:size])
    sitk.WriteImage(image, str(path))
    return path


def slice_of(folder):
    return next(iter(sorted(dicom(folder).iterdir())))


def empty(folder):
    folder.mkdir()
    return folder


def two_series(folder):
    dicom(folder, "1")
    return dicom(folder, "2")


NAN = np.where(BLOB > 500, np.float32(np.nan), BLOB)
WHOLE = np.round(BLOB).astype(np.int16)
AT_ZERO = "does not say where it lies"
UNPLACED = np.where(np.arange(4) < 3, LPS_PLAIN, np.eye(4))

# name: (writer of the file, where the blob is in LPS mm or None if refused, words of the sentences)
IMAGES = {
    # NIfTI: the two headers
    "both alike": (lambda f: nifti(f / NII), at(LPS_PLAIN), []),
    **{
        f"7 mm apart, codes {s}/{q}": (
            lambda f, s=s, q=q: nifti(f / NII, (PLAIN, s), (shifted(PLAIN, 7), q)),
            at(LPS_PLAIN),
            [rf"differ by up to 12.1 mm; the sform \(code {s}\) is used"],
        )
        for s, q in ((1, 1), (2, 1), (1, 2), (2, 2), (3, 1), (4, 2))
    },
    "sform alone": (
        lambda f: nifti(f / NII, (PLAIN, 2), (shifted(PLAIN, 7), 0)),
        at(LPS_PLAIN),
        [],
    ),
    "qform alone": (
        lambda f: nifti(f / NII, (shifted(PLAIN, 7), 0), (PLAIN, 1)),
        at(LPS_PLAIN),
        [],
    ),
    "less than a tenth of a voxel apart": (
        lambda f: nifti(f / NII, (PLAIN, 1), (shifted(PLAIN, 0.05), 1)),
        at(LPS_PLAIN),
        [],
    ),
    "neither": (
        lambda f: nifti(f / NII, (PLAIN, 0), (PLAIN, 0)),
        at(STRAIGHT),
        ["neither sform nor qform.*left and right may be swapped"],
    ),
    "sheared sform beside a qform, 1/1": (
        lambda f: nifti(f / NII, (tilted(PLAIN, 15), 1), (PLAIN, 1)),
        at(TILTED),
        ["its two headers differ", SHEARED],
    ),
    "sheared sform beside a qform, 2/1": (
        lambda f: nifti(f / NII, (tilted(PLAIN, 15), 2), (PLAIN, 1)),
        at(TILTED),
        ["its two headers differ", SHEARED],
    ),
    "sheared and shifted by half a degree, 1/1": (
        lambda f: nifti(f / NII, (shifted(tilted(PLAIN, 0.5), 30), 1), (PLAIN, 1)),
        lps_of(shifted(tilted(PLAIN, 0.5), 30)),
        ["differ by up to 52"],
    ),
    "sheared sform alone": (
        lambda f: nifti(f / NII, (tilted(PLAIN, 15), 1), (PLAIN, 0)),
        at(TILTED),
        [PIXDIM, SHEARED],
    ),
    "rounding of a sform": (
        lambda f: nifti(f / NII, (tilted(PLAIN, 0.005), 1), (PLAIN, 1)),
        at(LPS_PLAIN),
        [],
    ),
    "singular sform beside a qform": (
        lambda f: nifti(f / NII, (np.zeros((4, 4)), 1), (PLAIN, 1)),
        at(LPS_PLAIN),
        ["its sform is no geometry.*its qform is used"],
    ),
    "singular sform alone": (
        lambda f: nifti(f / NII, (np.zeros((4, 4)), 1), (PLAIN, 0)),
        None,
        ["its sform is no geometry"],
    ),
    "sform and pixdim": (
        lambda f: nifti(f / NII, (PLAIN, 1), (PLAIN, 0), pixdim=[1, 1, 1, 1, 0, 0, 0, 0]),
        at(LPS_PLAIN),
        ["1 x 1.5 x 2 in the sform, which is used, but 1 x 1 x 1 in pixdim"],
    ),
    "qform with a voxel size of 0": (
        lambda f: nifti(f / NII, (PLAIN, 0), (PLAIN, 1), pixdim=[1, 0, 1.5, 2, 0, 0, 0, 0]),
        None,
        ["its qform is no geometry"],
    ),
    "qform with a negative voxel size": (
        lambda f: nifti(f / NII, (PLAIN, 0), (PLAIN, 1), pixdim=[1, -1, 1.5, 2, 0, 0, 0, 0]),
        None,
        ["its qform is no geometry"],
    ),
    "no orientation, a voxel size of 0": (
        lambda f: nifti(f / NII, (PLAIN, 0), (PLAIN, 0), pixdim=[1, 0, 1.5, 2, 0, 0, 0, 0]),
        None,
        ["gives voxel sizes of 0 x 1.5 x 2"],
    ),
    "qfac 0 means 1": (
        lambda f: nifti(f / NII, (PLAIN, 0), (PLAIN, 1), pixdim=[0, 1, 1.5, 2, 0, 0, 0, 0]),
        at(LPS_PLAIN),
        [],
    ),
    "qfac -1": (
        lambda f: nifti(f / NII, (PLAIN, 0), (PLAIN, 1), pixdim=[-1, 1, 1.5, 2, 0, 0, 0, 0]),
        at(LPS_PLAIN @ np.diag([1, 1, -1, 1.0])),
        [],
    ),
    # NIfTI: units, versions, places, values
    "NIfTI in metres": (
        lambda f: nifti(f / NII, (METRES @ PLAIN, 1), (METRES @ PLAIN, 1), xyzt_units=1),
        at(LPS_PLAIN),
        ["1 unit is 1000 mm"],
    ),
    "NIfTI in micrometres": (
        lambda f: nifti(
            f / NII,
            (np.diag([1e3, 1e3, 1e3, 1]) @ PLAIN, 1),
            (PLAIN, 0),
            pixdim=[1, 1000, 1500, 2000, 0, 0, 0, 0],
            xyzt_units=3,
        ),
        at(LPS_PLAIN),
        ["1 unit is 0.001 mm"],
    ),
    "headers apart, in metres": (
        lambda f: nifti(
            f / NII, (METRES @ PLAIN, 1), (METRES @ shifted(PLAIN, 7), 1), xyzt_units=1
        ),
        at(LPS_PLAIN),
        ["differ by up to 12.1 mm", "1 unit is 1000 mm"],
    ),
    "millimetres by the values, metres by the unit": (
        lambda f: nifti(f / NII, xyzt_units=1),
        None,
        ["probably not in millimetres"],
    ),
    "unit of time beside mm": (lambda f: nifti(f / NII, xyzt_units=10), at(LPS_PLAIN), []),
    "unknown unit": (lambda f: nifti(f / NII, xyzt_units=5), None, ["set xyzt_units to 2"]),
    "NIfTI-2": (lambda f: nifti(f / NII, version=2), at(LPS_PLAIN), []),
    "NIfTI-2, big-endian": (lambda f: nifti(f / NII, version=2, order=">"), at(LPS_PLAIN), []),
    "NIfTI-1, big-endian": (lambda f: nifti(f / NII, order=">"), at(LPS_PLAIN), []),
    "NIfTI-2, sheared": (
        lambda f: nifti(f / "i.nii.gz", (tilted(PLAIN, 15), 1), (PLAIN, 0), version=2),
        at(TILTED),
        [PIXDIM, SHEARED],
    ),
    "pair .hdr and .img": (lambda f: nifti(f / PAIR), at(LPS_PLAIN), []),
    "pair, by its header": (lambda f: nifti(f / PAIR).with_suffix(".hdr"), at(LPS_PLAIN), []),
    "header without its .img": (lambda f: only_header(f / PAIR), None, ["put i.img beside it"]),
    "ANALYZE": (
        lambda f: analyze(f / PAIR),
        at(STRAIGHT),
        ["ANALYZE holds none.*left and right may be swapped"],
    ),
    "compressed, but named .nii": (
        lambda f: renamed(nifti(f / "i.nii.gz"), "j.nii"),
        at(LPS_PLAIN),
        [],
    ),
    "not compressed, but named .nii.gz": (
        lambda f: renamed(nifti(f / NII), "j.nii.gz"),
        at(LPS_PLAIN),
        [],
    ),
    "vox_offset 0 means 352": (lambda f: nifti(f / NII, vox_offset=0), at(LPS_PLAIN), []),
    "vox_offset inside the header": (
        lambda f: nifti(f / NII, vox_offset=100),
        None,
        ["begin at byte 100.*impossible"],
    ),
    "vox_offset not a number": (lambda f: nifti(f / NII, vox_offset=np.nan), None, ["impossible"]),
    "vox_offset beyond": (lambda f: nifti(f / NII, vox_offset=400), None, ["48 bytes are missing"]),
    "vox_offset inside an extension": (
        lambda f: with_extension(f / NII),
        None,
        ["inside an extension"],
    ),
    "bytes after the voxels": (
        lambda f: nifti(f / NII, tail=bytes(48)),
        at(LPS_PLAIN),
        ["48 bytes follow"],
    ),
    "a third of a .nii.gz": (
        lambda f: cut(nifti(f / "i.nii.gz"), 4000),
        None,
        ["damaged or truncated"],
    ),
    "half a pair": (lambda f: cut(nifti(f / PAIR), 20000), None, ["damaged or truncated"]),
    "slope and intercept": (
        lambda f: nifti(f / NII, array=WHOLE, scl_slope=2, scl_inter=10),
        at(LPS_PLAIN),
        [],
    ),
    "slope 0, intercept 10": (
        lambda f: nifti(f / NII, array=WHOLE, scl_slope=0, scl_inter=10),
        at(LPS_PLAIN),
        ["slope of 0"],
    ),
    "slope not a number": (
        lambda f: nifti(f / NII, array=WHOLE, scl_slope=np.nan, scl_inter=10),
        at(LPS_PLAIN),
        ["is not a number"],
    ),
    "intercept not a number": (
        lambda f: nifti(f / NII, array=WHOLE, scl_slope=1, scl_inter=np.inf),
        at(LPS_PLAIN),
        ["is not a number"],
    ),
    "float64": (lambda f: nifti(f / NII, array=BLOB.astype(float)), at(LPS_PLAIN), []),
    "int64": (lambda f: nifti(f / NII, array=WHOLE.astype(np.int64)), at(LPS_PLAIN), []),
    "float64 beyond float32": (
        lambda f: nifti(f / NII, array=BLOB.astype(float) * 1e300),
        None,
        ["lose their differences"],
    ),
    "float64 below float32": (
        lambda f: nifti(f / NII, array=BLOB.astype(float) * 1e-300),
        None,
        ["lose their differences"],
    ),
    "float64 with a large offset": (
        lambda f: nifti(f / NII, array=BLOB.astype(float) + 1e10),
        None,
        ["1e.10.*lose their differences"],
    ),
    "int32 with a large offset": (
        lambda f: nifti(f / NII, array=WHOLE.astype(np.int32) + 10**9),
        None,
        ["lose their differences"],
    ),
    "int32 with an offset that float32 bears": (
        lambda f: nifti(f / NII, array=WHOLE.astype(np.int32) + 10**6),
        at(LPS_PLAIN),
        [],
    ),
    "complex": (lambda f: nifti(f / NII, array=BLOB.astype(np.complex64)), None, ["type 32"]),
    "colours": (lambda f: nifti(f / NII, array=WHOLE, datatype=128), None, ["3 values per voxel"]),
    "NaN": (lambda f: nifti(f / NII, array=NAN), None, ["NaN or infinite"]),
    "4D with one frame": (lambda f: nifti(f / NII, frames=(1,)), at(LPS_PLAIN), []),
    "5D with one frame": (lambda f: nifti(f / NII, frames=(1, 1)), at(LPS_PLAIN), []),
    "4D": (
        lambda f: nifti(f / NII, array=np.stack([BLOB] * 2), frames=(2,)),
        None,
        ["4 dimensions"],
    ),
    "sizes of 0": (
        lambda f: nifti(f / NII, dim=[3, 26, 0, 22, 1, 1, 1, 1]),
        None,
        ["sizes.*impossible"],
    ),
    # NRRD
    "NRRD": (lambda f: nrrd(f / "i.nrrd"), at(LPS_PLAIN), []),
    "NRRD in RAS": (
        lambda f: nrrd(f / "i.nrrd", affine=PLAIN, space="right-anterior-superior"),
        at(LPS_PLAIN),
        [],
    ),
    "NRRD in RAS, short": (
        lambda f: nrrd(f / "i.nrrd", affine=PLAIN, space="RAS"),
        at(LPS_PLAIN),
        [],
    ),
    "NRRD in LAS": (
        lambda f: nrrd(
            f / "i.nrrd", affine=np.diag([-1, 1, 1, 1]) @ PLAIN, space="left-anterior-superior"
        ),
        at(LPS_PLAIN),
        [],
    ),
    "NRRD, sheared": (lambda f: nrrd(f / "i.nrrd", affine=TILTED), at(TILTED), [SHEARED]),
    "NRRD in metres": (
        lambda f: nrrd(f / "i.nrrd", 'space units: "m" "m" "m"', affine=METRES @ LPS_PLAIN),
        at(LPS_PLAIN),
        ["1 unit is 1000 mm"],
    ),
    "NRRD in micrometres": (
        lambda f: nrrd(
            f / "i.nrrd",
            'space units: "µm" "µm" "µm"',
            affine=np.diag([1e3, 1e3, 1e3, 1]) @ LPS_PLAIN,
        ),
        at(LPS_PLAIN),
        ["1 unit is 0.001 mm"],
    ),
    "NRRD in millimetres": (
        lambda f: nrrd(f / "i.nrrd", 'space units: "mm" "mm" "mm"'),
        at(LPS_PLAIN),
        [],
    ),
    "NRRD in an unknown unit": (
        lambda f: nrrd(f / "i.nrrd", 'space units: "inch" "inch" "inch"'),
        None,
        ["'inch'"],
    ),
    "NRRD with spacings only": (
        lambda f: nrrd(f / "i.nrrd", "spacings: 1 1.5 2", affine=None, space=""),
        at(STRAIGHT),
        ["has no orientation.*1 x 1.5 x 2 mm", AT_ZERO],
    ),
    "NRRD with spacings in metres": (
        lambda f: nrrd(
            f / "i.nrrd",
            "spacings: 0.001 0.0015 0.002",
            'units: "m" "m" "m"',
            affine=None,
            space="",
        ),
        at(STRAIGHT),
        ["has no orientation", AT_ZERO, "1 unit is 1000 mm"],
    ),
    "NRRD in the space of a scanner": (
        lambda f: nrrd(f / "i.nrrd", space="scanner-xyz"),
        at(LPS_PLAIN),
        ["not anatomical"],
    ),
    "NRRD with a measurement frame": (
        lambda f: nrrd(f / "i.nrrd", "measurement frame: (0,1,0) (-1,0,0) (0,0,1)"),
        at(LPS_PLAIN),
        [],
    ),
    "NRRD without an origin": (
        lambda f: without(nrrd(f / "i.nrrd"), "space origin"),
        at(UNPLACED),
        [AT_ZERO],
    ),
    "NRRD with more bytes than voxels": (
        lambda f: detached(f / "i.nhdr", more=bytes(48)),
        at(LPS_PLAIN),
        ["i.raw: 48 bytes follow"],
    ),
    "NRRD, detached": (lambda f: detached(f / "i.nhdr"), at(LPS_PLAIN), []),
    # MetaImage and others
    "MetaImage": (lambda f: mha(f / "i.mha"), at(LPS_PLAIN), []),
    "MetaImage in centimetres": (
        lambda f: mha(f / "i.mha", "DistanceUnits = cm"),
        10 * at(LPS_PLAIN),
        ["1 unit is 10 mm"],
    ),
    "MetaImage, sheared": (lambda f: mha(f / "i.mha", affine=TILTED), at(TILTED), [SHEARED]),
    "MetaImage without orientation": (
        lambda f: mha(f / "i.mha", affine=None),
        at(STRAIGHT),
        ["has no orientation", AT_ZERO],
    ),
    "MetaImage without an offset": (
        lambda f: without(mha(f / "i.mha"), "Offset"),
        at(UNPLACED),
        [AT_ZERO],
    ),
    "MetaImage without a voxel size": (
        lambda f: without(mha(f / "i.mha"), "ElementSpacing"),
        at(LPS_PLAIN @ np.diag([1, 1 / 1.5, 1 / 2, 1])),
        ["has no voxel size"],
    ),
    "MetaImage with a negative voxel size": (
        lambda f: replaced(mha(f / "i.mha"), b"= 1 1.5 2", b"= -1 1.5 2"),
        at(LPS_PLAIN @ np.diag([-1.0, 1, 1, 1])),
        ["negative voxel size"],
    ),
    "MetaImage, detached": (lambda f: detached(f / "i.mhd"), at(LPS_PLAIN), []),
    "MetaImage with bytes before its voxels": (
        lambda f: detached(f / "i.mhd", skipped=bytes(4 * SHAPE[1] * SHAPE[2])),
        lps_of(PLAIN, AT + [0, 0, 1]),
        ["i.raw: 2496 bytes follow"],
    ),
    "MetaImage with a slope": (
        lambda f: mha(
            f / "i.mha",
            "ElementToIntensityFunctionSlope = 2",
            "ElementToIntensityFunctionOffset = 10",
        ),
        at(LPS_PLAIN),
        [],
    ),
    "half a MetaImage": (lambda f: cut(mha(f / "i.mha"), 20000), None, ["damaged or truncated"]),
    "TIFF": (
        lambda f: by_itk(f / "i.tif"),
        at(np.diag([1, 1.5, 1, 1])),
        ["has no orientation.*1 x 1.5 x 1 mm"],
    ),
    "VTK": (lambda f: by_itk(f / "i.vtk"), at(STRAIGHT), ["has no orientation"]),
    "2D": (lambda f: by_itk(f / "i.nrrd", 2), None, ["2 dimensions"]),
    # DICOM folders
    "a DICOM series": (lambda f: dicom(f / "d"), at(DICOM), []),
    "a DICOM series of a tilted gantry": (
        lambda f: dicom(f / "d", affine=tilted(DICOM, 12)),
        at(tilted(DICOM, 12)),
        [SHEARED],
    ),
    "two DICOM series": (
        lambda f: two_series(f / "d"),
        None,
        ["Series 1: 22 files.*Series 2: 22 files"],
    ),
    "a DICOM slice missing": (
        lambda f: dicom(f / "d", places=[*range(9), *range(10, 23)]),
        None,
        ["2 to 4 mm apart.*may be missing"],
    ),
    "uneven DICOM slices": (
        lambda f: dicom(f / "d", places=np.arange(22) ** 1.1),
        None,
        ["may be missing"],
    ),
    "DICOM slices at one place": (
        lambda f: dicom(f / "d", places=[*range(11), *range(11)]),
        None,
        ["over time"],
    ),
    "a DICOM slice of another direction": (
        lambda f: dicom(f / "d", rotated_last=True),
        None,
        ["direction"],
    ),
    "one DICOM slice": (lambda f: slice_of(f / "d"), None, ["give the folder"]),
    "an empty folder": (lambda f: empty(f / "d"), None, ["without DICOM images"]),
    "no file": (lambda f: f / "i.nii", None, ["no such file"]),
}


@pytest.mark.parametrize("name", IMAGES)
def test_image(name, tmp_path):
    write, place, words = IMAGES[name]
    path, said = write(tmp_path), []
    if place is None:
        with pytest.raises(InputError) as refused:
            read_image(path, said.append)
        said = [str(refused.value)]  # nothing that was said before matters then
    else:
        image = read_image(path, said.append)
        weight = image.array.astype(float) - image.array.min()
        found = (weight[..., None] * image.grid.points(np.zeros(0))).sum((0, 1, 2)) / weight.sum()
        assert np.linalg.norm(found - place) < 0.1  # mm
        assert image.grid.is_right_angled
    assert len(said) == len(words), said
    for sentence, text in zip(said, words):
        assert re.search(text, sentence), sentence
        assert path.stem in sentence and "\n" not in sentence


@pytest.mark.parametrize(
    ("write", "affine", "words"),
    [
        (
            lambda f, a: nifti(f / NII, (tilted(PLAIN, 15), 1), (PLAIN, 1), array=a),
            TILTED,
            ["differ by", SHEARED],
        ),
        (
            lambda f, a: nifti(f / NII, (tilted(PLAIN, 15), 1), (PLAIN, 0), a, 2),
            TILTED,
            [PIXDIM, SHEARED],
        ),
        (
            lambda f, a: nifti(f / NII, (PLAIN, 2), (shifted(PLAIN, 7), 1), array=a),
            LPS_PLAIN,
            ["differ by"],
        ),
        (lambda f, a: nrrd(f / "i.nrrd", array=a, affine=TILTED), TILTED, [SHEARED]),
        (
            lambda f, a: dicom(f / "d", affine=tilted(DICOM, 12), array=a),
            tilted(DICOM, 12),
            [SHEARED],
        ),
    ],
)
def test_label_maps_follow_the_same_rules(write, affine, words, tmp_path):
    """Masks and segmentations: centre, volume and values of a structure are kept."""
    array = np.where(BLOB > 300, 3, 0).astype(np.int16)
    said = []
    labels = read_labels(write(tmp_path, array), said.append)
    assert len(said) == len(words)
    assert all(re.search(text, sentence) for text, sentence in zip(words, said))
    assert np.unique(labels.array).tolist() == [0, 3]
    found = labels.grid.to_world(np.argwhere(labels.array)[:, ::-1]).mean(0)
    assert np.linalg.norm(found - at(affine)) < 0.2
    volume = (labels.array == 3).sum() * labels.grid.voxel_volume_ml
    truth = (array == 3).sum() * Grid(SHAPE, affine).voxel_volume_ml
    assert volume == pytest.approx(truth, rel=0.03)


# --- displacement fields: the vectors, in LPS mm, at the place where they belong ---

GRID = Grid(SHAPE, LPS_PLAIN)
FIELD = smooth_field(GRID).vectors  # mm LPS
RAS_FIELD = FIELD * np.float32([-1, -1, 1])
QUARTER = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # measured components to the space
IN_QUARTER = np.ascontiguousarray(FIELD @ QUARTER, np.float32)  # = its transpose applied
BROKEN = FIELD.copy()
BROKEN[3, 4, 5, 1] = np.nan
COLOURS = np.round(FIELD * 20 + 100).astype(np.uint8)
POINTS = GRID.points()


def warp_file(path, vectors=FIELD, intent=1007, five=True, **kept):
    """A NIfTI field in the 5D layout of ITK and ANTs, or in 4D."""
    array = np.moveaxis(vectors, -1, 0)
    return nifti(path, array=array, frames=(1, 3) if five else (3,), intent_code=intent, **kept)


def components_last(path):
    """An NRRD field whose slowest axis, not its fastest, counts the components."""
    text = nrrd(path, array=FIELD).read_bytes().split(b"\n\n")[0].decode()
    text = text.replace("sizes: 3 26 24 22", "sizes: 26 24 22 3")
    text = text.replace("vector domain domain domain", "domain domain domain vector")
    text = text.replace("directions: none ", "directions: ").replace(
        "\nspace origin", " none\nspace origin"
    )
    path.write_bytes((text + "\n\n").encode() + np.moveaxis(FIELD, -1, 0).tobytes())
    return path


FRAME = "measurement frame: (1,0,0) (0,1,0) (0,0,1)"
FIELDS = {
    "ANTs or ITK, 1007": (lambda f: warp_file(f / "w.nii.gz"), []),
    "RAS, 1006": (lambda f: warp_file(f / "w.nii.gz", RAS_FIELD, 1006), []),
    "RAS, 1006, in 4D": (lambda f: warp_file(f / "w.nii.gz", RAS_FIELD, 1006, False), []),
    "NIfTI-2, 1007": (lambda f: warp_file(f / "w.nii", version=2), []),
    "qform elsewhere": (
        lambda f: warp_file(f / "w.nii", qform=(shifted(PLAIN, 7), 1)),
        ["differ by up to 12.1"],
    ),
    "intent 0": (lambda f: warp_file(f / "w.nii", intent=0), "its NIfTI intent is 0"),
    "intent 2003": (lambda f: warp_file(f / "w.nii", intent=2003), "its NIfTI intent is 2003"),
    "intent 0, in 4D": (
        lambda f: warp_file(f / "w.nii", intent=0, five=False),
        "is not a displacement field",
    ),
    "FSL": (
        lambda f: warp_file(f / "w.nii", intent=2006, five=False),
        "is not a displacement field",
    ),
    "NaN in NIfTI": (lambda f: warp_file(f / "w.nii", BROKEN), "1 values are NaN or infinite"),
    "NaN in NRRD": (lambda f: nrrd(f / "w.nrrd", array=BROKEN), "1 values are NaN or infinite"),
    "infinite": (
        lambda f: mha(f / "w.mha", array=np.where(np.isnan(BROKEN), np.inf, BROKEN)),
        "1 values are NaN or infinite",
    ),
    "half a .nii.gz": (lambda f: cut(warp_file(f / "w.nii.gz"), 60000), "damaged or truncated"),
    "half an .nrrd": (
        lambda f: cut(nrrd(f / "w.nrrd", array=FIELD), 60000),
        "damaged or truncated",
    ),
    "colours in NIfTI": (
        lambda f: nifti(
            f / "w.nii",
            array=COLOURS[..., 0].repeat(3, 2),
            datatype=128,
            dim=[3, 26, 24, 22, 1, 1, 1, 1],
        ),
        "it is a colour image",
    ),
    "colours in NRRD": (
        lambda f: nrrd(f / "w.nrrd", "kinds: RGB-color domain domain domain", array=COLOURS),
        "as a colour image",
    ),
    "whole numbers": (
        lambda f: warp_file(f / "w.nii", np.round(FIELD).astype(np.int16)),
        "holds whole numbers",
    ),
    "whole numbers with a slope": (
        lambda f: warp_file(
            f / "w.nii", np.round(FIELD * 1000).astype(np.int16), scl_slope=0.001, scl_inter=0
        ),
        [],
    ),
    "NRRD": (lambda f: nrrd(f / "w.nrrd", array=FIELD), []),
    "NRRD, components last": (lambda f: components_last(f / "w.nrrd"), []),
    "NRRD in RAS": (
        lambda f: nrrd(
            f / "w.nrrd", array=RAS_FIELD, affine=PLAIN, space="right-anterior-superior"
        ),
        "frame of its vectors is not known",
    ),
    "NRRD in RAS with a frame": (
        lambda f: nrrd(
            f / "w.nrrd", FRAME, array=RAS_FIELD, affine=PLAIN, space="right-anterior-superior"
        ),
        [],
    ),
    "NRRD in LAS with a frame": (
        lambda f: nrrd(
            f / "w.nrrd",
            FRAME,
            array=FIELD * np.float32([1, -1, 1]),
            affine=np.diag([1, -1, 1, 1]) @ LPS_PLAIN,
            space="left-anterior-superior",
        ),
        [],
    ),
    "NRRD with a turned frame": (
        lambda f: nrrd(
            f / "w.nrrd", "measurement frame: (0,1,0) (-1,0,0) (0,0,1)", array=IN_QUARTER
        ),
        [],
    ),
    "NRRD with a stretched frame": (
        lambda f: nrrd(f / "w.nrrd", "measurement frame: (2,0,0) (0,1,0) (0,0,1)", array=FIELD),
        "is no usable frame",
    ),
    "NRRD in metres": (
        lambda f: nrrd(
            f / "w.nrrd", 'space units: "m" "m" "m"', array=FIELD, affine=METRES @ LPS_PLAIN
        ),
        "unit of its vectors is not known",
    ),
    "NIfTI in metres": (
        lambda f: warp_file(
            f / "w.nii", sform=(METRES @ PLAIN, 1), qform=(METRES @ PLAIN, 1), xyzt_units=1
        ),
        "unit of its vectors is not known",
    ),
    "MetaImage": (lambda f: mha(f / "w.mha", array=FIELD), []),
    "positions": (lambda f: nrrd(f / "w.nrrd", array=POINTS + FIELD), "grow like positions"),
    "positions in RAS, as SPM writes": (
        lambda f: warp_file(f / "w.nii", (POINTS + FIELD) * np.float32([-1, -1, 1])),
        "grow like positions",
    ),
    "a scalar image": (lambda f: nrrd(f / "w.nrrd"), "is not a displacement field"),
    "an empty file": (lambda f: cut(nrrd(f / "w.nrrd"), 0), "cannot be read"),
    "no file": (lambda f: f / "w.nrrd", "no such file"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_field(name, tmp_path):
    write, words = FIELDS[name]
    path, said = write(tmp_path), []
    if isinstance(words, str):
        with pytest.raises(InputError, match=words) as refused:
            read_field(path, said.append)
        assert path.name in str(refused.value) and "\n" not in str(refused.value)
        return
    field = read_field(path, said.append)
    assert np.abs(field.grid.affine - LPS_PLAIN).max() < 1e-4  # mm
    assert np.abs(field.vectors - FIELD).max() < (1e-3 if "slope" in name else 1e-5)  # mm
    assert len(said) == len(words)
    assert all(re.search(text, sentence) for text, sentence in zip(words, said))


def test_a_sheared_field_keeps_its_shear(tmp_path):
    """No resampling: its vectors are where the header says, exactly."""
    field = read_field(warp_file(tmp_path / "w.nii", sform=(tilted(PLAIN, 15), 1)))
    assert np.abs(field.grid.affine - TILTED).max() < 1e-4
    assert np.abs(field.vectors - FIELD).max() < 1e-6


@pytest.mark.parametrize(
    ("factor", "words"),
    [(30.0, "more than the field is long"), (1e-3, "moves no point by more than 0.00")],
)
def test_unlikely_lengths_are_said(factor, words, tmp_path):
    said = []
    read_field(nrrd(tmp_path / "w.nrrd", array=FIELD * np.float32(factor)), said.append)
    assert len(said) == 1 and words in said[0]


def test_no_displacement_at_all_is_a_field(tmp_path):
    said = []
    assert not read_field(nrrd(tmp_path / "w.nrrd", array=0 * FIELD), said.append).vectors.any()
    assert not said
