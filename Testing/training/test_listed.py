"""Pairs of a list as a network sees them."""

import numpy as np
import pytest

pytest.importorskip("torch")

from support.pair_lists import SIZE, phases, write_pair_list
from UncertainRegLib.training.listed import ListedPairs
from UncertainRegLib.training.pairs import of_split, read_pair_list
from UncertainRegLib.training.validation import validate

VOLUME, SLICE = (SIZE, SIZE, SIZE), (1, SIZE, SIZE)


def scaled(array):
    return (array - array.min()) / np.ptp(array)


def listed(file, shape, **settings):
    pairs = of_split(read_pair_list(file), "train")
    return ListedPairs(pairs, shape, intensity="minmax", together=0, apart=0, **settings)


@pytest.mark.parametrize("kind", ["3d", "4d"])
def test_moving_and_fixed_are_those_of_one_patient(tmp_path, kind):
    pairs = listed(write_pair_list(tmp_path, kind), VOLUME)
    assert len(pairs) == 2 and pairs.label_values() == (1,)
    for patient in range(2):
        images, masks = phases(patient)
        pair = pairs.of(patient)
        assert np.allclose(pair.moving[0, 0], scaled(images[0]), atol=1e-6)
        assert np.allclose(pair.fixed[0, 0], scaled(images[1]), atol=1e-6)
        assert np.array_equal(pair.moving_labels[0, 0], masks[0])
        assert np.array_equal(pair.fixed_labels[0, 0], masks[1])
    drawn = {float(pairs.pair(seed).moving.sum()) for seed in range(20)}
    assert drawn == {float(pairs.of(n).moving.sum()) for n in range(2)}


@pytest.mark.parametrize("kind", ["2d", "png"])
def test_2d_files_are_2d_images(tmp_path, kind):
    said = []
    pairs = listed(write_pair_list(tmp_path, kind), SLICE, say=said.append)
    if kind == "png":  # of all files at once: two images and two segmentations of two patients
        assert len(said) == 1
        assert "no orientation" in said[0] and "So it is with 7 other files." in said[0]
    expected = scaled(phases(1)[0][0][SIZE // 2])
    found = pairs.of(1).moving
    assert found.shape == (1, 1, 1, SIZE, SIZE)
    assert np.allclose(found[0, 0, 0], expected, atol=1e-6 if kind == "2d" else 1 / 255)


@pytest.mark.parametrize(("axis", "array_axis"), [("z", 0), ("y", 1), ("x", 2)])
def test_slices_are_pairs_of_the_same_number_each_with_its_own_intensities(
    tmp_path, axis, array_axis
):
    said = []
    pairs = listed(write_pair_list(tmp_path), SLICE, slices=axis, say=said.append)
    images, masks = phases(0)
    first = SIZE // 2 - 6  # the large ball of patient 0 has radius 6: 5 slices on either side
    while not masks[0].take(first, array_axis).any():
        first += 1
    for number in range(3):
        pair = pairs.of(number)
        for found, image in ((pair.moving, images[0]), (pair.fixed, images[1])):
            expected = scaled(image.take(first + number, array_axis))
            assert np.allclose(found[0, 0, 0], expected, atol=1e-5)
        assert np.array_equal(
            pair.moving_labels[0, 0, 0], masks[0].take(first + number, array_axis)
        )
    shown = sum(
        mask.any() for p in range(2) for mask in np.moveaxis(phases(p)[1][0], array_axis, 0)
    )
    assert len(pairs) == shown
    assert f"{2 * SIZE - shown} of {2 * SIZE} pairs of slices show nothing" in "".join(said)


def test_a_volume_without_slices_gives_its_middle_one(tmp_path):
    pairs = listed(write_pair_list(tmp_path), SLICE)
    image = phases(0)[0][0]
    middle = 0.5 * (image[SIZE // 2 - 1] + image[SIZE // 2])
    low, high = image.min(), image.max()
    assert np.allclose(pairs.of(0).moving[0, 0, 0], (middle - low) / (high - low), atol=1e-5)


def test_the_record_tells_the_content_and_not_the_names(tmp_path):
    first = listed(write_pair_list(tmp_path / "a"), VOLUME).record()
    assert listed(write_pair_list(tmp_path / "b"), VOLUME).record() == first
    other = write_pair_list(tmp_path / "c", splits=("train", "test", "validation", "test"))
    assert listed(other, VOLUME).record()["pairs"] != first["pairs"]


def test_what_does_not_fit_is_said(tmp_path):
    file = write_pair_list(tmp_path)
    with pytest.raises(ValueError, match="2 dimensions"):
        listed(write_pair_list(tmp_path / "flat", "2d"), VOLUME)
    with pytest.raises(ValueError, match="shape 1 Y X"):
        listed(file, VOLUME, slices="z")
    text = file.read_text("utf-8").splitlines()
    columns = text[0].split(",")
    bare = text[2].split(",")
    for name in ("fixed_labels", "moving_labels"):
        bare[columns.index(name)] = ""
    file.write_text("\n".join([*text[:2], ",".join(bare), *text[3:], ""]), "utf-8")
    said = []
    assert listed(file, VOLUME, say=said.append).label_values() == ()
    assert "no segmentations, so those of the others are not used" in "".join(said)


def test_an_identity_is_judged_by_the_overlap_of_the_labels_as_they_lie(tmp_path):
    pairs = listed(write_pair_list(tmp_path), VOLUME)
    found = validate(lambda moving, fixed: moving.new_zeros(1, 3, *VOLUME), pairs)
    dice, errors = [], []
    for patient in range(2):
        images, (large, small) = phases(patient)
        dice.append(2 * small.sum() / (large.sum() + small.sum()))
        errors.append(((scaled(images[0]) - scaled(images[1])) ** 2).mean())
    assert found["validation_dice"] == pytest.approx(np.mean(dice), abs=1e-6)
    assert found["validation_mse"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert 0 < found["validation_nlcc"] < 1
