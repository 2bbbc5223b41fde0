"""Registrations from files of other programs: the same map, whatever wrote it."""

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import smooth_field
from UncertainRegLib.geometry import Grid, write_field
from UncertainRegLib.geometry.errors import InputError
from UncertainRegLib.geometry.transform_file import FLIP, read_transform

TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
GRID = Grid.from_spacing((20, 24, 28), (2.0, 2.5, 3.0), (12, -30, 40), TURN)
POINTS = GRID.to_world(np.random.default_rng(1).uniform(3, 16, size=(40, 3)))
LINEAR_MM, SPLINE_MM = 1e-4, 0.05


def image():
    found = sitk.Image(GRID.size.tolist(), sitk.sitkFloat32)
    found.SetSpacing(GRID.spacing.tolist())
    found.SetOrigin(GRID.origin.tolist())
    found.SetDirection(GRID.direction.ravel().tolist())
    return found


def affine():
    found = sitk.AffineTransform(3)
    found.SetMatrix((np.eye(3) + 0.05 * np.random.default_rng(2).normal(size=(3, 3))).ravel())
    found.SetCenter(GRID.center.tolist())
    found.SetTranslation((3.0, -2.0, 4.0))
    return found


def spline():
    found = sitk.BSplineTransformInitializer(image(), [3, 3, 3])
    values = np.random.default_rng(4).normal(0, 3, len(found.GetParameters()))
    found.SetParameters(values.tolist())
    return found


def field():
    vectors = smooth_field(GRID, 3.0).vectors.astype(np.float64)
    values = sitk.GetImageFromArray(vectors, isVector=True)
    values.CopyInformation(image())
    return sitk.DisplacementFieldTransform(values)


def true(transform):
    return np.array([transform.TransformPoint(point.tolist()) for point in POINTS])


TRANSFORMS = {
    "affine": affine,
    "spline": spline,
    "field": field,
    "warp, then affine": lambda: sitk.CompositeTransform([affine(), field()]),
    "spline, then affine": lambda: sitk.CompositeTransform([affine(), spline()]),
}


