"""The contract of a result folder has one room: nothing else knows what result.json looks like."""

import ast
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from support import ROOT
from support.fake_result import write_fake_result, write_fake_strays
from support.fake_validation import write_fake_calibration, write_fake_validation
from UncertainRegLib.posterior.label_map import SAMPLES_SHARE, WITHIN_MM
from UncertainRegLib.results import atomic, columns, maps
from UncertainRegLib.results.calibration import bound_factor
from UncertainRegLib.results.improvement import BeforeAfter, in_words
from UncertainRegLib.results.reader import ResultError, ResultFolder, read_record, read_result
from UncertainRegLib.results.record import Record, Samples
from UncertainRegLib.results.schema import FILE, new_record
from UncertainRegLib.results.writer import ResultWriter, extend

LIBRARY = ROOT / "UncertainRegLib"
NEW = {
    "inputs": {},
    "backbone": {},
    "method": "equivariance",
    "parameters": {},
    "seed": 1,
    "asked": 3,
    "device": "cpu",
    "versions": {},
}


# ---- nobody else reads a raw key

KEYS = (
    {one.name for one in fields(Record)}
    | {one.name for one in fields(Samples)}
    | {*new_record(**NEW)}
    | {"without_strays"}
) - {"content"}
OTHERS = {  # keys of the same name that belong to something else
    "UncertainReg/UncertainRegParts/logic.py": {"agreement", "parameters"},  # of a job
    "UncertainReg/UncertainRegParts/worker/inputs.py": {"dose"},  # an option
    "UncertainReg/UncertainRegParts/worker/run.py": {
        "backbone",
        "device",
        "landmarks",
        "samples",
    },  # of an event, the nodes of a run, a job
    "UncertainReg/UncertainRegParts/worker/task.py": {
        "agreement",
        "asked",
        "error",
        "finished",
    },  # of an event
    "UncertainRegLib/backbones/models.py": {"schema"},  # of a model
    "UncertainRegLib/backbones/trained.py": {"labels"},  # of a training
    "UncertainRegLib/studies/learned_tables.py": {"seed"},  # of a training
    "UncertainRegLib/backbones/registry.py": {"device"},  # what a backbone can be made with
    "UncertainRegLib/cli/evaluate.py": {"backbone"},  # settings of a job
    "UncertainReg/UncertainRegParts/sections/cohort.py": {"status"},  # of the table of a cohort
    "UncertainRegLib/cli/cohort.py": {"failed"},  # how many pairs
    "UncertainRegLib/cohort/common.py": {"left_out"},  # of the maps on a common fixed image
    "UncertainRegLib/cohort/dashboard.py": {"status"},  # of its table
    "UncertainRegLib/cohort/folder.py": {"schema"},  # of a cohort
    "UncertainRegLib/cohort/survey.py": {"backbone"},  # settings of a job
    "UncertainRegLib/cohort/table.py": {"status"},  # of its table
    "UncertainRegLib/cohort/triage.py": {"status"},  # of its table
    "UncertainRegLib/jobs/events.py": {"agreement", "asked", "device", "failed", "finished"},
    "UncertainRegLib/jobs/run.py": {"backbone"},  # settings of a job
    "UncertainRegLib/samplers/committee.py": {"failed", "members"},  # of a sample, a setting
    "UncertainRegLib/samplers/registry.py": {"method", "source"},  # settings of a job
    "UncertainRegLib/samplers/sir.py": {"source"},  # settings of a job
    "UncertainRegLib/studies/calibration.py": {"failed", "samples"},  # of what it makes
    "UncertainRegLib/studies/disagreement.py": {"failed"},  # of a sample
    "UncertainRegLib/studies/known_errors.py": {"backbone"},  # settings of a job
    "UncertainRegLib/studies/engines.py": {"backbone", "failed"},  # settings of a job, a row
    "UncertainRegLib/studies/figures.py": {"backbone", "error"},  # of a table of a study
    "UncertainRegLib/studies/validation.py": {"validation"},  # of what it makes
    "UncertainRegLib/training/heteroscedastic.py": {"backbone"},  # of a model
    "UncertainRegLib/training/two_networks.py": {"backbone"},
    "UncertainRegLib/training/sir.py": {"device"},  # settings of a training
    "UncertainRegLib/training/sir_objectives.py": {"ess_raw"},  # of a training's log
}


