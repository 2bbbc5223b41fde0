"""The long table of a cohort: what is there, in the order of the list, in both formats."""

import csv
import json
from dataclasses import dataclass
from importlib.util import find_spec

import pytest

from support.fake_acceptance import write_fake_acceptance
from support.fake_result import write_fake_result
from UncertainRegLib.cohort.folder import CohortFolder
from UncertainRegLib.cohort.table import COLUMNS, TEXTS, WHOLE, YES_OR_NO, write_tables
from UncertainRegLib.results.columns import LANDMARKS, PAIRS, STRUCTURES
from UncertainRegLib.results.decision import add_decision, made
from UncertainRegLib.results.schema import FILE


@dataclass
class Listed:
    name: str
    group: str = ""
    other: str = ""

    def differs(self, record):
        return self.other


@pytest.fixture
def folder(tmp_path):
    """Two results, of which one was decided on, one that failed, one that was never run."""
    found = CohortFolder(tmp_path / "out")
    for name in ("b", "a"):
        where = write_fake_result(found.result(name))
        content = json.loads((where / FILE).read_text("utf-8"))
        content |= {
            "over_anatomy": {
                "expected_error_mm": {"mean": 1.5, "p95": 3.0},
                "uncertainty_mm": {"mean": 0.5, "p95": 1.25},
            },
            "before_after": {
                "similarity": {"before": 0.1, "after": 0.5, "measure": "m"},
                "dice": {"before": 0.25, "after": 0.75},
                "tre_mm": {"before": 8.0, "after": 2.0},
            },
        }
        content["labels"][0]["surface_cm2"] *= 3
        (where / FILE).write_text(json.dumps(content), "utf-8")
    write_fake_acceptance(found.result("b"), "stereotaxy")
    add_decision(found.result("b"), made("reject", "the lung, it folds\nbadly", "B", "FAIL"))
    found.fail("c", "c.nrrd: no such file.")
    return found


def unexpected(text):
    """Nothing is left out but Parquet, where the package for it is not there."""
    if find_spec("pyarrow") or "pyarrow" not in text:
        pytest.fail(text)


PAIRS_OF_LIST = [Listed("b", "men"), Listed("c"), Listed("a", "women"), Listed("d")]


def table(folder):
    with open(folder.csv, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_pair_has_its_row_in_the_order_of_the_list(folder):
    counts = write_tables(folder, PAIRS_OF_LIST, unexpected)
    rows = table(folder)
    pairs = [row for row in rows if row["kind"] == "pair"]
    assert [(row["id"], row["group"], row["status"]) for row in pairs] == [
        ("b", "men", "complete"),
        ("c", "", "failed"),
        ("a", "women", "complete"),
        ("d", "", "missing"),
    ]
    assert counts == {"complete": 2, "failed": 1, "missing": 1}
    assert pairs[1]["sentence"] == "c.nrrd: no such file."
    assert {row["schema"] for row in rows} == {"1"}
    assert [row["kind"] for row in rows if row["id"] == "b"] == [
        "pair", "structure", "structure", "landmark", "landmark",
    ]  # fmt: skip


def test_the_numbers_are_those_of_the_result(folder):
    write_tables(folder, PAIRS_OF_LIST, unexpected)
    pair, shell, core, apex, _ = (row for row in table(folder) if row["id"] == "b")
    numbers = {
        "expected_error_mean_mm": 1.5, "expected_error_p95_mm": 3.0, "uncertainty_mean_mm": 0.5,
        "uncertainty_p95_mm": 1.25, "similarity_before": 0.1, "similarity": 0.5,
        "dice_before": 0.25, "dice": 0.75, "tre_before_mm": 8.0, "tre_mm": 2.0,
        "expected_error_boundary_mm": (3 * 1.8 + 1.2) / 4,  # by the surface
    }  # fmt: skip
    assert {name: float(pair[name]) for name in numbers} == pytest.approx(numbers)
    assert pair["verdict"] == "FAIL" and pair["decision"] == "reject" and pair["decided_by"] == "B"
    assert pair["reason"] == "the lung, it folds\nbadly"
    assert (shell["name"], shell["label"]) == ("Shell", "1") and core["name"] == "Core"
    assert float(shell["bound_mm"]) == pytest.approx(2.5 * 1.8)
    assert (apex["name"], apex["label"], apex["tre_mm"]) == ("apex", "", "1.2")
    assert (apex["inside95"], apex["within_bound"]) == ("true", "true")


def test_parquet_holds_the_same(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_tables(folder, PAIRS_OF_LIST, unexpected)
    found = parquet.read_table(folder.parquet)
    assert found.schema.metadata[b"schema"] == b"1" and found.column_names == list(COLUMNS)
    for row, text in zip(found.to_pylist(), table(folder), strict=True):
        for name, value in row.items():
            if value is None:
                assert text[name] == ""
            elif isinstance(value, bool):
                assert text[name] == str(value).lower()
            else:
                assert type(value)(text[name]) == value, name


def test_pandas_reads_it_without_being_told_anything(folder):
    pandas = pytest.importorskip("pandas")
    write_tables(folder, PAIRS_OF_LIST, unexpected)
    found = pandas.read_csv(folder.csv)
    assert found.query("kind == 'pair'").set_index("id").dice.to_dict()["a"] == 0.75
    assert found.query("kind == 'landmark'").inside95.dropna().all()


def test_what_the_list_no_longer_asks_for_is_missing(folder):
    write_tables(folder, [Listed("a", other="was made with samples 4, not 16")], unexpected)
    (row,) = table(folder)
    assert row["status"] == "missing" and "samples 4, not 16" in row["sentence"]


def test_a_damaged_result_or_decision_is_named_and_the_others_stand(folder):
    (folder.result("a") / FILE).write_text("{", "utf-8")
    (folder.result("b") / "decision.json").write_text("{", "utf-8")
    write_tables(folder, PAIRS_OF_LIST, unexpected)
    b, a = (next(row for row in table(folder) if row["id"] == name) for name in "ba")
    assert b["status"] == "complete" and "damaged" in b["sentence"] and b["dice"] == "0.75"
    assert a["status"] == "missing" and "damaged" in a["sentence"]


def test_every_column_is_in_a_catalogue_and_has_one_kind():
    known = {"schema", "kind", "label", *PAIRS, *STRUCTURES, *LANDMARKS}
    assert set(COLUMNS) <= known and len(set(COLUMNS)) == len(COLUMNS)
    assert set(COLUMNS) >= TEXTS | WHOLE | YES_OR_NO
    assert not (TEXTS & WHOLE or TEXTS & YES_OR_NO or WHOLE & YES_OR_NO)
