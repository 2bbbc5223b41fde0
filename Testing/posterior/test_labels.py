"""Label probabilities against the dense one-hot warp, and quantities with known answers."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from UncertainRegLib.geometry import DisplacementField, Grid, Image, warp_one_hot
from UncertainRegLib.posterior.labels import LabelProbabilities

VALUES = [3, 10, 11, 42]


@pytest.fixture(params=["numpy", "torch"])
def convert(request):
    """Fields of each library; torch is skipped where it is absent."""
    if request.param == "numpy":
        return lambda field: field
    torch = pytest.importorskip("torch")
    return lambda field: DisplacementField(torch.as_tensor(field.vectors), field.grid)


@pytest.fixture
def case():
    """Four touching labels on an oblique moving grid, another fixed grid, smooth samples."""
    generator = np.random.default_rng(0)
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1.0]])
    moving = Grid.from_spacing((17, 20, 22), (1.2, 1.0, 1.5), (-12.0, -8.0, -13.0), turn)
    fixed = Grid.from_spacing((19, 21, 18), (1.1, 1.0, 1.3), (-11.0, -9.0, -12.0))
    blobs = ndimage.gaussian_filter(generator.normal(size=(5, *moving.shape)), (0, 2, 2, 2))
    labels = np.array([0, *VALUES])[blobs.argmax(axis=0)]
    fields = []
    for _ in range(4):
        noise = generator.normal(size=(*fixed.shape, 3))
        smooth = ndimage.gaussian_filter(noise, (3, 3, 3, 0)) * 40
        fields.append(DisplacementField(smooth.astype(np.float32), fixed))
    return Image(labels, moving), fixed, fields


def fill(segmentation, grid, fields, convert=lambda f: f, log_weights=None):
    probabilities = LabelProbabilities(segmentation, grid)
    for n, field in enumerate(fields):
        probabilities.add(convert(field), 0.0 if log_weights is None else log_weights[n])
    return probabilities


def dense(segmentation, fields, weights=None):
    """(N, L + 1, Z, Y, X) one-hot warps, background first."""
    warps = np.stack([[warp_one_hot(segmentation, f, v) for v in VALUES] for f in fields])
    return np.concatenate([1.0 - warps.sum(axis=1, keepdims=True), warps], axis=1)


def volume(probabilities, label):
    """Probability of a label on the whole fixed grid."""
    image = probabilities.probability(label)
    start = np.rint(probabilities.grid.to_index(image.grid.origin)).astype(int)[::-1]
    whole = np.zeros(probabilities.grid.shape, np.float32)
    whole[tuple(slice(a, a + n) for a, n in zip(start, image.array.shape))] = image.array
    return whole


@pytest.mark.parametrize("log_weights", [[0.0] * 4, [0.0, 2.0, -1.0, 1000.0], [3.0, 1.0, 2.0, 0.0]])
def test_same_as_the_one_hot_warp(case, convert, log_weights):
    segmentation, grid, fields = case
    probabilities = fill(segmentation, grid, fields, convert, log_weights)
    weights = np.exp(np.array(log_weights) - max(log_weights))
    weights /= weights.sum()
    expected = np.tensordot(weights, dense(segmentation, fields), 1)
    for place, label in enumerate(VALUES, start=1):
        assert np.abs(volume(probabilities, label) - expected[place]).max() < 1e-4
    top, confidence = probabilities.top_label()
    clear = np.sort(expected, axis=0)[-1] - np.sort(expected, axis=0)[-2] > 1e-3
    assert (top == np.array([0, *VALUES])[expected.argmax(axis=0)])[clear].all()
    assert np.abs(confidence - expected.max(axis=0)).max() < 1e-4
    entropy = -(expected * np.log(expected.clip(1e-30))).sum(axis=0)
    assert np.abs(probabilities.entropy() - entropy).max() < 2e-3
    assert np.allclose(probabilities.entropy(normalised=True), probabilities.entropy() / np.log(5))
    assert np.allclose(probabilities.weights, weights)


def test_volumes_and_centroids_of_every_sample(case, convert):
    segmentation, grid, fields = case
    probabilities = fill(segmentation, grid, fields, convert)
    warps = dense(segmentation, fields)[:, 1:]
    sizes = warps.sum(axis=(2, 3, 4))
    assert np.allclose(probabilities.volumes_ml, sizes * 1.1 * 1.0 * 1.3 / 1000, rtol=1e-4)
    points = grid.points(np.zeros(0))
    expected = np.einsum("nlzyx,zyxc->nlc", warps, points) / sizes[..., None]
    assert np.allclose(probabilities.centroids, expected, atol=1e-3)


def test_pairwise_dice_is_the_size_weighted_mean_over_pairs(case, convert):
    segmentation, grid, fields = case
    result = fill(segmentation, grid, fields, convert).pairwise_dice()
    hard = dense(segmentation, fields).argmax(axis=1)
    for place, _ in enumerate(VALUES, start=1):
        shared, sizes, plain = 0, 0, []
        for a, b in itertools.combinations(hard == place, 2):
            shared += 2 * (a & b).sum()
            sizes += a.sum() + b.sum()
            plain.append(2 * (a & b).sum() / (a.sum() + b.sum()))
        assert result[place - 1] == pytest.approx(shared / sizes, abs=1e-3)
        assert result[place - 1] == pytest.approx(np.mean(plain), abs=0.01)


def test_pairwise_dice_with_weights_and_with_one_sample(case):
    segmentation, grid, fields = case
    twice = fill(segmentation, grid, [fields[0], fields[1], fields[1]])
    once = fill(segmentation, grid, fields[:2], log_weights=[0.0, np.log(2.0)])
    for a, b in zip(twice.entropy().ravel(), once.entropy().ravel()):
        assert a == pytest.approx(b, abs=1e-4)
    assert np.isnan(fill(segmentation, grid, fields[:1]).pairwise_dice()).all()
    same = fill(segmentation, grid, [fields[0]] * 3, log_weights=[0.0, 1.0, 2.0])
    assert np.allclose(same.pairwise_dice(), 1.0, atol=1e-6)


def test_half_and_half_is_one_bit():
    grid = Grid.from_spacing((6, 6, 12))
    labels = np.zeros(grid.shape, np.int32)
    labels[..., :6] = 7
    probabilities = LabelProbabilities(Image(labels, grid), grid)
    for shift in (0.0, -2.0, 0.0, -2.0):
        vectors = np.zeros((*grid.shape, 3), np.float32)
        vectors[..., 0] = shift
        probabilities.add(DisplacementField(vectors, grid))
    entropy = probabilities.entropy()
    assert np.allclose(entropy[..., 6:8], np.log(2.0))
    assert (entropy[..., 2:6] == 0.0).all()
    # A shift of -2 mm asks for the labels at x - 2: the label grows by two planes, and loses two
    # where it leaves the moving field of view.
    assert probabilities.volumes_ml[:, 0].tolist() == pytest.approx([0.216, 0.216, 0.216, 0.216])
    assert np.diff(probabilities.centroids[:2, 0, 0])[0] == pytest.approx(2.0)
    assert (probabilities.top_label()[0][..., 2:6] == 7).all()


def test_certain_labels_have_no_entropy():
    grid = Grid.from_spacing((9, 10, 11))
    labels = np.random.default_rng(0).integers(0, 4, grid.shape)
    probabilities = LabelProbabilities(Image(labels, grid), grid)
    for _ in range(3):
        probabilities.add(DisplacementField(np.zeros((*grid.shape, 3), np.float32), grid))
    assert (probabilities.entropy() == 0.0).all()
    top, confidence = probabilities.top_label()
    assert (top == labels).all()
    assert (confidence == 1.0).all()


def test_fields_on_a_coarser_grid_are_resampled(case):
    segmentation, grid, _ = case
    coarse = grid.resized((8, 9, 10))
    field = DisplacementField(np.full((*coarse.shape, 3), 0.7, np.float32), coarse)
    same = DisplacementField(np.full((*grid.shape, 3), 0.7, np.float32), grid)
    a, b = (fill(segmentation, grid, [f]) for f in (field, same))
    assert np.allclose(a.volumes_ml, b.volumes_ml, rtol=1e-5)


def test_a_label_that_leaves_the_image_vanishes(case):
    segmentation, grid, fields = case
    far = DisplacementField(np.full((*grid.shape, 3), 500.0, np.float32), grid)
    probabilities = fill(segmentation, grid, [far])
    assert (probabilities.volumes_ml == 0).all()
    assert np.isnan(probabilities.centroids).all()
    assert (probabilities.entropy() == 0).all()
    with pytest.raises(ValueError, match="outside the fixed image"):
        probabilities.probability(3)
    with pytest.raises(ValueError, match="no label 5"):
        fill(segmentation, grid, fields[:1]).probability(5)


def test_empty_segmentation_is_told():
    grid = Grid.from_spacing((4, 4, 4))
    with pytest.raises(ValueError, match="no label"):
        LabelProbabilities(Image(np.zeros(grid.shape, int), grid), grid)
    probabilities = LabelProbabilities(Image(np.ones(grid.shape, int), grid), grid)
    with pytest.raises(ValueError, match="no sample"):
        probabilities.entropy()


def test_weights_of_voxels_against_the_dense_sum(case, convert):
    segmentation, grid, fields = case
    log_weights = 0.3 * np.arange(len(fields))
    generator = np.random.default_rng(1)
    local = [
        ndimage.gaussian_filter(generator.normal(size=grid.shape), 2).astype(np.float32) * 20
        for _ in fields
    ]
    probabilities = LabelProbabilities(segmentation, grid)
    for field, whole, voxel in zip(fields, log_weights, local):
        probabilities.add(convert(field), whole, Image(voxel, grid))
    weights = np.exp(log_weights[:, None, None, None] + np.stack(local))
    p = np.einsum("nzyx,nlzyx->lzyx", weights / weights.sum(0), dense(segmentation, fields))
    for place, label in enumerate(VALUES, start=1):
        assert np.allclose(volume(probabilities, label), p[place], atol=2e-5)
    entropy = -(p * np.log(np.maximum(p, 1e-30))).sum(0)
    assert np.allclose(probabilities.entropy(), entropy, atol=2e-4)
    assert np.allclose(probabilities.top_label()[1], p.max(0), atol=2e-5)
    as_wholes = fill(segmentation, grid, fields, convert, log_weights)
    assert np.allclose(probabilities.pairwise_dice(), as_wholes.pairwise_dice())
    assert np.abs(as_wholes.entropy() - entropy).max() > 0.05


def shifted(grid, *shifts_mm):
    """Fields that shift along x."""
    for shift in shifts_mm:
        vectors = np.zeros((*grid.shape, 3), np.float32)
        vectors[..., 0] = shift
        yield DisplacementField(vectors, grid)


def test_samples_that_agree_have_no_information_whatever_interpolation_makes(case, convert):
    segmentation, grid, fields = case
    once = fill(segmentation, grid, fields[:1], convert)
    same = fill(segmentation, grid, fields[:1] * 5, convert, [0.0, 1.0, -2.0, 0.5, 3.0])
    assert once.entropy().max() > 1.0
    assert np.allclose(same.entropy(), once.entropy(), atol=1e-4)
    assert (once.information() == 0).all()
    assert (same.information() == 0).all()


def test_half_a_voxel_of_agreed_shift_is_entropy_and_no_information():
    grid = Grid.from_spacing((6, 6, 12))
    labels = np.zeros(grid.shape, np.int32)
    labels[..., :6] = 7
    agreed = fill(Image(labels, grid), grid, shifted(grid, 0.5, 0.5, 0.5))
    assert np.allclose(agreed.entropy()[..., 5], np.log(2.0))
    assert (agreed.information() == 0.0).all()
    # One of two samples half a voxel farther: p = (1 + ½) / 2, of which H(½) / 2 is interpolation.
    apart = fill(Image(labels, grid), grid, shifted(grid, 0.0, 0.5))
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert np.allclose(apart.entropy()[..., 5], entropy)
    assert np.allclose(apart.information()[..., 5], entropy - np.log(2.0) / 2, atol=1e-6)
    # Whole voxels: nothing is interpolated, all entropy is disagreement.
    whole = fill(Image(labels, grid), grid, shifted(grid, 0.0, 2.0))
    assert np.allclose(whole.information()[..., 4:6], np.log(2.0))
    assert (whole.information()[..., :4] == 0.0).all()


@pytest.mark.parametrize("log_weights", [None, [0.0, 2.0, -1.0, 1000.0], [3.0, 1.0, 2.0, 0.0]])
def test_information_is_the_entropy_of_the_mean_less_the_mean_entropy(case, convert, log_weights):
    segmentation, grid, fields = case
    found = fill(segmentation, grid, fields, convert, log_weights)
    samples = dense(segmentation, fields)
    own = -(samples * np.log(samples.clip(1e-30))).sum(axis=1)
    mean = np.tensordot(found.weights, samples, 1)
    expected = -(mean * np.log(mean.clip(1e-30))).sum(axis=0) - np.tensordot(found.weights, own, 1)
    assert np.abs(found.information() - expected).max() < 2e-3
    assert (found.information() >= 0).all()
    assert (found.information() <= found.entropy() + 1e-6).all()


def test_information_with_weights_of_voxels(case):
    segmentation, grid, fields = case
    probabilities = LabelProbabilities(segmentation, grid)
    for number, field in enumerate(fields[:2]):  # the first sample alone counts left of a plane
        local = np.zeros(grid.shape, np.float32)
        local[..., :9] = -1000.0 * number
        probabilities.add(field, 0.0, Image(local, grid))
    plain = fill(segmentation, grid, fields[:2])
    assert (probabilities.information()[..., :9] == 0).all()
    assert np.allclose(
        probabilities.information()[..., 9:], plain.information()[..., 9:], atol=1e-4
    )