def raw_keys(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, key) of every ``x["key"]``, ``x.get("key")`` and ``"key" in x``."""
    found = []
    for node in ast.walk(tree):
        key = None
        if isinstance(node, ast.Subscript):
            key = node.slice
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.args
            and node.func.attr in ("get", "pop", "setdefault")
        ):
            key = node.args[0]
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            key = node.left
        if isinstance(key, ast.Constant) and key.value in KEYS:
            found.append((node.lineno, key.value))
    return found


@pytest.mark.parametrize(
    "code",
    [
        'record["samples"]',
        'x.record["labels"][0]',
        'read_result(out).get("maps")',
        'record["error"] = "no"',
        '"calibration" in record',
        'record.pop("timings")',
    ],
)
def test_a_raw_key_is_found(code):
    assert raw_keys(ast.parse(code))


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for ring in (ROOT / "UncertainReg", LIBRARY)
        for path in ring.rglob("*.py")
        if LIBRARY / "results" not in path.parents
    ),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_the_results_know_the_keys_of_result_json(path):
    allowed = OTHERS.get(path.relative_to(ROOT).as_posix(), set())
    found = [
        one
        for one in raw_keys(ast.parse(path.read_text(encoding="utf-8")))
        if one[1] not in allowed
    ]
    assert not found, "ask results.record, or name the key above if it belongs to something else"


def _loaded(code: str) -> set[str]:
    """Modules of the library that are loaded after some code, in a process of its own."""
    code += "; print(*(name for name in sys.modules if name.startswith('UncertainRegLib')))"
    out = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    return set(out.split())


def test_the_results_need_nothing_else():
    names = ", ".join(
        f"UncertainRegLib.results.{path.stem}" for path in (LIBRARY / "results").glob("[a-z]*.py")
    )
    loaded = _loaded(
        f"import {names}; assert not {{'numpy', 'torch', 'slicer'}} & {{*sys.modules}}"
    )
    assert {name.split(".")[1] for name in loaded if "." in name} == {"results"}


def test_a_report_loads_little(tmp_path):
    loaded = _loaded("import UncertainRegLib.report.html, UncertainRegLib.report.summary")
    assert len(loaded) <= 25, sorted(loaded)
    folder = write_fake_result(tmp_path / "result")
    loaded = _loaded(
        f"from UncertainRegLib.report.html import write_report; write_report({str(folder)!r})"
    )
    rings = {name.split(".")[1] for name in loaded if "." in name}
    assert rings == {"geometry", "palette", "report", "results"}, "pictures, and no engine"
    assert len(loaded) <= 49, "with the readers of every kind of image"


# ---- record and folder


def test_a_new_record_is_a_result_without_samples(tmp_path):
    folder = ResultWriter(tmp_path / "out", new_record(**NEW))
    folder.commit()
    record = read_record(folder.path)
    assert record.status == "partial" and record.samples.asked == 3 and record.maps == {}
    assert record.calibration is None and record.before_after is None


def test_every_entry_of_a_new_record_has_a_view():
    names = {one.name for one in fields(Record)} | {"schema", "without_strays"}
    assert {*new_record(**NEW)} <= names
    assert {*new_record(**NEW)["samples"]} <= {one.name for one in fields(Samples)}


def test_a_record_says_what_the_file_says(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    write_fake_validation(folder)
    write_fake_calibration(folder)
    record, content = read_record(folder), read_result(folder)
    assert record.content == content
    assert record.samples.log_weights == content["samples"]["log_weights"]
    assert record.maps["uncertainty_mm"].file == content["maps"]["uncertainty_mm"]["file"]
    assert record.inputs["fixed"].sha256 == "0" * 64
    assert record.validation.labels.maps["one-hot"].ece == 0.22
    assert record.validation.landmarks.count == 12
    assert bound_factor(record.calibration) == 2.5
    assert record.expected_error.point_factor == content["expected_error"]["point_factor"]


def test_what_an_older_result_lacks_has_a_default():
    record = Record.from_dict({"schema": "x", "samples": {}, "labels": None, "mine": 1})
    assert record.labels == [] and record.samples.finished == 0 and record.modes == []


def test_without_strays_is_a_record_of_its_own(tmp_path):
    folder = write_fake_result(tmp_path / "result", expected=False)
    assert read_record(folder).without_strays is None
    write_fake_calibration(folder)
    write_fake_strays(folder, stray=1)
    record = read_record(folder)
    without = record.without_strays
    assert record.samples.strays_mm == {1: 8.9} and without.left_out == [1]
    assert without.calibration is None and without.maps.keys() == record.maps.keys()
    assert without.labels[0]["u_p95_mm"] == 0.5 * record.labels[0]["u_p95_mm"]
    assert without.log_weights[1] == -np.inf and record.log_weights[1] == -0.1


def test_extending_keeps_all_else(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    before = read_result(folder)
    record = extend(folder, read_record(folder), calibration={"factor": 2.0, "refused": None})
    assert record.calibration.factor == 2.0
    after = read_result(folder)
    assert after.pop("calibration") == {"factor": 2.0, "refused": None}
    assert list(after.items()) == list(before.items())


def test_what_nobody_could_read_again_is_not_written(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    with pytest.raises(TypeError):
        extend(folder, read_record(folder), calibration={"factor": "wide"})
    assert read_record(folder).calibration is None


def test_the_files_of_a_snapshot_go_after_the_next_one(tmp_path):
    folder = ResultWriter(tmp_path / "out", new_record(**NEW))
    for name in ("a.nrrd", "b.nrrd"):
        (folder.path / name).touch()
    folder.commit({"a.nrrd"})
    assert (folder.path / "a.nrrd").exists()
    folder.commit()
    assert (folder.path / "a.nrrd").exists(), "no new snapshot"
    folder.commit({"b.nrrd"})
    assert not (folder.path / "a.nrrd").exists() and (folder.path / "b.nrrd").exists()


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "cancel").touch()
    ResultWriter(tmp_path, new_record(**NEW), may_hold=("cancel",))
    with pytest.raises(ResultError, match="not empty"):
        ResultWriter(tmp_path, new_record(**NEW), may_hold=("cancel",))


def test_numpy_numbers_are_written_and_nothing_else(tmp_path):
    folder = ResultWriter(
        tmp_path / "out",
        new_record(**NEW)
        | {"labels": [{"u_mm": np.float32(0.5), "n": np.int64(2), "at": np.zeros(3)}]},
    )
    folder.commit()
    assert read_record(folder.path).labels == [{"u_mm": 0.5, "n": 2, "at": [0.0, 0.0, 0.0]}]
    folder.update(device=Path("x"))
    with pytest.raises(TypeError, match="does not belong"):
        folder.commit()
    assert read_record(folder.path).device == "cpu", "the one before is whole"


@pytest.mark.parametrize(
    "text",
    [None, "{", "[]", '{"schema": "uncertainreg-result/7"}', '{"schema": "uncertainreg-result/1"}'],
)
def test_every_reader_refuses_what_is_no_result(tmp_path, text):
    if text is not None:
        (tmp_path / FILE).write_text(text, "utf-8")
    sentences = set()
    for read in (ResultFolder, read_record, read_result):
        with pytest.raises(ResultError, match=FILE) as error:
            read(tmp_path)
        sentences.add(str(error.value))
    assert len(sentences) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"maps": []},
        {"maps": {"uncertainty_mm": {"file": 7}}},
        {"samples": {"files": "samples/sample-0000.nrrd"}},
        {"samples": {"finished": "four"}},
        {"labels": {"1": "Liver"}},
        {"modes": [{"weight": "heavy", "sample": 1}]},
        {"best_sample": True},
    ],
)
def test_entries_of_another_type_are_damage(tmp_path, entry):
    write_fake_result(tmp_path)
    content = json.loads((tmp_path / FILE).read_text("utf-8")) | entry
    (tmp_path / FILE).write_text(json.dumps(content), "utf-8")
    for read in (ResultFolder, read_record):
        with pytest.raises(ResultError, match="is damaged"):
            read(tmp_path)


def test_a_file_is_replaced_in_one_step(tmp_path):
    file = tmp_path / "model.json"
    atomic.replace_text(file, "old")

    def broken(draft):
        draft.write_text("half", "utf-8")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        atomic.replace(file, broken)
    assert file.read_text("utf-8") == "old"
    atomic.replace_text(file, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    assert file.read_text("utf-8") == "new"


# ---- catalogues


def test_the_catalogue_of_maps_says_how_label_entropy_is_made():
    meaning = maps.MAPS["label_entropy"].meaning
    assert f"{100 * SAMPLES_SHARE:.0f} % by the samples" in meaning
    assert f"within {WITHIN_MM} mm" in meaning


def test_a_map_outside_the_catalogue_gets_its_title_from_its_name():
    kind = maps.kind_of("flow_noise_mm", "mm")
    assert kind.heading == "Flow noise (mm)" and kind.colours == "inferno"
    assert maps.in_order(["other", "jacobian", "uncertainty_mm"]) == [
        "uncertainty_mm",
        "jacobian",
        "other",
    ]


def test_a_result_is_first_judged_by_its_expected_error():
    assert maps.main_map(["uncertainty_mm", "jacobian", "expected_error_mm"]) == "expected_error_mm"
    assert maps.main_map(["jacobian", "uncertainty_mm"]) == "uncertainty_mm"
    assert maps.main_map(["jacobian"]) is None


def test_headings_are_broken_once():
    assert columns.in_two_lines("Disagreement, median (mm)") == "Disagreement,\nmedian (mm)"
    assert columns.in_two_lines("95 % bound (mm)") == "95 % bound\n(mm)"
    assert columns.in_two_lines("Structure") == "Structure"
    assert columns.is_hidden("worst_voxel_lps_r") and not columns.is_hidden("volume_ml")


@pytest.mark.parametrize("expected", [True, False])
def test_one_number_has_one_title(tmp_path, expected):
    """The report and the terminal take their headings from the catalogue."""
    from UncertainRegLib.report.html import write_report
    from UncertainRegLib.report.text import in_words as in_terminal

    folder = write_fake_result(tmp_path / "result", expected=expected)
    page = write_report(folder).read_text(encoding="utf-8")
    volume = "volume_interval_ml" if expected else "volume_samples_ml"
    names = ["u_p95_mm", volume, *(("expected_mm", "bound_mm") if expected else ())]
    lines = in_terminal(read_record(folder), folder).splitlines()[1:3]
    for heading in (columns.STRUCTURES[name].heading for name in names):
        assert f"<th>{heading}</th>" in page
        for part, line in zip(columns.in_two_lines(heading).split("\n"), lines):
            assert part in line
    assert f"<th>{columns.LANDMARKS['u_mm'].heading}</th>" in page
    assert ("95 % bound" in page) is expected


def test_what_a_registration_improved_in_words():
    number = {"before": 0.5, "after": 0.75, "centred": None}
    found = BeforeAfter.from_dict(
        {
            "before": "the images as they lie",
            "centred": None,
            "similarity": None,
            "dice": number,
            "tre_mm": {**number, "centred": 0.6},
            "structures": {},
        }
    )
    assert in_words(found) == [
        "Before (with the images as they lie) and after the registration: mean Dice 0.500 / 0.750, "
        "mean landmark error in the fixed space 0.50 [0.60] / 0.75 mm."
    ]
    assert in_words(BeforeAfter()) == []
