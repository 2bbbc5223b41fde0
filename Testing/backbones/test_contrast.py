"""Images of another contrast, and a spread too small to be true, are not taken without a word."""

import numpy as np
import pytest
from scipy import ndimage

from support.phantoms import smooth_field, textured
from UncertainRegLib import backbones
from UncertainRegLib.backbones import contrast, suited
from UncertainRegLib.backbones.ants import AntsSyN
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    identity,
    read_image,
    read_labels,
    warp,
    write_image,
)
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.jobs.plausible import too_certain

GRID = Grid.from_spacing((30, 32, 34), (1.5, 1.5, 1.5))


def inverted(image: Image) -> Image:
    """Bright where it was dark, on the same background."""
    array = np.asarray(image.array)
    inside = array > 0.05 * array.max()
    return Image(np.where(inside, 1.05 * array.max() - array, array).astype(np.float32), image.grid)


class Named(Backbone):
    """A method that is made for a modality."""

    def __init__(self, modality: str) -> None:
        self.facts = Facts("named", "Named", modality=modality)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Identity."""
        return identity(fixed.grid)


class Local(Named):
    """A method of one contrast that compares intensities locally."""

    def __init__(self) -> None:
        self.facts = Facts("local", "Local", modality="same in both images", any_brightness=True)


def test_explained_variance_by_hand():
    """Blocks of 1 and 3, so a variance of 1, away from where the smoothing mixes them."""
    grid = Grid.from_spacing((8, 8, 40))
    array = np.ones(grid.shape, np.float32)
    array[..., 20:], array[..., 38:] = 3.0, 0.0
    where = np.zeros(grid.shape, bool)
    where[..., 5:14] = where[..., 25:34] = True
    fixed = Image(array, grid)
    for moved, wanted in (
        (array, 1.0),
        (array + 0.5, 0.75),
        (0 * array + 2, 0.0),
        (4 - array, -3.0),
    ):
        found = contrast.explained(fixed, Image(moved.astype(np.float32), grid), where)
        assert found == pytest.approx(wanted, abs=1e-4)
    assert np.isnan(contrast.explained(fixed, fixed, where & False))


@pytest.mark.parametrize(
    ("method", "judged"),
    [
        (Named("same in both images"), True),
        (Named("T1 MRI"), True),
        (Named("any, also different ones"), False),
        (Named("any MRI contrast, also different ones"), False),
        (AntsSyN(metric="CC"), True),
        (AntsSyN(metric="mattes"), False),
    ],
)
def test_only_methods_for_one_contrast_are_judged(method, judged):
    image = textured(GRID)
    fixed = Image(image.array / image.array.max(), GRID)
    assert contrast.difference(fixed, fixed, identity(GRID)) == ""
    assert contrast.warnings(method, "") == ()
    found = contrast.warnings(method, contrast.difference(fixed, inverted(fixed), identity(GRID)))
    assert bool(found) == judged
    if judged:
        assert f"{method.facts.title} is not made" in found[0] and "convexadam" in found[0]


def job_of(folder, moving: Image, **changes) -> Job:
    field = smooth_field(GRID, 2.0)
    write_image(warp(textured(GRID), field), folder / "fixed.nrrd")
    write_image(moving, folder / "moving.nrrd")
    return Job(
        fixed=str(folder / "fixed.nrrd"),
        moving=str(folder / "moving.nrrd"),
        out=str(folder / "out"),
        samples=2,
        **changes,
    )


@pytest.mark.parametrize("other", [False, True])
def test_a_run_with_another_contrast_warns(tmp_path, other):
    moving = textured(GRID)
    record = run(
        job_of(
            tmp_path,
            inverted(moving) if other else moving,
            parameters={"backbone": {"affine": False}},
        ),
        Silent(),
    )
    said = " ".join(record["warnings"])
    assert ("do not correspond" in said) == other


@pytest.mark.parametrize(("backbone", "told"), [("demons", True), ("bspline", False)])
def test_it_is_said_once_before_anything_is_registered(tmp_path, backbone, told):
    events = []
    settings = {"affine": False, "voxels": 5000}
    job = job_of(
        tmp_path, inverted(textured(GRID)), backbone=backbone, parameters={"backbone": settings}
    )
    record = run(job, lambda event, **facts: events.append((event, facts)))
    warned = [n for n, (event, facts) in enumerate(events) if "fitting" in facts]
    begun = [n for n, (_, facts) in enumerate(events) if "Registering" in facts.get("text", "")]
    said = [text for text in record["warnings"] if "do not correspond" in text]
    assert len(warned) == len(said) == told
    if told:
        fitting = "convexadam" if backbones.entry("convexadam").available else "bspline"
        assert warned[0] < begun[0] and events[warned[0]][1]["fitting"] == fitting
        assert "Demons (SimpleITK) compares intensities" in said[0] and "bspline" in said[0]
    assert not [text for text in record["warnings"] if text.startswith("The registered images")]


@pytest.mark.parametrize(
    ("found", "demons", "greedy"),
    [
        (contrast.Signs(0.9, 0.95, 0.01), True, True),
        (contrast.Signs(0.4, 0.90, 0.17), False, True),  # a gamma
        (contrast.Signs(0.7, 0.90, 0.14), False, True),
        (contrast.Signs(-1.0, -0.3, 0.04), False, False),  # inverted
    ],
)
def test_a_gamma_is_nothing_to_a_method_that_compares_locally(found, demons, greedy):
    assert suited.suits(backbones.create("demons"), found) == demons
    assert suited.suits(Local(), found) == greedy
    assert suited.suits(AntsSyN(metric="mattes"), found)
    if not demons:
        names = [entry.name for entry in suited.suited(found)]
        assert ("greedy" in names, "bspline" in names, "demons" in names) == (greedy, True, False)
        first = ["greedy", "convexadam"] if greedy else ["convexadam"]
        here = [name for name in first if backbones.entry(name).available]
        assert names[: len(here)] == here


def test_what_cannot_be_aligned_tells_nothing_beforehand(monkeypatch):
    def astray(*images):
        raise ValueError("The affine alignment failed.")

    monkeypatch.setattr("UncertainRegLib.backbones.demons.affine_alignment", astray)
    image = textured(GRID)
    assert suited.beforehand(image, inverted(image)) is None
    assert suited.suits(backbones.create("demons"), None)


def test_what_to_choose_instead_is_what_says_so_of_itself(monkeypatch):
    class Mine(Backbone):
        """A backbone that is in the list."""

        facts = Facts("mine", "Mine", modality="any, also different ones")

        def register(self, fixed, moving):
            return identity(fixed.grid)

    monkeypatch.setitem(backbones.registry.known(), "mine", Mine)
    assert contrast.for_any_contrast() == ["convexadam", "bspline", "elastix", "mine"]
    (said,) = contrast.warnings(backbones.create("demons"), "are not alike")
    assert "choose one of convexadam, bspline, elastix, mine" in said


def test_real_pairs_of_one_contrast_raise_no_alarm_and_others_do(shared_data):
    pair = [
        read_image(shared_data / "hippocampus_msd/images" / f"hippocampus_{n}.nii.gz")
        for n in ("170", "185")
    ]
    mr, us = (
        read_image(shared_data / "prostate_mr_us" / f"case06_{kind}.nii.gz")
        for kind in ("mr", "us")
    )
    demons = backbones.create("demons", voxels=60_000)
    for images, alarm in ((pair, False), ((pair[0], inverted(pair[1])), True), ((mr, us), True)):
        fixed, moving = demons.prepare(*images)
        found = contrast.difference(fixed, moving, demons.register(fixed, moving))
        assert bool(found) == bool(suited.beforehand(*images).words) == alarm


# of the labels of a head, roughly as in T1; any number for the others
BRIGHT = {2: 110, 41: 110, 3: 75, 42: 75, 4: 20, 43: 20, 7: 105, 46: 105, 8: 70, 47: 70, 16: 95}


def test_a_background_above_zero_is_no_anatomy():
    """One window for two images may leave the background of one at 3 % of the range."""
    array = np.zeros(GRID.shape, np.float32)
    inside = textured(GRID).array[8:-8, 8:-8, 8:-8]
    array[8:-8, 8:-8, 8:-8] = 0.3 + 0.7 * (inside - inside.min()) / np.ptp(inside)
    raised = np.where(array > 0, array, 0.03).astype(np.float32)
    assert contrast.distance(array, raised) < 0.02
    assert contrast.distance(raised, array) < 0.02
    everywhere = np.ones(GRID.shape, bool)
    pair = Image(array, GRID), Image(raised, GRID)
    assert contrast.explained(*pair, everywhere) == pytest.approx(
        contrast.explained(*pair[::-1], everywhere), abs=1e-3
    )


@pytest.mark.parametrize("pair", ["subA subC_aligned", "subC_aligned subA", "subA subC"])
def test_two_registered_brains_of_one_contrast_raise_no_alarm(shared_data, pair):
    """The background of one is 3 % of the range, which was taken for anatomy."""
    folder = shared_data / "brain_t1_inter"
    backbone = backbones.create("demons", "cpu", voxels=100_000)
    prepared = backbone.prepare(
        *(read_image(folder / f"{name}_t1.nii.gz") for name in pair.split())
    )
    found = contrast.signs(*prepared, backbone.register(*prepared))
    assert found.words == ""
    assert found.apart < 0.06


def drawn(file, inverse: bool) -> Image:
    """A head in T1 or in its inverse, at half the resolution of its label map."""
    labels = read_labels(file)
    grey = np.array([0] + [BRIGHT.get(n, 40 + n * 37 % 60) for n in range(1, 600)], np.float32)
    grey[1:] = 130 - grey[1:] if inverse else grey[1:]
    array = ndimage.gaussian_filter(grey[labels.array[::2, ::2, ::2].astype(int)], 0.7)
    noise = np.random.default_rng(1).normal(0, 2, array.shape)
    affine = labels.grid.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    return Image((array + noise).astype(np.float32), Grid(array.shape, affine))


@pytest.mark.parametrize("inverse", [False, True])
def test_whole_heads_of_two_contrasts_are_told_apart(shared_data, inverse):
    """Demons squeezed tissue until 82 % of the contrast agreed: Dice fell from 0.23 to 0.09."""
    folder = shared_data / "brain_labelmaps"
    demons = backbones.create("demons", voxels=60_000)
    fixed, moving = demons.prepare(
        drawn(folder / "subj06.nii.gz", False), drawn(folder / "subj04.nii.gz", inverse)
    )
    assert bool(contrast.difference(fixed, moving, demons.register(fixed, moving))) == inverse


@pytest.mark.parametrize(("mm", "alarm"), [(0.1, True), (0.29, True), (0.31, False), (2.0, False)])
def test_a_spread_below_a_fifth_of_a_voxel_is_not_believed(mm, alarm):
    anatomy = np.zeros((4, 5, 6), bool)
    anatomy[1:3] = True
    found = too_certain(np.where(anatomy, mm, 9 * (not alarm)), anatomy, 1.5)
    assert bool(found) == alarm
    assert not alarm or f"only {mm:.2g} mm (median), {mm / 1.5:.2g} of a voxel" in found[0]
    assert too_certain(np.zeros((4, 5, 6)), np.zeros((4, 5, 6), bool), 1.0) == ()


@pytest.mark.parametrize(("shift", "alarm"), [(0.1, True), (1.0, False)])
def test_a_run_whose_samples_hardly_differ_warns(tmp_path, monkeypatch, shift, alarm):
    from UncertainRegLib.samplers import Sample

    def alike(self, fixed, moving, n, generator):
        for index in range(n):
            field = identity(fixed.grid)
            yield Sample(type(field)(field.vectors + np.float32(shift * index), field.grid))

    monkeypatch.setattr("UncertainRegLib.samplers.equivariance.Equivariance.sample", alike)
    said = " ".join(run(job_of(tmp_path, textured(GRID)), Silent())["warnings"])
    assert ("no registration is known to be that exact" in said) == alarm


def test_outlines_that_agree_do_not_hide_an_inverted_inside():
    """Registration squeezes tissue until the intensities agree, but not in its order."""
    fixed = textured(GRID)
    fixed = Image(fixed.array / fixed.array.max(), GRID)
    everywhere = np.ones(GRID.shape, bool)
    assert contrast.related(fixed, fixed, everywhere) == pytest.approx(1.0)
    assert contrast.related(fixed, inverted(fixed), everywhere) < contrast.RELATED
    assert np.isnan(contrast.related(fixed, fixed, ~everywhere))