@pytest.mark.parametrize("ending", [".h5", ".tfm"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_itk_transform_is_the_same_map(tmp_path, name, ending):
    transform = TRANSFORMS[name]()
    file = tmp_path / f"t{ending}"
    sitk.WriteTransform(transform, str(file))
    moved, covered = read_transform([file]).map(POINTS)
    assert covered.all()
    limit = SPLINE_MM if "spline" in name else 1e-3
    assert np.abs(moved - true(transform)).max() < limit


def test_a_matrix_of_matlab_as_ants_writes_it(tmp_path):
    sitk.WriteTransform(affine(), str(tmp_path / "0GenericAffine.mat"))
    given = read_transform([tmp_path / "0GenericAffine.mat"])
    assert given.is_linear
    assert np.abs(given.map(POINTS)[0] - true(affine())).max() < LINEAR_MM


def test_the_warp_comes_before_the_affine_matrix_as_antsApplyTransforms_takes_them(tmp_path):
    warp = smooth_field(GRID, 3.0)
    write_field(warp, tmp_path / "1Warp.nrrd")
    sitk.WriteTransform(affine(), str(tmp_path / "0GenericAffine.mat"))
    given = read_transform([tmp_path / "1Warp.nrrd", tmp_path / "0GenericAffine.mat"])
    expected = [affine().TransformPoint(p.tolist()) for p in warp.map(POINTS)]
    assert np.abs(given.map(POINTS)[0] - expected).max() < LINEAR_MM
    assert not given.is_linear and given.field is None


def test_a_plain_matrix_is_in_ras_and_that_is_said(tmp_path):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = TURN, (1.0, 2.0, 3.0)
    np.savetxt(tmp_path / "affine.mat", matrix)
    said = []
    moved, _ = read_transform([tmp_path / "affine.mat"], said.append).map(POINTS)
    ras = POINTS * (-1, -1, 1)
    expected = (ras @ matrix[:3, :3].T + matrix[:3, 3]) * (-1, -1, 1)
    assert np.abs(moved - expected).max() < LINEAR_MM
    assert len(said) == 1 and "RAS" in said[0] and "FSL" in said[0]
    assert np.allclose(FLIP @ FLIP, np.eye(4))


def test_beyond_a_field_nothing_is_covered_and_its_border_goes_on(tmp_path):
    write_field(smooth_field(GRID.part((4, 4, 4), (8, 9, 10)), 3.0), tmp_path / "small.nrrd")
    found, covered = read_transform([tmp_path / "small.nrrd"]).on(GRID)
    assert covered.sum() == 8 * 9 * 10
    assert np.isfinite(found.vectors).all()
    assert np.allclose(found.vectors[0, 0, 0], found.vectors[4, 4, 4], atol=1e-4)


def write_elastix(folder, number, lines):
    entries = {
        "FixedImageDimension": "3",
        "HowToCombineTransforms": '"Compose"',
        "InitialTransformParameterFileName": '"NoInitialTransform"',
    } | lines
    file = folder / f"TransformParameters.{number}.txt"
    text = "\n".join(f"({name} {value})" for name, value in entries.items())
    file.write_text(f"// elastix\n{text}\n", encoding="utf-8")
    return file


def numbers(values):
    return " ".join(f"{value:.12g}" for value in np.ravel(values))


def elastix_affine(folder):
    transform = affine()
    return write_elastix(
        folder,
        0,
        {
            "Transform": '"AffineTransform"',
            "TransformParameters": numbers(transform.GetParameters()),
            "CenterOfRotationPoint": numbers(transform.GetCenter()),
        },
    )


def test_files_of_elastix_one_continues_the_other_wherever_it_was_made(tmp_path):
    elastix_affine(tmp_path)
    coefficients = spline().GetCoefficientImages()
    file = write_elastix(
        tmp_path,
        1,
        {
            "Transform": '"BSplineTransform"',
            "TransformParameters": numbers(spline().GetParameters()),
            "GridSize": numbers(coefficients[0].GetSize()),
            "GridSpacing": numbers(coefficients[0].GetSpacing()),
            "GridOrigin": numbers(coefficients[0].GetOrigin()),
            "GridDirection": numbers(np.reshape(coefficients[0].GetDirection(), (3, 3)).T),
            "InitialTransformParameterFileName": '"/gone/TransformParameters.0.txt"',
        },
    )
    # elastix: first the initial transform, then its own
    inner = POINTS - GRID.center
    moved, covered = read_transform([file]).map(GRID.center + 0.3 * inner)
    expected = [
        spline().TransformPoint(affine().TransformPoint(p.tolist()))
        for p in GRID.center + 0.3 * inner
    ]
    assert covered.all()
    assert np.abs(moved - expected).max() < SPLINE_MM


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ({"Transform": '"SplineKernelTransform"'}, "SplineKernelTransform"),
        ({"HowToCombineTransforms": '"Add"'}, "adds"),
        ({"InitialTransformParameterFileName": '"/gone/T.txt"'}, "put it beside"),
        ({"TransformParameters": "1 2"}, "numbers do not fit"),
        ({"FixedImageDimension": "2"}, "three dimensions"),
    ],
)
def test_what_cannot_be_read_of_elastix_is_named(tmp_path, lines, words):
    text = elastix_affine(tmp_path).read_text(encoding="utf-8")
    for name, value in lines.items():
        text = "\n".join(
            f"({name} {value})" if line.startswith(f"({name} ") else line
            for line in text.splitlines()
        )
        if name == "HowToCombineTransforms":
            text = text.replace('"NoInitialTransform"', '"other.txt"')
    file = tmp_path / "changed.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_transform([file])


def test_other_files_get_one_sentence(tmp_path):
    two = tmp_path / "two.tfm"
    sitk.WriteTransform(sitk.Euler2DTransform(), str(two))
    (tmp_path / "notes.txt").write_text("see the protocol", encoding="utf-8")
    sitk.WriteImage(image(), str(tmp_path / "moved.nii.gz"))
    for name, words in {
        "two.tfm": "2 dimensions",
        "notes.txt": "cannot be read as a transform",
        "moved.nii.gz": "not a displacement field",
        "gone.h5": "is not there",
    }.items():
        with pytest.raises(InputError, match=words) as found:
            read_transform([tmp_path / name])
        assert name in str(found.value) and "\n" not in str(found.value)
