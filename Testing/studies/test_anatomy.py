"""Simulated resection and truncated field of view: what is simulated, and the study."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from support.phantoms import textured
from UncertainRegLib.__main__ import main
from UncertainRegLib.backbones.demons import Demons
from UncertainRegLib.geometry import Grid, folding_fraction, write_image
from UncertainRegLib.geometry.foreground import patient
from UncertainRegLib.studies.anatomy import Anatomy, _collapse, simulate

GRID = Grid.from_spacing((28, 30, 36), (1.2, 1.2, 1.2), (5, 0, -4))


def test_a_resection_changes_the_fixed_image_inside_the_cavity_only():
    image = textured(GRID)
    (fixed, moving), (control, same), where, truth = simulate(
        image, "resection", np.random.default_rng(3)
    )
    assert moving is image and same is image
    changed = np.abs(fixed.array - control.array)
    assert 0.002 < where.mean() < 0.1 and where[patient(image)].any()
    assert np.median(changed[where]) > 10 * np.median(changed[~where]) + 5
    fluid = fixed.array[ndimage.binary_erosion(where)]
    assert np.median(fluid) < np.percentile(control.array[patient(image)], 20)
    assert folding_fraction(truth) == 0
    steps = np.abs(np.diff(fixed.array - control.array, axis=2)).max()
    assert steps < 0.6 * changed.max()  # the edge is smooth


def test_the_mass_effect_draws_tissue_inwards_and_ends_near_the_cavity():
    field = _collapse(GRID, GRID.center, 6.0)
    away = GRID.points() - GRID.center
    distance = np.linalg.norm(away, axis=-1)
    # A point at the wall came from farther out: displacement fixed to moving points outwards.
    outward = (field.vectors * away).sum(-1) / np.maximum(distance, 1e-6)
    assert outward[np.abs(distance - 6) < 0.5].min() > 1.0
    assert np.abs(outward[distance > 15]).max() < 0.1
    assert folding_fraction(field) == 0


def test_a_truncated_moving_image_ends_in_background():
    image = textured(GRID)
    (fixed, moving), (control, same), where, truth = simulate(
        image, "truncation", np.random.default_rng(3)
    )
    assert fixed is control and same is image  # only the moving image differs
    assert np.all(moving.array[..., 27:] == image.array.min())
    assert np.array_equal(moving.array[..., :27], image.array[..., :27])
    x = truth.mapped_index(GRID)[..., 0]
    assert np.array_equal(where, x > 26.5)


@pytest.mark.slow
def test_the_command_scores_the_case_and_its_control(tmp_path, capsys):
    write_image(textured(GRID), tmp_path / "phantom.nrrd")
    code = main(
        [
            "evaluate",
            "anatomy",
            "--image",
            str(tmp_path / "phantom.nrrd"),
            "--out",
            str(tmp_path / "out"),
            "--families",
            "deform",
            "--samples",
            "4",
            "--warps",
            "1",
            "--backbone-settings",
            '{"affine": false}',
            "--progress",
            "json",
        ]
    )
    assert code == 0
    printed = capsys.readouterr().out
    assert printed.count('"event": "sample"') == 2 * 2 * 5
    assert '"finished": 20, "asked": 20' in printed
    assert "control AUROC" in (tmp_path / "out" / "table.txt").read_text(encoding="utf-8")
    rows = (tmp_path / "out" / "rows.csv").read_text("utf-8").splitlines()
    assert len(rows) == 1 + 2 * 2


def test_a_pair_whose_control_cannot_be_registered_is_named(tmp_path, monkeypatch):
    original, made = Demons.register, itertools.count()

    def register(self, fixed, moving):
        if next(made) == 1:  # the control of the first pair
            raise RuntimeError("The metric fell off a cliff.")
        return original(self, fixed, moving)

    monkeypatch.setattr(Demons, "register", register)
    study = Anatomy(
        textured(GRID),
        "phantom",
        tmp_path,
        ("resection",),
        families=("translation",),
        samples=2,
        repeats=2,
        backbone_settings={"affine": False},
    )
    assert {row["number"] for row in study.run().all} == {"1"}
    assert study.failed == [
        "phantom, resection 0: the pair could not be registered (The metric fell off a cliff.)"
    ]


def test_an_unknown_case_is_refused(tmp_path, capsys):
    write_image(textured(GRID), tmp_path / "phantom.nrrd")
    code = main(
        [
            "evaluate",
            "anatomy",
            "--image",
            str(tmp_path / "phantom.nrrd"),
            "--out",
            str(tmp_path / "out"),
            "--cases",
            "fracture",
        ]
    )
    assert code == 1 and "choose from resection, truncation" in capsys.readouterr().err
