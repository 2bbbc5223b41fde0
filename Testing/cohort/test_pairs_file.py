"""The list of pairs: its columns are the options of a run, and all its problems are said at once."""

import argparse
import re

import pytest

from support.tiny_cohort import write_images, write_list
from UncertainRegLib.cli.main import main
from UncertainRegLib.cli.options import FilledParser
from UncertainRegLib.cli.run import add_command
from UncertainRegLib.cohort.pairs_file import COLUMNS, OWN, problems, read_pairs
from UncertainRegLib.pair_list import PairsError
from UncertainRegLib.results.record import Record


def pairs_of(tmp_path, *rows):
    return list(read_pairs(write_list(tmp_path / "pairs.csv", list(rows))))


def test_its_columns_are_the_options_of_a_run():
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers(parser_class=FilledParser))
    run = parser._subparsers._group_actions[0].choices["run"]
    options = {action.dest for action in run._actions}
    options -= {"help", "job", "out", "scene", "progress", "preflight", "preset"}  # of one run
    assert options == set(COLUMNS) - set(OWN)


def test_cells_become_the_entries_of_a_job(tmp_path):
    (tmp_path / "names.json").write_text('{"1": "Liver"}', "utf-8")
    (pair,) = pairs_of(
        tmp_path,
        {
            "id": "A-1", "group": "men, old", "fixed": "f.nrrd", "moving": "/far/m.nrrd",
            "fixed-mask": " m.nrrd ", "transform": "1Warp.nii.gz; 0Affine.mat", "samples": "4",
            "competence": "Yes", "label_names": "names.json", "perturbation": "scale",
            "parameters": '{"backbone": {"voxels": 4000}}', "backbone": "net/manifest.json",
        },
    )  # fmt: skip
    job = pair.job
    assert (pair.name, pair.group, pair.problems) == ("A-1", "men, old", ())
    assert (job.fixed, job.moving) == (str(tmp_path / "f.nrrd"), "/far/m.nrrd")
    assert job.fixed_mask == str(tmp_path / "m.nrrd")
    assert job.transform == [str(tmp_path / "1Warp.nii.gz"), str(tmp_path / "0Affine.mat")]
    assert (job.samples, job.competence, job.perturbation) == (4, True, "scale")
    assert job.parameters == {"backbone": {"voxels": 4000}} and job.label_names == {"1": "Liver"}
    assert job.backbone == str(tmp_path / "net/manifest.json")


def test_without_an_id_a_pair_is_called_by_its_images(tmp_path):
    (pair,) = pairs_of(tmp_path, {"fixed": "a/f1.nii.gz", "moving": "m2.nii.gz"})
    assert pair.name == "f1-from-m2" and pair.job.backbone == "demons"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fixed,moving,movin_labels\n", "did you mean moving_labels"),
        ("fixed,moving,colour\n", "has a column colour; it takes id, group, fixed"),
        ("fixed,moving,out\n", "column out"),
        ("fixed,id\n", "lacks moving"),
        ("fixed,moving,fixed\n", "fixed twice"),
        ("id;fixed;moving\n", "semicolons"),
        ("fixed,moving,\n", "without a name"),
    ],
)
def test_a_heading_that_cannot_be_used_is_refused(tmp_path, text, said):
    file = tmp_path / "pairs.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(PairsError, match=re.escape(said)):
        list(read_pairs(file))


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "pairs.csv").write_bytes(b"fixed,moving\n\xff\xfe\x00,b\n")
    with pytest.raises(PairsError, match="UTF-8"):
        list(read_pairs(tmp_path / "pairs.csv"))
    with pytest.raises(PairsError, match="No such file"):
        list(read_pairs(tmp_path / "none.csv"))


