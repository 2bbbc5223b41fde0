"""Files and what becomes of them: sheared grids, fields that are too small, what a field says."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from support.phantoms import GRID_PAIRS, smooth_field, textured
from support.written_files import BLOB, DICOM, PLAIN, TO_LPS, dicom, nifti, nrrd, shifted, tilted
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    read_field,
    read_image,
    read_volume,
    write_field,
    write_image,
)
from UncertainRegLib.geometry.field_file import MEANING, check_cover
from UncertainRegLib.geometry.files import InputError
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.inputs import read_inputs

nibabel = pytest.importorskip("nibabel")

STRAIGHT = Grid.from_spacing((30, 32, 34), (1.5, 1.5, 2.0), (-25, -20, -30))
WIDER = STRAIGHT.affine.copy()
WIDER[:3, 3] = STRAIGHT.to_world([0, -14, 0])
SHEARED = Grid((30, 60, 34), tilted(WIDER, 20))


def seen_on(image: Image, grid: Grid) -> Image:
    """The image as another scanner would have sampled it."""
    return image.resample(grid, outside=0)


# --- sheared grids ---


@pytest.mark.parametrize("name", GRID_PAIRS)
def test_right_angled_grids_stay(name):
    for grid in GRID_PAIRS[name]:
        assert grid.is_right_angled
        assert grid.right_angled() == grid


@pytest.mark.parametrize(
    "shear",
    [
        [[1, 0, 0], [0, 1, 0.3], [0, 0, 1]],
        [[1, 0.2, -0.1], [0, 1, 0.3], [0, 0, 1]],
        [[1, 0, 0], [0.5, 1, 0], [0, 0.1, -1.2]],
    ],
)
def test_a_sheared_grid_is_covered_by_a_right_angled_one(shear):
    turn = Rotation.from_euler("xyz", (17, 8, -5), degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array(shear) @ np.diag([1.0, 0.8, 2.0])
    affine[:3, 3] = (4, -6, 9)
    grid = Grid((20, 24, 28), affine)
    assert not grid.is_right_angled
    around = grid.right_angled()
    assert np.allclose(around.direction.T @ around.direction, np.eye(3))
    assert np.sign(np.linalg.det(around.direction)) == np.sign(np.linalg.det(affine[:3, :3]))
    index = around.to_index(grid.corners())
    assert index.min() > -0.5 - 1e-5 and (index < around.size - 0.5 + 1e-5).all()
    first = around.to_index(grid.origin)
    assert np.abs(first - np.round(first)).max() < 1e-6  # a voxel is a voxel there too


def test_slices_of_a_tilted_gantry_stay_slices():
    around = SHEARED.right_angled()
    assert np.allclose(around.spacing, [1.5, 1.5, 2.0])
    assert np.allclose(np.abs(around.direction), np.eye(3))
    assert around.shape[0] == SHEARED.shape[0]


def test_a_run_on_a_sheared_image_finds_its_place(tmp_path):
    """The same anatomy, once scanned straight, once with a tilted gantry, beside a wrong qform.

    Read by the qform, as ITK does, its structures end 11 mm off on average.
    """
    scene = textured(STRAIGHT, seed=3)
    moving = seen_on(scene, SHEARED)
    write_image(scene, tmp_path / "fixed.nrrd")
    nifti(
        tmp_path / "moving.nii.gz", (TO_LPS @ SHEARED.affine, 1), (TO_LPS @ WIDER, 1), moving.array
    )
    record = run(
        Job(
            fixed=str(tmp_path / "fixed.nrrd"),
            moving=str(tmp_path / "moving.nii.gz"),
            out=str(tmp_path / "out"),
            samples=2,
        ),
        lambda event, **values: None,
    )
    for words in ("moving.nii.gz: its two headers differ by up to", "moving.nii.gz: is sheared"):
        assert sum(words in text for text in record["warnings"]) == 1
    assert record["transform_meaning"] == MEANING
    field = read_field(tmp_path / "out" / "transform.nrrd")
    error = np.linalg.norm(field.vectors, axis=-1)[scene.array > 30]
    assert error.mean() < 2.0  # mm; by the qform 11 mm


def test_inputs_are_recorded_by_what_people_call_them(tmp_path):
    for name in ("fixed", "moving"):
        write_image(Image(BLOB, Grid(BLOB.shape, DICOM)), tmp_path / f"{name}.nrrd")
    files = {name: str(tmp_path / f"{name}.nrrd") for name in ("fixed", "moving")}
    inputs = read_inputs(Job(**files, out="out", names={"fixed": "Schädel 1.5 T"})).record
    assert inputs["fixed"]["name"] == "Schädel 1.5 T" and "name" not in inputs["moving"]


def test_a_dicom_folder_is_an_input_of_a_job(tmp_path):
    write_image(Image(BLOB, Grid(BLOB.shape, DICOM)), tmp_path / "moving.nrrd")
    job = Job(fixed=str(dicom(tmp_path / "d")), moving=str(tmp_path / "moving.nrrd"), out="out")
    inputs = read_inputs(job)
    assert inputs.fixed.grid == inputs.moving.grid and not inputs.notes
    before = inputs.record["fixed"]["sha256"]
    dicom(tmp_path / "d", array=BLOB * 0.9)
    assert read_inputs(job).record["fixed"]["sha256"] != before


# --- NIfTI against the two readers that everybody has ---


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize(("version", "order"), [(1, "<"), (1, ">"), (2, "<"), (2, ">")])
def test_values_and_geometry_are_those_of_nibabel(kind, version, order, tmp_path):
    generator = np.random.default_rng(5)
    array = (100 * generator.random((5, 6, 7))).astype(kind)
    affine = tilted(PLAIN, 10)
    path = nifti(
        tmp_path / "i.nii.gz",
        (affine, 2),
        (PLAIN, 0),
        array,
        version,
        order,
        scl_slope=0.5,
        scl_inter=-3,
    )
    from UncertainRegLib.geometry.volume import open_volume, read_voxels

    values, grid = read_voxels(path, open_volume(path, lambda text: None))
    truth = nibabel.load(path)
    assert np.allclose(values, truth.get_fdata().T, rtol=1e-6)
    assert np.allclose(grid.affine, TO_LPS @ truth.affine, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_qform_is_read_as_by_itk(seed, tmp_path):
    generator = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.random(rng=generator).as_matrix() @ np.diag(
        generator.uniform(0.5, 3, 3) * [1, 1, (-1) ** seed]
    )
    affine[:3, 3] = generator.uniform(-90, 90, 3)
    path = nifti(tmp_path / "i.nii", (affine, 0), (affine, 1))
    ours, itk = read_volume(path), sitk.ReadImage(str(path))
    for index in ([0, 0, 0], [25, 23, 21], [3, 20, 7]):
        assert np.allclose(
            ours.grid.to_world(index), itk.TransformIndexToPhysicalPoint(index), atol=1e-3
        )
    assert np.array_equal(ours.array, sitk.GetArrayFromImage(itk))


# --- fields: how much of an image they cover, and what happens beyond ---


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    image = Image(np.zeros((2, 3, 4), np.float32), Grid.from_spacing((2, 3, 4), (1.0, 1.0, 1.0)))
    with pytest.raises(OSError, match=r"x\.nrrd: cannot be written; is the disk full") as error:
        write_image(image, tmp_path / "gone" / "x.nrrd")
    assert "ITK" not in str(error.value)


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    """As where the disk is full in the middle of it."""
    image = Image(np.ones((2, 3, 4), np.float32), Grid.from_spacing((2, 3, 4), (1.0, 1.0, 1.0)))
    write_image(image, tmp_path / "x.nii.gz")
    before = (tmp_path / "x.nii.gz").read_bytes()

    def half(image, name, *options):
        Path(name).write_bytes(b"half")
        raise RuntimeError("no space")

    monkeypatch.setattr(sitk, "WriteImage", half)
    for name in ("x.nii.gz", "y.seg.nrrd"):
        with pytest.raises(OSError, match="cannot be written; is the disk full"):
            write_image(image, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.nii.gz"]
    assert (tmp_path / "x.nii.gz").read_bytes() == before


@pytest.mark.parametrize(
    "name", ["a.img.gz", "b.mhd", "c.nhdr", "d.hdr", "sub.1.nii.gz", "e.seg.nrrd"]
)
def test_a_header_finds_its_voxels(name, tmp_path):
    """Some formats have two files, and one names the other."""
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_image(Image(values, Grid.from_spacing((2, 3, 4))), tmp_path / name)
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name))), values
    )


def test_an_interruption_leaves_no_draft(tmp_path, monkeypatch):
    def stopped(*names):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stopped)
    image = Image(np.ones((2, 3, 4), np.float32), Grid.from_spacing((2, 3, 4)))
    with pytest.raises(KeyboardInterrupt):
        write_image(image, tmp_path / "x.nii.gz")
    assert not list(tmp_path.iterdir())


def test_the_share_beyond_a_field_is_said():
    image = Grid.from_spacing((10, 20, 30))
    half = Grid.from_spacing((10, 20, 15))
    said = []
    assert check_cover(image, image, "w", "the image", said.append) == 0 and not said
    coarse = image.resized((5, 10, 10))  # its outer voxel centres lie inside, its edges do not
    assert check_cover(coarse, image, "w", "the image", said.append) == 0 and not said
    assert check_cover(half, image, "w.nrrd", "the image", said.append) == pytest.approx(0.5)
    assert said[0].startswith("w.nrrd: does not cover 50.0% of the image")
    with pytest.raises(InputError, match=r"w\.nrrd: does not reach the image"):
        check_cover(Grid(half.shape, shifted(half.affine, 800)), image, "w.nrrd", "the image")


def field_file(path, grid, size_mm=2.0):
    write_field(smooth_field(grid, size_mm), path)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda f: field_file(f, Grid(STRAIGHT.shape, shifted(STRAIGHT.affine, 800))),
            "does not reach the image",
        ),
        (lambda f: nrrd(f, array=np.full((*BLOB.shape, 3), np.nan, np.float32)), "NaN"),
        (
            lambda f: nrrd(
                f,
                "kinds: RGB-color domain domain domain",
                array=np.full((*BLOB.shape, 3), 9, np.uint8),
            ),
            "colour image",
        ),
    ],
)
def test_a_bad_truth_is_refused_before_a_study_begins(make, words, tmp_path, capsys):
    write_image(textured(STRAIGHT), tmp_path / "image.nrrd")
    make(tmp_path / "w.nrrd")
    assert (
        main(
            [
                "evaluate",
                "known-warp",
                "--image",
                str(tmp_path / "image.nrrd"),
                "--out",
                str(tmp_path / "out"),
                "--progress",
                "none",
                "--truths",
                "elastic",
                str(tmp_path / "w.nrrd"),
            ]
        )
        == 1
    )
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_truth_that_is_too_small_is_said_once(tmp_path, capsys):
    write_image(textured(STRAIGHT), tmp_path / "image.nrrd")
    small = Grid((30, 32, 17), STRAIGHT.affine)
    field_file(tmp_path / "w.nrrd", small)
    assert (
        main(
            [
                "evaluate",
                "known-warp",
                "--image",
                str(tmp_path / "image.nrrd"),
                "--out",
                str(tmp_path / "out"),
                "--families",
                "translation",
                "--samples",
                "2",
                "--progress",
                "none",
                "--truths",
                str(tmp_path / "w.nrrd"),
                "--backbone-settings",
                '{"affine": false}',
            ]
        )
        == 0
    )
    assert capsys.readouterr().err.count("does not cover 50.0% of the image") == 1


# --- what a field says of itself ---


def test_a_field_file_says_what_its_readers_do(tmp_path):
    """The text in the header of a field is true of this library and of SimpleITK."""
    grid = Grid.from_spacing((12, 14, 16), (2.0, 2.0, 2.0))
    field = DisplacementField(np.full((*grid.shape, 3), 4, np.float32), grid)
    write_field(field, tmp_path / "w.nrrd")
    image = sitk.ReadImage(str(tmp_path / "w.nrrd"), sitk.sitkVectorFloat64)
    for name, text in MEANING.items():
        assert image.GetMetaData(f"displacement_{name}") == text
    itk = sitk.DisplacementFieldTransform(image)
    ours = read_field(tmp_path / "w.nrrd")
    end = 2.0 * 15  # the outermost voxel centre along x
    for x, by_itk in ((end, 4.0), (end + 0.9, 4.0), (end + 1.1, 0.0), (end + 50, 0.0)):
        point = (x, 10.0, 10.0)
        assert np.allclose(ours.map(np.array(point)) - point, 4.0)
        assert np.allclose(np.subtract(itk.TransformPoint(point), point), by_itk)


def test_the_scene_continues_the_border_and_says_how_it_interpolates(tmp_path):
    pytest.importorskip("slicer")
    from UncertainRegLib.scene.bundle import read_bundle, write_bundle
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.transform import read_transform, set_field

    grid = Grid.from_spacing((12, 14, 16), (2.0, 2.0, 2.0))
    write_field(
        DisplacementField(np.full((*grid.shape, 3), 4, np.float32), grid), tmp_path / "w.nrrd"
    )
    with HeadlessScene() as headless, HeadlessScene() as other:
        node = headless.scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Field")
        set_field(node, read_transform(tmp_path / "w.nrrd"))
        moved = node.GetTransformFromParent().TransformPoint(-80.0, -10.0, 10.0)
        assert np.allclose(np.subtract(moved, (-80.0, -10.0, 10.0)), (-4, -4, 4))
        write_bundle(headless.scene, tmp_path / "scene.mrb")
        read_bundle(tmp_path / "scene.mrb", other.scene)
        again = other.scene.GetFirstNodeByClass("vtkMRMLGridTransformNode")
        assert MEANING["between_voxels"] in again.GetDescription()
        transform = again.GetTransformFromParentAs("vtkOrientedGridTransform")
        assert transform.GetInterpolationModeAsString() == "Cubic"  # as the text says


def test_an_input_is_shown_where_the_run_saw_it(tmp_path):
    """The scene reads inputs as the run does, not by ITK's choice among the headers."""
    pytest.importorskip("slicer")
    from UncertainRegLib.scene.frames import grid_of
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.maps import set_scalars

    path = nifti(tmp_path / "i.nii", (PLAIN, 2), (shifted(PLAIN, 7), 1))
    with HeadlessScene() as headless:
        node = headless.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Image")
        set_scalars(node, path)
        assert np.abs(grid_of(node).affine - read_image(path).grid.affine).max() < 1e-3
        assert np.abs(grid_of(node).affine - TO_LPS @ PLAIN).max() < 1e-3
