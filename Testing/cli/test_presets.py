"""Presets: they set what the papers say, are overruled by options, start, stop and go on."""

import json
import re
import shlex
from importlib.util import find_spec

import pytest

from support import ROOT
from support.pair_lists import write_pair_list
from UncertainRegLib.__main__ import main
from UncertainRegLib.cli.main import parser
from UncertainRegLib.cli.presets import ADACS, PRESETS, TIAN_FAMILIES

TRAININGS = [
    (command, preset)
    for command, presets in PRESETS.items()
    if command not in ("run", "known-warp")
    for preset in presets
]
FLAT = ["--shape", "1", "16", "16"]
CUBE = ["--shape", "16", "16", "16"]


def test_options_overrule_a_preset_and_it_says_so_once(capsys):
    given = ["train", "adacs", "--pairs", "p.csv", "--out", "o", "--steps", "7"]
    for arguments in ([*given, "--preset", "adacs"], [*given[:2], "--preset", "adacs", *given[2:]]):
        options = parser().parse_args(arguments)
        assert (options.steps, options.batch, options.beta) == (7, 8, 1.5)
        assert (options.widths, options.integration_steps, options.norm) == ("published", 7, "code")
        said = capsys.readouterr().err
        assert said.count("Preset adacs: ") == 1 and "yours are --steps 7" in said
        assert "--shape 1 128 128" in said
    assert parser().parse_args(given).beta == 1.5 and not capsys.readouterr().err
    parser().parse_args([*given, "--preset", "adacs", "--progress", "json"])
    assert not capsys.readouterr().err


def test_a_preset_of_another_paper_is_usage(capsys):
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["train", "adacs", "--images", "i", "--out", "o", "--preset", "gong"])
    assert end.value.code == 2 and "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "preset"), TRAININGS)
def test_a_preset_sets_what_its_command_has(command, preset):
    given = ["train", command, "--images", "i", "--out", "o", "--preset", preset]
    found = vars(parser().parse_args(given))
    values = PRESETS[command][preset]
    known = [option for option in values if option in found]
    assert len(known) > 10
    for option in known:
        as_given = found[option]
        as_given = tuple(as_given) if isinstance(as_given, list) else as_given
        assert as_given == values[option], option


def test_every_value_of_a_preset_is_an_option_of_a_command():
    found, wanted = {}, {}
    for command, presets in PRESETS.items():
        given = ["--images", "i", "--out", "o"]
        if command == "run":
            words, given = ["run"], []
        elif command == "known-warp":
            words, given = ["evaluate", command], ["--image", "i", "--out", "o"]
        else:
            words = ["train", command]
        for name, preset in presets.items():
            options = parser().parse_args([*words, *given, "--preset", name])
            paper = name if words[0] == "train" else (name, command)
            found.setdefault(paper, set()).update(vars(options))
            wanted.setdefault(paper, set()).update(preset)
    assert all(wanted[paper] <= found[paper] for paper in wanted)


def test_the_commands_of_the_page_are_understood():
    page = (ROOT / "Docs" / "papers.md").read_text("utf-8")
    commands = [
        code for code in re.findall(r"`([^`]+)`", page) if re.match("(train|run|evaluate) ", code)
    ]
    with_preset = [code for code in commands if "--preset" in code]
    names = {parser().parse_args(shlex.split(code)).preset for code in with_preset}
    assert names == {"tian", "gong", "heteroscedastic", "adacs", "sir"}
    assert len(with_preset) == 6


def test_the_settings_of_tian(capsys):
    run = parser().parse_args(["run", "--fixed", "f", "--moving", "m", "--preset", "tian"])
    assert (run.samples, run.perturbation) == (50, "tian-deform")
    run = parser().parse_args(["run", "--preset", "tian-laptop", "--perturbation", "tian-shear"])
    assert (run.samples, run.perturbation) == (8, "tian-shear")
    assert not hasattr(parser().parse_args(["run"]), "samples")
    study = parser().parse_args(
        ["evaluate", "known-warp", "--image", "i", "--out", "o", "--preset", "tian"]
    )
    assert tuple(study.families) == TIAN_FAMILIES and study.samples == 50
    assert "elastic2-paper" in study.cases
    assert "--truths translation affine elastic2-paper" in capsys.readouterr().err


def test_a_job_goes_without_a_preset(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["run", "--job", str(tmp_path / "job.json"), "--preset", "tian"])
    assert "--job goes without --perturbation, --samples" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "preset"), TRAININGS)
def test_a_preset_starts_stops_and_goes_on(tmp_path, capsys, command, preset):
    """At a tiny size, else as it is: networks, losses, objectives and schedules of the paper."""
    pytest.importorskip("torch")
    flat = PRESETS[command][preset]["shape"][0] == 1
    options = FLAT if flat else CUBE
    if command == "sir":
        options = [*options, "--proposals", "3", "--keep", "2"]
        options += [] if find_spec("heavyball") else ["--optimiser", "adam"]
    else:
        options = [*options, "--batch", "1"]
    file, out = write_pair_list(tmp_path / "data", "png" if flat else "3d"), tmp_path / "out"
    train = ["train", command, "--pairs", str(file), "--out", str(out), "--preset", preset]
    train += [*options, "--progress", "none", "--stop-after"]
    assert main([*train, "3"]) == 0
    steps = PRESETS[command][preset]["steps"]
    assert f"Stopped at step 3 of {steps}; run the same again" in capsys.readouterr().err
    where = out / "member-0" if command == "bootstrap" else out
    assert (where / "checkpoint.pt").is_file() and not (out / "weights.pt").exists()
    assert main([*train, "1"]) == 0
    log = [json.loads(line) for line in (where / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in log] == [0, 1, 2, 3]


def test_adacs_ends_where_the_paper_does():
    epochs = 20 + 20 + 300
    assert ADACS["steps"] == epochs * ADACS["epoch_steps"]
