"""Lists of pairs to train with: what is in them, and that no subject is on two sides."""

import os

import pytest

from UncertainRegLib.pair_list import PairsError
from UncertainRegLib.training.pairs import (
    SPLITS,
    of_split,
    read_pair_list,
    with_splits,
    write_pair_list,
)


def written(tmp_path, heading, *rows):
    """A list whose image files exist (and are empty)."""
    columns = heading.replace("-", "_").split(",")
    for row in rows:
        for name, cell in zip(columns, row.split(",")):
            if name in ("fixed", "moving", "fixed_labels", "moving_labels") and cell[:4] != "gone":
                (tmp_path / cell.strip()).touch() if cell.strip() else None
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join((heading, *rows, "")), "utf-8")
    return file


def patients(tmp_path, count, each=2):
    """ED and ES of patients, ``each`` pairs of every one."""
    rows = [f"ed{p}.nii,es{p}-{k}.nii,P{p}" for p in range(count) for k in range(each)]
    return read_pair_list(written(tmp_path, "fixed,moving,subject", *rows))


def test_a_line_becomes_a_pair(tmp_path):
    heading = "id,fixed,moving,fixed-labels,moving_labels,Group,split,fixed_frame,moving_frame"
    file = written(tmp_path, heading, "P1, s.nii ,s.nii,a.nii,b.nii,one,Train,0,11")
    (pair,) = read_pair_list(file)
    assert pair.fixed == pair.moving == str(tmp_path / "s.nii")
    assert (pair.fixed_labels, pair.moving_labels) == (
        str(tmp_path / "a.nii"),
        str(tmp_path / "b.nii"),
    )
    assert (pair.name, pair.subject, pair.split, pair.frames) == ("P1", "one", "train", (0, 11))


def test_files_are_found_from_anywhere_and_have_one_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    written(tmp_path, "fixed,moving", "a.nii,b.nii")
    (pair,) = read_pair_list("pairs.csv")
    assert (pair.fixed, pair.moving) == (str(tmp_path / "a.nii"), str(tmp_path / "b.nii"))
    written(tmp_path, "fixed,moving,split", "a.nii,b.nii,train", "x/../a.nii,c.nii,test")
    with pytest.raises(PairsError, match=r"Line 3: .*a\.nii is for test, but for train in line 2"):
        read_pair_list("pairs.csv")


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_list_that_is_written_names_links_and_not_where_they_lead(tmp_path):
    written(tmp_path, "fixed,moving", "blob1,blob2")  # such as those of a data store
    for name, blob in (("a.nii", "blob1"), ("b.nii", "blob2")):
        (tmp_path / name).symlink_to(tmp_path / blob)
    pairs = read_pair_list(written(tmp_path, "fixed,moving", "a.nii,b.nii"))
    write_pair_list(pairs, tmp_path / "copy.csv")
    (copy,) = read_pair_list(tmp_path / "copy.csv")
    assert copy.fixed == str(tmp_path / "a.nii") and copy.name == "a-from-b"


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    file = written(
        tmp_path,
        "fixed,moving,fixed_labels,split,fixed_frame,moving_frame,subject,group",
        "a,gone,,train,,,,",
        "a,b,a,train,,,,",
        "a,b,,training,,,,",
        "a,a,,train,1,1,,",
        "a,b,,train,-1,x,,",
        "a,b,,train,,,S,G",
        ",b,,,,,,",
        "a,b,,,,,,",
    )
    with pytest.raises(PairsError) as caught:
        read_pair_list(file)
    for said in (
        f"Line 2: moving: {tmp_path / 'gone'}: no such file.",
        "Line 3: has the segmentation of one image only",
        "Line 4: split: 'training' is not one of train, validation, test.",
        "Line 5: fixed and moving are the same image.",
        "Line 6: fixed_frame: '-1' is no whole number from 0. moving_frame: 'x'",
        "Line 7: has a subject and a group",
        "Line 8: fixed is empty.",
    ):
        assert said in str(caught.value)
    with pytest.raises(PairsError, match="lists no pair"):
        read_pair_list(written(tmp_path, "fixed,moving"))
    with pytest.raises(PairsError, match="did you mean moving_labels"):
        read_pair_list(written(tmp_path, "fixed,moving,movinglabels"))


def test_a_split_is_of_all_pairs_or_of_none(tmp_path):
    with pytest.raises(PairsError, match="Line 3: has no split, but others have"):
        read_pair_list(written(tmp_path, "fixed,moving,split", "a,b,train", "c,d,"))


@pytest.mark.parametrize(
    ("heading", "first", "second"),
    [
        ("fixed,moving,subject,split", "a,b,P1,train", "c,d,P1,test"),
        ("fixed,moving,subject,split", "a,b,P1;P2,train", "c,d,P3; P2,validation"),
        ("fixed,moving,split", "a,b,train", "b,c,test"),
    ],
)
def test_a_subject_on_two_sides_is_refused(tmp_path, heading, first, second):
    with pytest.raises(PairsError, match=r"Line 3: .* is for .*, but for train in line 2"):
        read_pair_list(written(tmp_path, heading, first, second))


def test_a_common_atlas_is_no_subject_where_subjects_are_given(tmp_path):
    rows = ("atlas,b,P1,train", "atlas,c,P2,test")
    assert len(read_pair_list(written(tmp_path, "fixed,moving,subject,split", *rows))) == 2


def test_subjects_are_divided_and_it_is_said_once(tmp_path):
    pairs, said = patients(tmp_path, 10), []
    divided = with_splits(pairs, 3, say=said.append)
    sides = {split: {p.subject for p in divided if p.split == split} for split in SPLITS}
    assert [len(sides[split]) for split in SPLITS] == [6, 2, 2]
    assert set.union(*sides.values()) == {f"P{n}" for n in range(10)}
    assert sum(len(of_split(divided, split)) for split in SPLITS) == len(pairs)
    assert len(said) == 1 and "6 for train, 2 for validation, 2 for test" in said[0]
    assert with_splits(pairs, 3) == divided
    assert any(with_splits(pairs, seed) != divided for seed in range(4, 8))


def test_pairs_that_share_images_stay_together_without_subjects(tmp_path):
    rows = [f"{n}a,{n}b" for n in range(6)] + [f"{n}b,{n}c" for n in range(6)]
    divided = with_splits(read_pair_list(written(tmp_path, "fixed,moving", *rows)))
    assert all(divided[n].split == divided[n + 6].split for n in range(6))


def test_a_given_split_stays_and_needs_training(tmp_path):
    pairs = read_pair_list(written(tmp_path, "fixed,moving,split", "a,b,test", "c,d,train"))
    said = []
    assert with_splits(pairs, say=said.append) == pairs and not said
    assert [p.line for p in of_split(pairs, "test")] == [2]
    with pytest.raises(PairsError, match="for training"):
        with_splits(pairs[:1])
    alone = patients(tmp_path, 1)
    assert {p.split for p in with_splits(alone)} == {"train"}


def test_a_written_list_is_read_back_from_elsewhere(tmp_path):
    divided = with_splits(patients(tmp_path, 5))
    (tmp_path / "out").mkdir()
    write_pair_list(divided, tmp_path / "out" / "pairs.csv")
    again = read_pair_list(tmp_path / "out" / "pairs.csv")
    assert [(p.fixed, p.subject, p.split, p.frames) for p in again] == [
        (p.fixed, p.subject, p.split, p.frames) for p in divided
    ]
