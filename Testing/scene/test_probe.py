"""The read-out at a point: numbers of the samples, from the scene alone."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")

import SimpleITK as sitk  # noqa: E402

from support.fake_result import write_fake_result  # noqa: E402
from UncertainRegLib.geometry import DisplacementField, read_field, write_field  # noqa: E402
from UncertainRegLib.posterior.region import prediction_radius  # noqa: E402
from UncertainRegLib.scene import axes, display, probe  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_bundle  # noqa: E402
from UncertainRegLib.scene.frames import lps_to_ras  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.nodes import find  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result  # noqa: E402

INDEX = (12, 15, 9)  # i, j, k inside the inner ball


@pytest.fixture
def headless():
    with HeadlessScene() as headless:
        yield headless


@pytest.fixture
def folder(tmp_path):
    return write_fake_result(tmp_path)


def _point(folder) -> np.ndarray:
    image = sitk.ReadImage(str(folder / "fixed.nrrd"))
    return lps_to_ras(image.TransformIndexToPhysicalPoint(INDEX))


def _truth(folder):
    """Displacements (N, 3) in RAS and weights of the samples in that voxel."""
    i, j, k = INDEX
    files = sorted(folder.glob("samples/*.nrrd"))
    vectors = [sitk.GetArrayFromImage(sitk.ReadImage(str(f)))[k, j, i] for f in files]
    weights = np.exp(-0.1 * np.arange(len(files)))
    return lps_to_ras(np.array(vectors, dtype=float)), weights / weights.sum()


def _slope(result, point, weights):
    """Derivative of the mean registration (3, 3), with steps of 1 mm."""
    transforms = [
        result.sample_sequence.GetNthDataNode(n).GetTransformFromParent()
        for n in range(len(weights))
    ]
    steps = [
        weights
        @ [
            np.subtract(t.TransformPoint(point + step), t.TransformPoint(point - step))
            for t in transforms
        ]
        / 2.0
        for step in np.eye(3)
    ]
    return np.array(steps).T


def test_values_ellipsoid_and_labels_at_a_voxel(folder, headless):
    result = load_result(folder, headless.scene)
    reading = probe.Probe(result).read(_point(folder))
    i, j, k = INDEX
    for name in ("uncertainty_mm", "jacobian"):
        file = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"maps/{name}.nrrd")))
        expected = file[k, j, i] if name == "uncertainty_mm" else 100 * (file[k, j, i] - 1)
        assert reading.values[name] == pytest.approx(expected, abs=1e-4)
    vectors, weights = _truth(folder)
    covariance = np.cov(vectors.T, aweights=weights, ddof=0)
    back = np.linalg.inv(_slope(result, _point(folder), weights))
    axes = np.diag((reading.axes_mm / prediction_radius(1.0 / np.sum(weights**2))) ** 2)
    found = reading.directions.T @ axes @ reading.directions
    np.testing.assert_allclose(found, back @ covariance @ back.T, rtol=0.03, atol=1e-3)
    assert reading.is_known
    assert sum(p for _, p in reading.labels) == pytest.approx(1.0)
    assert reading.labels[0][0] == "Core"


def test_an_ellipsoid_needs_five_samples(tmp_path, headless):
    folder = write_fake_result(tmp_path, samples=4)
    reading = probe.Probe(load_result(folder, headless.scene)).read(_point(folder))
    assert reading.is_known and reading.labels
    assert np.isnan(reading.axes_mm).all() and not reading.main


def test_labels_are_weighted_votes(folder, headless):
    """A point at the edge of the inner ball, where the samples disagree."""
    result = load_result(folder, headless.scene)
    labels = sitk.ReadImage(str(folder / "labels.nrrd"))
    array = sitk.GetArrayFromImage(labels)
    reader, split = probe.Probe(result), 0
    for i in range(6, 18):
        point = lps_to_ras(labels.TransformIndexToPhysicalPoint((i, 14, 10)))
        votes, total = {}, np.exp(-0.1 * np.arange(6)).sum()
        for n in range(6):
            item = result.sample_sequence.GetNthDataNode(n)
            at = lps_to_ras(item.GetTransformFromParent().TransformPoint(point))
            index = labels.TransformPhysicalPointToIndex(at.tolist())
            name = ("", "Shell", "Core")[array[index[2], index[1], index[0]]]
            votes[name] = votes.get(name, 0.0) + np.exp(-0.1 * n) / total
        found = dict(reader.read(point).labels)
        assert found == pytest.approx(votes)
        split += len(votes) > 1
    assert split


def test_outside_nothing_is_claimed(folder, headless):
    result = load_result(folder, headless.scene)
    reader = probe.Probe(result)
    for point in ((1e4, 0.0, 0.0), lps_to_ras([-20.0, 30.0, 10.0])):  # far away; air
        reading = reader.read(point)
        assert not reading.is_known and reading.labels == [] and reading.main == ()
        assert np.isnan(reading.axes_mm).all()
        assert not probe.show_ellipsoid(result, reading).GetDisplayNode().GetVisibility()


@pytest.mark.parametrize("words", ["RL", "AP", "SI"])
def test_directions_are_those_of_the_patient_in_the_fixed_image(folder, headless, words):
    """The moving image is larger by 1.3 and turned by 90 degrees out of the direction in which the
    samples differ: along its own axes they differ elsewhere, and by more."""
    long = ("RL", "AP", "SI").index(words)
    near, far = (long + 1) % 3, (long + 2) % 3
    spread, turn = np.zeros(3), np.zeros((3, 3))
    spread[[long, near, far]] = 2.4, 0.6, 0.3
    turn[near, long], turn[long, near], turn[far, far] = 1.3, -1.3, 1.3
    shifts = np.random.default_rng(5).normal(size=(6, 3))
    shifts = spread * (shifts - shifts.mean(0)) / shifts.std(0)
    _write_samples(folder, lambda points, n: (points + shifts[n]) @ turn.T)
    result = load_result(folder, headless.scene)
    reading = probe.Probe(result).read(_point(folder))
    assert reading.main == (words,)
    weights = np.exp(-0.1 * np.arange(6))
    covariance = np.cov(shifts.T, aweights=weights, ddof=0)
    expected = np.sqrt(np.linalg.eigvalsh(covariance)[::-1])
    count = weights.sum() ** 2 / (weights**2).sum()
    np.testing.assert_allclose(reading.axes_mm, prediction_radius(count) * expected, rtol=1e-3)
    display.jump_to(headless.scene, _point(folder))
    drawn = slicer.util.arrayFromModelPoints(axes.show_axes(result)).reshape(-1, 14 * 7 + 2, 3)
    assert len(drawn) > 5
    for one in drawn:
        assert np.ptp(one, axis=0).argmax() == long


def test_a_fold_has_no_ellipsoid(folder, headless):
    shifts = np.random.default_rng(5).normal(size=(6, 3))
    _write_samples(folder, lambda points, n: (points + shifts[n]) * [1.0, -1.0, 1.0])
    result = load_result(folder, headless.scene)
    reading = probe.Probe(result).read(_point(folder))
    assert reading.is_known and np.isnan(reading.axes_mm).all() and reading.main == ()
    assert not probe.show_ellipsoid(result, reading).GetDisplayNode().GetVisibility()
    assert axes.show_axes(result).GetPolyData().GetNumberOfPoints() == 0


def _write_samples(folder, moved) -> None:
    """Let sample n of a result carry points (..., 3) in LPS mm to ``moved(points, n)``."""
    for n, path in enumerate(sorted(folder.glob("samples/*.nrrd"))):
        grid = read_field(path).grid
        points = grid.points(np.zeros(0))
        write_field(DisplacementField((moved(points, n) - points).astype("f4"), grid), path)


@pytest.mark.parametrize(
    ("variances", "expected"),
    [
        ((9.0, 1.0, 1.0), ("RL",)),
        ((1.0, 9.0, 1.0), ("AP",)),
        ((1.0, 1.0, 9.0), ("SI",)),
        ((4.0, 4.0, 4.0), ()),
    ],
)
def test_main_direction_in_anatomical_words(variances, expected):
    order = np.argsort(variances)[::-1]
    axes = np.sqrt(np.array(variances)[order])
    assert probe._main_axes(axes, np.eye(3)[order]) == expected
    oblique = np.array([[0.7, 0.7, 0.1], [0.7, -0.7, 0.0], [0.0, 0.1, 1.0]])
    assert set(probe._main_axes(np.array([3.0, 1.0, 1.0]), oblique)) == {"RL", "AP"}
    along_all = np.array([[0.6, 0.6, 0.53], [0.7, -0.7, 0.0], [0.4, 0.4, -0.85]])
    assert probe._main_axes(np.array([3.0, 1.0, 1.0]), along_all) == ()  # says nothing


def test_ellipsoid_is_drawn_at_the_point(folder, headless):
    result = load_result(folder, headless.scene)
    point = _point(folder)
    reading = probe.Probe(result).read(point)
    node = probe.show_ellipsoid(result, reading)
    assert node.GetDisplayNode().GetVisibility() and node.GetDisplayNode().GetVisibility2D()
    points = slicer.util.arrayFromModelPoints(node) - point
    longest = np.linalg.norm(points, axis=1)
    assert longest.max() == pytest.approx(reading.axes_mm[0], rel=0.02)
    assert longest.min() == pytest.approx(reading.axes_mm[2], rel=0.05)
    assert probe.show_ellipsoid(result, reading) is node
    probe.hide_ellipsoid(result)
    assert find(headless.scene, result.run, "probe_ellipsoid") is None


def test_pins_keep_their_text_and_the_probe_works_in_a_loaded_scene(folder, headless, tmp_path):
    result = load_result(folder, headless.scene)
    reading = probe.Probe(result).read(_point(folder))
    value = reading.values["expected_error_mm"]
    probe.pin(result, reading, "all of it")
    probe.show_ellipsoid(result, reading)
    write_bundle(headless.scene, tmp_path / "scene.mrb")
    for file in folder.rglob("*.nrrd"):
        file.unlink()
    with HeadlessScene() as other:
        read_bundle(tmp_path / "scene.mrb", other.scene)
        (loaded,) = find_results(other.scene)
        again = probe.Probe(loaded).read(_point_of(reading))
        assert again.values == pytest.approx(reading.values)
        np.testing.assert_allclose(again.axes_mm, reading.axes_mm, rtol=1e-5)
        assert again.labels == reading.labels
        assert loaded.pins.GetNthControlPointLabel(0) == f"P1 {value:.1f} mm"
        assert loaded.pins.GetNthControlPointDescription(0) == "all of it"


def _point_of(reading):
    return reading.point
