"""The maps of a cohort on its common fixed image, against numpy on all values at once."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from support.fake_result import SHAPE, write_fake_result
from UncertainRegLib.cohort.common import common_maps, mean_and_percentile, up_to_date


@pytest.mark.parametrize("count", [1, 2, 5, 20, 21, 41, 73])
@pytest.mark.parametrize("memory", [2**30, 1])
def test_mean_and_percentile_are_those_of_numpy(count, memory):
    """Whether all is kept at once or slice by slice, with places where some or all say nothing."""
    generator = np.random.default_rng(count)
    arrays = generator.gamma(2.0, 1.0, (count, 3, 4, 5)).astype(np.float32)
    arrays[generator.random(arrays.shape) < 0.2] = np.nan
    arrays[:, 0, 0, 0] = np.nan
    mean, percentile = mean_and_percentile(lambda: iter(arrays), (3, 4, 5), count, memory)
    with pytest.warns(RuntimeWarning):
        expected = np.nanmean(arrays.astype(float), 0), np.nanpercentile(arrays, 95, axis=0)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-6)
    np.testing.assert_allclose(percentile, expected[1], rtol=1e-5)
    assert np.isnan(mean[0, 0, 0]) and np.isnan(percentile[0, 0, 0])


def test_files_are_read_once_where_there_is_memory_and_by_slices_where_not():
    reads = []

    def read():
        reads.append(1)
        return iter(np.ones((8, 3, 4, 5), np.float32))

    mean_and_percentile(read, (3, 4, 5), 8)
    assert len(reads) == 1
    mean_and_percentile(read, (3, 4, 5), 8, memory=1)
    assert len(reads) == 1 + 3


def cohort(folder, factors):
    """Results on one fixed image, whose maps are multiples of each other."""
    for number, factor in enumerate(factors):
        where = write_fake_result(folder / "pairs" / f"p{number}")
        for name in ("expected_error_mm", "uncertainty_mm"):
            file = str(where / "maps" / f"{name}.nrrd")
            sitk.WriteImage(sitk.ReadImage(file) * factor, file)
    return [f"p{number}" for number in range(len(factors))]


def of(folder, name, pair="p0"):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"pairs/{pair}/maps/{name}.nrrd")))


def test_maps_of_pairs_with_one_fixed_image(tmp_path):
    pairs = cohort(tmp_path, (1.0, 2.0, 3.0))
    found = common_maps(tmp_path, [*pairs, "failed"])
    for name in ("expected_error_mm", "uncertainty_mm"):
        np.testing.assert_allclose(found.means[name].array, 2.0 * of(tmp_path, name), rtol=1e-5)
        np.testing.assert_allclose(
            found.percentiles[name].array, 2.9 * of(tmp_path, name), rtol=1e-5
        )
    assert found.counts == {"expected_error_mm": 3, "uncertainty_mm": 3} and not found.left_out
    up_to_date(tmp_path, pairs)
    assert sorted(path.name for path in (tmp_path / "common").iterdir()) == [
        "about.json",
        "expected_error_mm_mean.nrrd",
        "expected_error_mm_p95.nrrd",
        "uncertainty_mm_mean.nrrd",
        "uncertainty_mm_p95.nrrd",
    ]
    image = sitk.ReadImage(str(tmp_path / "common" / "expected_error_mm_p95.nrrd"))
    one = sitk.ReadImage(str(tmp_path / "pairs/p0/maps/expected_error_mm.nrrd"))
    np.testing.assert_allclose(image.GetOrigin(), one.GetOrigin())
    np.testing.assert_allclose(image.GetDirection(), one.GetDirection(), atol=1e-6)


def test_a_pair_on_another_fixed_image_is_left_out_and_named_in_a_sentence(tmp_path):
    pairs = cohort(tmp_path, (1.0, 1.0, 5.0))
    file = tmp_path / "pairs" / "p2" / "result.json"
    record = json.loads(file.read_text("utf-8"))
    record["inputs"]["fixed"]["sha256"] = "1" * 64
    file.write_text(json.dumps(record), "utf-8")
    found = common_maps(tmp_path, pairs)
    assert found.left_out == [
        "1 of 3 pairs have another fixed image and are left out of the common maps."
    ]
    np.testing.assert_allclose(
        found.means["uncertainty_mm"].array, of(tmp_path, "uncertainty_mm"), rtol=1e-6
    )


def test_a_map_on_another_grid_and_a_damaged_one_are_left_out(tmp_path):
    pairs = cohort(tmp_path, (1.0, 1.0, 1.0, 1.0))
    file = str(tmp_path / "pairs" / "p1" / "maps" / "uncertainty_mm.nrrd")
    moved = sitk.ReadImage(file)
    moved.SetOrigin((0.0, 0.0, 0.0))
    sitk.WriteImage(moved, file)
    (tmp_path / "pairs" / "p2" / "maps" / "uncertainty_mm.nrrd").write_bytes(b"no image")
    found = common_maps(tmp_path, pairs)
    assert found.counts == {"expected_error_mm": 4, "uncertainty_mm": 2}
    assert found.left_out == [
        "p1, p2: left out of the common maps, as the map cannot be read or its grid is another "
        "than that of the first pair."
    ]


def test_nothing_is_said_where_no_sample_stays_inside(tmp_path):
    pairs = cohort(tmp_path, (1.0, 3.0))
    for pair in pairs:
        where = tmp_path / "pairs" / pair
        record = json.loads((where / "result.json").read_text("utf-8"))
        record["maps"]["validity"] = {"file": "maps/validity.nrrd"}
        (where / "result.json").write_text(json.dumps(record), "utf-8")
        validity = np.ones(SHAPE, np.float32)
        validity[0] = 0.0
        validity[1] = 0.0 if pair == "p1" else 1.0
        image = sitk.GetImageFromArray(validity)
        sitk.WriteImage(image, str(where / "maps" / "validity.nrrd"))
    mean = common_maps(tmp_path, pairs).means["uncertainty_mm"].array
    own = of(tmp_path, "uncertainty_mm")
    assert np.isnan(mean[0]).all()
    np.testing.assert_allclose(mean[1], own[1], rtol=1e-6)
    np.testing.assert_allclose(mean[2], 2.0 * own[2], rtol=1e-6)


def test_pairs_without_a_common_image_have_no_common_maps(tmp_path):
    pairs = cohort(tmp_path, (1.0,))
    assert common_maps(tmp_path, pairs) is None and common_maps(tmp_path, []) is None


def test_they_are_made_anew_only_for_another_pair_or_a_newer_result(tmp_path, monkeypatch):
    from UncertainRegLib.cohort import common

    pairs, made = cohort(tmp_path, (1.0, 2.0, 3.0)), []
    monkeypatch.setattr(common, "common_maps", lambda *a: made.append(1) or common_maps(*a))
    first, again = (up_to_date(tmp_path, pairs) for _ in range(2))
    assert len(made) == 1 and again.counts == first.counts and again.fixed == first.fixed
    for name in first.means:
        np.testing.assert_array_equal(again.means[name].array, first.means[name].array)
        np.testing.assert_array_equal(again.percentiles[name].array, first.percentiles[name].array)
    up_to_date(tmp_path, pairs[:2])
    assert len(made) == 2
    file = tmp_path / "pairs" / "p0" / "result.json"
    file.write_text(file.read_text("utf-8"), "utf-8")
    up_to_date(tmp_path, pairs[:2])
    assert len(made) == 3
    (tmp_path / "common" / "uncertainty_mm_mean.nrrd").unlink()
    up_to_date(tmp_path, pairs[:2])
    assert len(made) == 4
