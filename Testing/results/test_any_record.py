"""What holds of any ``result.json``: it is read as it was written, also an older or newer one."""

import json
import tempfile
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from support.fake_result import write_fake_result
from support.fake_validation import write_fake_calibration, write_fake_validation
from support.properties import SAME_EXAMPLES
from UncertainRegLib.results.expectation import in_words, with_bounds
from UncertainRegLib.results.reader import read_result
from UncertainRegLib.results.record import Record
from UncertainRegLib.results.schema import SCHEMA, new_record
from UncertainRegLib.results.writer import ResultWriter, extend

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIXED = {"schema", "samples"}  # without these it is no result


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> dict:
    """A record with every entry."""
    folder = write_fake_result(tmp_path_factory.mktemp("result"))
    write_fake_validation(folder)
    write_fake_calibration(folder)
    return read_result(folder) | OTHERS


NUMBER = {"before": 0.5, "after": 0.75, "centred": None}
OTHERS = {  # entries that this record lacks
    "before_after": {"before": "as they lie", "dice": NUMBER, "structures": {}},
    "competence": {"followed": {"5": 0.9}, "warnings": []},
    "modes": [{"weight": 1.0, "sample": 0}],
}
PLACES = [  # where a newer version may say more
    (),
    ("inputs", "fixed"),
    ("maps", "jacobian"),
    ("samples",),
    ("backbone",),
    ("before_after",),
    ("before_after", "dice"),
    ("competence",),
    ("modes", 0),
    ("expected_error",),
    ("calibration",),
    ("validation",),
    ("validation", "labels"),
    ("validation", "labels", "maps", "one-hot"),
    ("validation", "landmarks"),
]


@SAME_EXAMPLES
@given(st.dictionaries(st.text(max_size=8), PLAIN, max_size=4), st.text(max_size=20), PLAIN)
def test_what_was_written_is_read(settings, title, added):
    with tempfile.TemporaryDirectory() as folder:
        record = new_record(
            inputs={"fixed": {"file": title, "sha256": "0"}},
            backbone={"name": "own", "title": title},
            method="equivariance",
            parameters={"perturbation": None, "settings": settings},
            seed=2**63,
            asked=3,
            device="cpu",
            versions={},
        )
        out = ResultWriter(Path(folder, "out"), record)
        out.commit()
        assert read_result(out.path) == record
        view = extend(out.path, out.view, added=added)
        assert view.parameters["settings"] == settings and view.backbone.title == title
        assert read_result(out.path) == {**record, "added": added}


@SAME_EXAMPLES
@given(st.data())
def test_an_older_result_may_lack_any_entry(full, data):
    lost = data.draw(st.sets(st.sampled_from(sorted({*full} - FIXED))))
    nothing = data.draw(st.sets(st.sampled_from(sorted({*full} - FIXED))))
    content = {name: value for name, value in full.items() if name not in lost}
    content |= dict.fromkeys(nothing & {*content})
    record = Record.from_dict(json.loads(json.dumps(content)))
    assert record.content["schema"] == SCHEMA
    for name in lost | nothing:
        empty = getattr(record, name)
        assert not empty or empty == getattr(Record(content={}), name)
    in_words(record.expected_error, record.calibration)
    with_bounds(record.labels, record.expected_error, record.calibration)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)) or "all")
def test_a_newer_result_may_say_more(full, place):
    content = deepcopy(full)
    entry = content
    for name in place:
        entry = entry[name]
    entry["from the future"] = {"n": 1}
    assert replace(Record.from_dict(content), content={}) == replace(
        Record.from_dict(full), content={}
    )
