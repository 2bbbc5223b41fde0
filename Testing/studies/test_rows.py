"""Rows of a study in their file."""

from UncertainRegLib.studies.rows import Rows


def test_a_line_that_a_power_cut_left_unfinished_is_computed_again(tmp_path):
    file = tmp_path / "rows.csv"
    rows = Rows(file, ("pair", "map"))
    for name in ("first", "second"):
        rows.add({"pair": name, "map": "deform", "nAURC": 0.5})
    whole = file.read_bytes()
    file.write_bytes(whole[:-12])
    rows = Rows(file, ("pair", "map"))
    assert [row["pair"] for row in rows.all] == ["first"]
    rows.add({"pair": "second", "map": "deform", "nAURC": 0.5})
    assert file.read_bytes() == whole
    assert len(Rows(file, ("pair", "map")).all) == 2
