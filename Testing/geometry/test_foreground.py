"""Air is told from the patient by what the image shows, whatever its numbers are."""

import numpy as np
import pytest

from UncertainRegLib.geometry import Grid, Image
from UncertainRegLib.geometry.foreground import not_air

GRID = Grid.from_spacing((40, 44, 48), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
CENTER = (GRID.size - 1) / 2
BALL = np.linalg.norm(GRID.points() - CENTER, axis=-1) < 15.0


def noisy(sd: float, gap: bool = False) -> Image:
    """A ball of 100 with noise around 0, which is negative as often as not."""
    noise = np.random.default_rng(0).normal(0.0, sd, GRID.shape)
    if gap:
        noise = noise.clip(-3 * sd, 3 * sd)
    return Image((100.0 * BALL + noise).astype(np.float32), GRID)


@pytest.mark.parametrize("image", [noisy(1.0), noisy(4.0, gap=True), noisy(12.0), noisy(15.0)])
def test_signed_noise_around_the_patient_is_air(image):
    found = not_air(image)
    assert found is not None
    assert 2 * (found & BALL).sum() / (found.sum() + BALL.sum()) > 0.97


def test_a_patient_who_fills_the_field_of_view_has_no_air():
    tissue = 100.0 + 30.0 * np.sin(GRID.points()[..., 0] / 3.0)
    assert not_air(Image(tissue.astype(np.float32), GRID)) is None


def test_air_inside_the_patient_stays_and_specks_outside_go():
    values = 100.0 * BALL
    values[np.linalg.norm(GRID.points() - CENTER, axis=-1) < 5.0] = 0.0
    values[2, 2, 2] = 100.0
    assert np.array_equal(not_air(Image(values.astype(np.float32), GRID)), BALL)
