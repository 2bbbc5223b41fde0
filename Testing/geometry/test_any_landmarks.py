"""What holds of any landmarks: they are read as they were written, or in any system and unit."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import example, given
from hypothesis import strategies as st

from support.properties import SAME_EXAMPLES, numbers
from UncertainRegLib.geometry.landmarks import read_landmarks, write_points

NAMES = (
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=8)
    .map(str.strip)
    .filter(bool)
)
COUNT = 3
PLACES = numbers(-2000.0, 2000.0, COUNT, 3)
FACTORS = {"LPS": [1, 1, 1], "RAS": [-1, -1, 1]}


def read_again(text: str, name: str) -> tuple[list[str], np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(text.encode("utf-8"))
        return read_landmarks(path)


@SAME_EXAMPLES
@given(st.lists(NAMES, min_size=COUNT, max_size=COUNT), PLACES, st.integers(0, COUNT - 1))
@example(["#1", "label", 'a "b", c'], np.arange(9.0).reshape(3, 3), 2)
@example(["# x", "#2", "3"], np.arange(9.0).reshape(3, 3), 0)
def test_what_was_written_is_read(names, points, without):
    """Whatever the names; one point has no position."""
    points[without] = np.nan
    with tempfile.TemporaryDirectory() as folder:
        write_points(names, points, Path(folder, "points.csv"))
        labels, again = read_landmarks(Path(folder, "points.csv"))
    assert labels == names
    assert np.array_equal(again, points, equal_nan=True)


@SAME_EXAMPLES
@given(
    PLACES,
    st.sampled_from([*FACTORS]),
    st.sampled_from([("mm", 1.0), ("cm", 10.0), ("m", 1000.0)]),
    st.permutations(range(4)),
)
def test_a_heading_says_order_system_and_unit(points, system, unit, order):
    unit, mm = unit
    written = points * FACTORS[system] / mm
    heading = ["label", *(f"{axis} ({system} {unit})" for axis in "xyz")]
    rows = [heading, *([f"p{n}", *map(repr, row)] for n, row in enumerate(written.tolist()))]
    text = "\n".join(",".join(row[c] for c in order) for row in rows)
    labels, again = read_again(text, "points.csv")
    assert labels == ["p0", "p1", "p2"] and np.allclose(again, points, atol=1e-9)


@SAME_EXAMPLES
@given(st.lists(NAMES, min_size=COUNT, max_size=COUNT), PLACES, st.sampled_from([*FACTORS]))
def test_a_markup_says_its_system(names, points, system):
    written = (points * FACTORS[system]).tolist()
    content = {
        "markups": [
            {
                "coordinateSystem": system,
                "controlPoints": [
                    {"label": name, "position": place} for name, place in zip(names, written)
                ],
            }
        ]
    }
    labels, again = read_again(json.dumps(content), "points.mrk.json")
    assert labels == names and np.array_equal(again, points)
