"""A network of one's own in the store is in every list, by its name there."""

import json

import numpy as np
import pytest

from support.phantoms import textured
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
