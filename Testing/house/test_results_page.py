"""The page of validation results says what its rows say."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

import results_page
from results_page import PAGE, STORE, gather, page, stored, tables


def test_the_page_is_made_from_the_rows_beside_it():
    assert PAGE.read_text(encoding="utf-8") == page()
    for name, text in tables().items():
        assert (STORE / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("path", sorted(PAGE.parent.glob("*_results.md")), ids=lambda p: p.stem)
def test_a_results_page_begins_with_its_findings_and_has_narrow_tables(path):
    """A first paragraph of at most three sentences; what does not fit is in a CSV beside."""
    text = path.read_text(encoding="utf-8")
    headline = " ".join(text.split("\n\n")[1].split())
    assert headline[0].isupper(), headline  # a sentence, no command
    assert len(re.findall(r"[.:!?] (?=[A-Z])|[.!?]$", headline)) <= 3, headline
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.strip().count("|") - 1 <= 8, line


def test_rows_cover_every_family_and_a_table_names_the_cells_that_fell_short():
    rows = stored("known_warp")
    families = {"translation", "shear", "scale", "deform", "mixture"}
    for group in {(row["image"], row["backbone"], row["case"]) for row in rows}:
        found = {
            row["map"] for row in rows if (row["image"], row["backbone"], row["case"]) == group
        }
        assert families | {"image residual"} <= found, group
    assert {row["image"] for row in rows} == {"brain", "lung", "abdomen"}
    cells = list(csv.DictReader(io.StringIO(tables()["cells.csv"])))
    short = {
        (c["image"], c["backbone"], c["truth"], c["family"])
        for c in cells
        if c["map"] == "u" and c["in range"] == "yes" and c["AURC below mean error"] == "no"
    }
    assert short == {
        ("brain", "demons", truth, family)
        for truth, family in (
            ("affine", "deform"),
            ("affine", "mixture"),
            ("translation", "shear"),
            ("translation", "deform"),
        )
    }


def test_rows_of_studies_are_gathered_by_kind(tmp_path, monkeypatch):
    rows = {"known_warp": stored("known_warp")[:16], "labels": stored("labels")[:3]}
    half = [{**row, "number": "99"} for row in rows["known_warp"][:5]]  # of an interrupted study
    monkeypatch.setattr(results_page, "STORE", tmp_path / "store")
    for kind, some in rows.items():
        (tmp_path / "studies" / kind).mkdir(parents=True)
        with open(
            tmp_path / "studies" / kind / "rows.csv", "w", encoding="utf-8", newline=""
        ) as stream:
            writer = csv.DictWriter(stream, list(some[0]))
            writer.writeheader()
            writer.writerows(some + half if kind == "known_warp" else some)
    (tmp_path / "studies" / "pair-x").mkdir()
    (tmp_path / "studies" / "pair-x" / "result.json").write_text(
        json.dumps({"status": "partial"}), "utf-8"
    )
    gather(tmp_path / "studies")
    for kind, some in rows.items():
        assert stored(kind) == some
    assert json.loads((tmp_path / "store" / "pairs.json").read_text("utf-8")) == {}


def test_figures_are_there():
    pytest.importorskip("PIL")
    from PIL import Image

    names = [path.name for path in STORE.glob("*.png")]
    assert names
    for name in names:
        assert Image.open(STORE / name).width > 800
        assert f"(validation/{name})" in PAGE.read_text(encoding="utf-8")
