"""Lengths in a scene are those of the result folder to 0.01 mm, and a saved scene is much smaller."""

import zlib

import numpy as np
import pytest

from UncertainRegLib.geometry import read_field, read_image
from UncertainRegLib.results.maps import kind_of

slicer = pytest.importorskip("slicer")

from support.fake_result import write_fake_result  # noqa: E402
from UncertainRegLib.results.reader import ResultFolder  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_result_scene  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.result import find_results  # noqa: E402
from UncertainRegLib.scene.rounding import round_map, round_vectors  # noqa: E402
from UncertainRegLib.scene.transform import field_of  # noqa: E402


def smooth_vectors(voxel_mm: float) -> np.ndarray:
    """(Z, Y, X, 3) float32: displacements of up to some voxels."""
    z, y, x = np.mgrid[:30, :36, :42] * 0.21
    waves = np.stack([np.sin(x + y), np.cos(y - 0.7 * z), np.sin(0.6 * x * z)], -1)
    waves += 0.01 * np.random.default_rng(0).normal(size=waves.shape)
    return (5 * voxel_mm * waves).astype(np.float32)


@pytest.mark.parametrize(("voxel_mm", "most_mm"), [(3.0, 0.01), (1.0, 0.01), (0.02, 0.0002)])
def test_no_vector_is_off_by_more_than_a_hundredth(voxel_mm, most_mm):
    before = smooth_vectors(voxel_mm)
    rounded = before.copy()
    round_vectors(rounded, (voxel_mm, 4.0, 5.0))
    off = np.linalg.norm(rounded.astype(float) - before, axis=-1)
    assert most_mm / 4 < off.max() <= most_mm
    again = rounded.copy()
    round_vectors(again, (voxel_mm, 4.0, 5.0))
    assert np.array_equal(again, rounded)


def test_rounded_vectors_take_little_more_than_half_the_room():
    before = smooth_vectors(1.0)
    rounded = before.copy()
    round_vectors(rounded, (1.0, 1.0, 1.0))
    assert len(zlib.compress(rounded.tobytes())) < 0.6 * len(zlib.compress(before.tobytes()))


@pytest.mark.parametrize(
    ("name", "scale", "most"),
    [
        ("uncertainty_mm", 8.0, 0.01),
        ("label_entropy", 2.0, 0.01),
        ("jacobian", 80.0, 0.05),
        ("validity", 1.0, 0.002),
        ("image_noise", 1e-4, 0.0),
        ("dose_sd_gy", 3.0, 0.0),
    ],
)
def test_a_map_is_off_by_less_than_anybody_reads(name, scale, most):
    values = (scale * np.random.default_rng(1).random((20, 20, 20))).astype(np.float32)
    values[:3] = np.nan
    before = values.copy()
    round_map(values, (1.0, 1.0, 2.0), kind_of(name))
    assert np.array_equal(np.isnan(values), np.isnan(before))
    off = np.nanmax(np.abs(values.astype(float) - before))
    assert most / 4 <= off <= most


def test_a_saved_scene_has_what_the_result_folder_has(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    write_result_scene(folder, tmp_path / "scene.mrb")
    record = ResultFolder(folder).record
    with HeadlessScene() as headless:
        read_bundle(tmp_path / "scene.mrb", headless.scene)
        (found,) = find_results(headless.scene)
        sequence = found.sample_sequence
        pairs = [(found.transform, record.transform_working or record.transform)]
        pairs += [
            (sequence.GetNthDataNode(number), name)
            for number, name in enumerate(record.samples.files)
        ]
        for node, name in pairs:
            off = field_of(node).vectors - read_field(folder / name).vectors
            assert np.linalg.norm(off, axis=-1).max() <= 0.01
        assert len(pairs) == 1 + len(record.samples.files)
        for name in ("uncertainty_mm", "expected_error_mm"):
            shown = slicer.util.arrayFromVolume(found.maps[name])
            stored = read_image(folder / record.maps[name].file).array
            inside = np.isfinite(shown)
            assert inside.mean() > 0.1
            assert np.abs(shown - stored)[inside].max() <= 0.01
        assert found.sample_transform.GetStorageNode().GetFileName().endswith(".nii.gz")
