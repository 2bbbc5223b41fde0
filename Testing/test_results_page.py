"""The page of validation results says what its rows say."""

from __future__ import annotations

import csv
import json

import pytest
import results_page
from results_page import PAGE, STORE, gather, named, page, stored

from UncertainRegLib.studies.known_warp import SMOOTHED


def test_the_page_is_made_from_the_rows_beside_it():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_rows_cover_every_family_and_the_page_names_the_cells_that_fell_short():
    rows = stored("known_warp")
    families = {"translation", "shear", "scale", "deform", "mixture"}
    for group in {(row["image"], row["backbone"], row["case"]) for row in rows}:
        found = {row["map"] for row in rows
                 if (row["image"], row["backbone"], row["case"]) == group}
        assert families | {"image residual"} <= found, group
    assert {row["image"] for row in rows} == {"brain", "lung", "abdomen"}
    cell = {"image": "lung", "backbone": "demons {}", "case": "elastic"}
    assert named([]) == ""
    assert named([{**cell, "map": f"deform{SMOOTHED}"}, {**cell, "map": "scale"}]) == \
        " (not: lung demons elastic: deform, scale)"


def test_rows_of_studies_are_gathered_by_kind(tmp_path, monkeypatch):
    rows = {"known_warp": stored("known_warp")[:16], "labels": stored("labels")[:3]}
    half = [{**row, "number": "99"} for row in rows["known_warp"][:5]]  # of an interrupted study
    monkeypatch.setattr(results_page, "STORE", tmp_path / "store")
    for kind, some in rows.items():
        (tmp_path / "studies" / kind).mkdir(parents=True)
        with open(tmp_path / "studies" / kind / "rows.csv", "w", newline="") as stream:
            writer = csv.DictWriter(stream, list(some[0]))
            writer.writeheader()
            writer.writerows(some + half if kind == "known_warp" else some)
    (tmp_path / "studies" / "pair-x").mkdir()
    (tmp_path / "studies" / "pair-x" / "result.json").write_text(json.dumps(
        {"status": "partial"}))
    gather(tmp_path / "studies")
    for kind, some in rows.items():
        assert stored(kind) == some
    assert json.loads((tmp_path / "store" / "pairs.json").read_text()) == {}


def test_figures_are_there():
    pytest.importorskip("PIL")
    from PIL import Image

    names = [path.name for path in STORE.glob("*.png")]
    assert names
    for name in names:
        assert Image.open(STORE / name).width > 800
        assert f"(validation/{name})" in PAGE.read_text(encoding="utf-8")
