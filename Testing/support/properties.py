"""How statements about any input are tested: the same examples on every machine."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("hypothesis")
from hypothesis import settings
from hypothesis import strategies as st

from UncertainRegLib.geometry import Grid

SAME_EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def grids(draw) -> Grid:
    """Any grid: its size, spacing in mm, place, orientation and handedness."""
    shape = draw(st.tuples(*[st.integers(3, 9)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.2, 8.0)] * 3))
    origin = draw(st.tuples(*[st.floats(-500.0, 500.0)] * 3))
    angles = draw(st.tuples(*[st.floats(-180.0, 180.0)] * 3))
    sides = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    direction = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * np.array(sides)
    return Grid.from_spacing(shape, spacing, origin, direction)


def numbers(least: float, most: float, *shape: int):
    """Arrays of that shape with numbers between two."""
    return st.lists(
        st.floats(least, most), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))
    ).map(lambda values: np.reshape(values, shape))
