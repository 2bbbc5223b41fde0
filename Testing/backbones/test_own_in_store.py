"""A network of one's own in the store is in every list, by its name there."""

import json

import numpy as np
import pytest

from support.phantoms import textured
from support.trained_models import write_proposal_network
from UncertainRegLib import backbones
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import Grid

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Still(torch.nn.Module):
    """A network that moves nothing."""

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """(1, 3, Z, Y, X)."""
        return torch.zeros_like(fixed).repeat(1, 3, 1, 1, 1)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The manifest of a network, and an empty store."""
    monkeypatch.setenv("UNCERTAINREG_WEIGHTS", str(tmp_path / "store"))
    torch.jit.script(Still()).save(tmp_path / "network.pt")
    manifest = {"name": "still", "title": "Still", "network": "network.pt", "spacing_mm": 2.0}
    (tmp_path / "own.json").write_text(json.dumps(manifest), "utf-8")
    return tmp_path / "own.json"


def listed():
    return {entry.name: entry for entry in backbones.listing()}


def test_it_is_listed_used_and_removed(own, capsys):
    assert "my-net" not in listed()
    assert main(["backbones", "install", "my-net", "--from", str(own)]) == 0
    assert "--backbone my-net" in capsys.readouterr().out
    own.unlink()
    own.with_name("network.pt").unlink()  # the store has a copy
    assert listed()["my-net"].title == "Still" and listed()["my-net"].available
    backbone = backbones.create("my-net")
    image = textured(Grid.from_spacing((12, 14, 16), (2, 2, 2)))
    assert not np.asarray(backbone.register(*backbone.prepare(image, image)).vectors).any()
    assert main(["backbones", "clear", "my-net"]) == 0
    assert "my-net" not in listed()


def test_what_is_no_network_is_refused_and_leaves_nothing(own, capsys):
    torch.save({"a": torch.ones(1)}, own.with_name("network.pt"))
    assert main(["backbones", "install", "my-net", "--from", str(own)]) == 1
    assert "holds weights only" in capsys.readouterr().err
    assert main(["backbones", "install", "../up", "--from", str(own)]) == 1
    assert not (own.parent / "store").exists()


def test_a_name_that_is_taken_or_means_a_file_is_refused(own, capsys):
    for name in ("demons", "voxelmorph"):  # of the second the file would become its weights
        assert main(["backbones", "install", name, "--from", str(own)]) == 1
        assert "choose another name" in capsys.readouterr().err
    assert main(["backbones", "install", "mine.json", "--from", str(own)]) == 1
    assert "no name for a model" in capsys.readouterr().err  # it would mean the file mine.json
    assert not (own.parent / "store").exists()


def test_the_network_itself_in_place_of_its_manifest(own, capsys):
    network = own.with_name("network.pt")
    assert main(["backbones", "install", "my-net", "--from", str(network)]) == 1
    assert "give the manifest (.json)" in capsys.readouterr().err


def test_another_of_the_name_replaces_it_whole_and_says_so(own, tmp_path, capsys):
    folder = write_proposal_network(tmp_path / "model")
    assert main(["backbones", "install", "mine", "--from", str(folder)]) == 0
    assert "in place" not in capsys.readouterr().out
    assert main(["backbones", "install", "mine", "--from", str(own)]) == 0
    assert "in place of the former one" in capsys.readouterr().out
    assert listed()["mine"].title == "Still", "the trained model must not be used any more"
    assert [entry.name for entry in backbones.listing()].count("mine") == 1
    stored = own.parent / "store" / "models" / "mine"
    assert {file.name for file in stored.iterdir()} == {"manifest.json", "network.pt"}
    assert main(["backbones", "install", "mine", "--from", str(stored / "manifest.json")]) == 0
    assert listed()["mine"].title == "Still", "a folder may be installed over itself"