def test_all_problems_of_the_lines_are_said(tmp_path):
    file = write_list(
        tmp_path / "pairs.csv",
        [
            {"id": "a", "fixed": "f", "moving": "m", "samples": "many"},
            {"id": "A", "fixed": "f", "moving": "m", "competence": "perhaps"},
            {"id": "../b", "fixed": "f", "moving": "f"},
            {"id": "c", "fixed": "", "moving": "m", "parameters": "{"},
            {"id": "d", "fixed": "f", "moving": "m", "parameters": '{"warp": {}}'},
            {"id": "e", "fixed": "f", "moving": "m", "agreement": "much"},
            {"id": "g", "fixed": "f", "moving": "m", "agreement": "0.3"},
        ],
    )
    found = "\n".join(problems(file))
    for said in (
        "Line 2: samples: 'many' is no whole number",
        "Line 3: competence: 'perhaps' is neither yes nor no",
        "Line 3: the id A is that of line 2",
        "Line 4: the id '../b' cannot name a folder",
        "Line 4: Fixed and moving are the same file",
        "Line 5: parameters: is not valid JSON",
        "Line 5: The job does not say 'fixed'",
        "Line 6: parameters has unknown entries warp",
        "Line 7: agreement: 'much' is no number",
        "Line 8: agreement is 0.3; choose a number from 0.5 to below 1",
    ):
        assert said in found
    assert list(problems(write_list(tmp_path / "none.csv", [{"fixed": "f", "moving": "m"}]))) == []
    (tmp_path / "empty.csv").write_text("fixed,moving\n\n", "utf-8")
    assert "lists no pair" in "".join(problems(tmp_path / "empty.csv"))


def test_check_reads_every_header_and_says_everything_at_once(tmp_path, capsys):
    write_images(tmp_path)
    (tmp_path / "cut.nrrd").write_bytes((tmp_path / "im0.nrrd").read_bytes()[:60])
    (tmp_path / "points.csv").write_text("label,x,y,z\na,1,2\n", "utf-8")
    good = {"fixed": "im0.nrrd", "moving": "im1.nrrd", "samples": "2"}
    list_of = tmp_path / "pairs.csv"
    write_list(list_of, [{**good, "id": "one"}, {**good, "id": "two", "moving": "im2.nrrd"}])
    assert main(["cohort", "check", str(list_of)]) == 0
    assert "2 pairs, and nothing is wrong" in capsys.readouterr().out
    write_list(
        list_of,
        [
            {**good, "id": "one", "samples": "1"},
            {**good, "id": "two", "moving": "gone.nrrd"},
            {**good, "id": "three", "moving": "cut.nrrd", "moving_mask": "gone.nrrd"},
            {**good, "id": "four", "moving_points": "points.csv"},
            {**good, "id": "five", "backbone": "demon"},
            {**good, "id": "six", "transform": "gone.h5"},
            {**good, "id": "seven", "perturbation": "bend"},
        ],
    )
    assert main(["cohort", "check", str(list_of)]) == 2
    said = capsys.readouterr().err
    for text in (
        "Line 2: samples is 1",
        "Line 3 (two): " + str(tmp_path / "gone.nrrd") + ": no such file.",
        "Line 4 (three): " + str(tmp_path / "cut.nrrd"),
        "Line 4 (three): " + str(tmp_path / "gone.nrrd"),
        "Line 5 (four): " + str(tmp_path / "points.csv"),
        "Line 6 (five): Unknown backbone 'demon'",
        "Line 7 (six): " + str(tmp_path / "gone.h5"),
        "Line 8 (seven): ",
        "8 problems in 7 pairs.",
    ):
        assert text in said, said


def test_a_result_is_of_another_setting(tmp_path):
    (pair,) = pairs_of(tmp_path, {"fixed": "f", "moving": "m", "samples": "16"})
    made = pair.job.settings()
    assert pair.differs(Record({}, job=made)) == ""
    assert pair.differs(Record({}, job=made | {"samples": 4})) == "was made with samples 4, not 16"
    assert "older version" in pair.differs(Record({}))


@pytest.mark.parametrize("action", ["check", "report"])
def test_an_action_without_its_list_says_what_is_missing(capsys, action):
    with pytest.raises(SystemExit) as end:
        main(["cohort", action])
    assert end.value.code == 2 and f"give a list or a folder: {action}" in capsys.readouterr().err


def test_a_report_of_no_cohort_says_nothing_of_writing(tmp_path, capsys):
    assert main(["cohort", "report", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "not the folder of a cohort" in said and "Writing" not in said
