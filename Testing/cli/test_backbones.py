"""backbones list | install | verify | clear, without network."""

import argparse
import json
from importlib.util import find_spec

import pytest

from UncertainRegLib import samplers
from UncertainRegLib.__main__ import main
from UncertainRegLib.backbones import registry
from UncertainRegLib.backbones.registry import BackboneError, create, entry, known, listing
from UncertainRegLib.cli import backbones as cli


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCERTAINREG_WEIGHTS", str(tmp_path / "store"))


def run(*arguments):
    parser = argparse.ArgumentParser()
    cli.add_command(parser.add_subparsers())
    options = parser.parse_args(["backbones", *map(str, arguments)])
    return options.command(options, None)


def test_everything_is_listed_with_state_licence_and_what_to_do(capsys):
    assert run("list") == 0
    text = capsys.readouterr().out
    for item in listing():
        assert item.name in text and item.title in text
        assert item.available or item.to_install in text
    assert "weights Apache-2.0" in text
    if find_spec("torch") is not None:  # else the missing package comes first
        assert "backbones install unigradicon" in text
    assert "--backbone MANIFEST.json" in text


def test_the_lists_are_there_for_programs_too(capsys):
    assert main(["backbones", "list", "--json"]) == 0
    backbones = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in backbones] == [item.name for item in listing()]
    assert backbones[0]["facts"] == json.loads(json.dumps(create("demons").facts.as_dict()))
    assert main(["methods", "list", "--json"]) == 0
    methods = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in methods] == [item.name for item in samplers.listing()]
    for item in backbones + methods:
        assert item["available"] == (not item["to_install"])


def test_missing_weights_say_how_to_get_them():
    pytest.importorskip("torch")
    assert not entry("clapirn").available
    with pytest.raises(BackboneError, match="run `backbones install clapirn` \\(2 MB\\)"):
        create("clapirn")
    with pytest.raises(BackboneError, match="TransMorph_on_IXI"):
        create("transmorph")
    assert create("clapirn", weights="given.pth").weights == "given.pth"


@pytest.mark.parametrize("name", [name for name in known() if name != "known-field"])
def test_a_backbone_without_its_packages_is_listed_not_raised(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda wanted: None)
    item = entry(name)
    if item.facts.packages:
        assert not item.available
        assert "install the Python package" in item.to_install
        with pytest.raises(BackboneError, match="is not installed: install the Python package"):
            create(name)


def test_absent_program_is_named(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(BackboneError, match="mri_synthmorph is not on the PATH"):
        create("synthmorph")


def test_download_needs_consent(capsys, monkeypatch):
    with pytest.raises(BackboneError, match=r"2 MB, licence MIT\)\. Download them now\? Add --yes"):
        run("install", "clapirn")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert run("install", "clapirn") == 0
    assert "Nothing was downloaded" in capsys.readouterr().out
    assert run("install", "demons") == 0
    assert "needs no trained weights" in capsys.readouterr().out


def test_offline_import_list_and_clear(shared_data, capsys):
    assert run("install", "clapirn", "--from", shared_data / "weights") == 0
    assert "sha256 c67ac1c8535a" in capsys.readouterr().out
    run("list")
    assert "1 files, 2 MB" in capsys.readouterr().out
    assert registry.entry("clapirn").facts.weights.file.startswith("clapirn/")
    assert run("clear", "clapirn") == 0
    assert "2 MB freed" in capsys.readouterr().out
    assert not list((cli.store.store()).rglob("*.pth"))


@pytest.mark.slow
def test_verify_speaks_and_sets_the_exit_code(capsys, monkeypatch):
    monkeypatch.setitem(known(), "quick", known()["demons"])
    monkeypatch.setattr(
        cli, "create", lambda *a, **k: create("demons", affine=False, voxels=40_000)
    )
    assert run("verify", "quick") == 0
    assert "ok      shift: a shift of 4 mm comes back" in capsys.readouterr().out
