"""A network of one's own can be chosen in the panel."""

import json
import zipfile

import pytest

from support.panel import add_volume


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with an own network, of which the panel reads the manifest only."""
    from UncertainRegLib.backbones.models import install_network

    monkeypatch.setenv("UNCERTAINREG_WEIGHTS", str(tmp_path / "store"))
    with zipfile.ZipFile(tmp_path / "network.pt", "w") as archive:
        for name in ("constants.pkl", "data.pkl", "code/__torch__.py"):
            archive.writestr(f"network/{name}", "")
    manifest = {"name": "mine", "title": "My network", "network": "network.pt", "spacing_mm": 2.0}
    (tmp_path / "own.json").write_text(json.dumps(manifest), "utf-8")
    return install_network(tmp_path / "own.json", "my-net")


def test_an_own_network_of_the_store_is_chosen_in_the_panel(store, module, host):
    widget = host.make_widget(module.UncertainRegWidget)
    combo = widget.ui.backboneComboBox
    place = combo.findData("my-net")
    assert place >= 0 and combo.itemText(place).startswith("My network")
    widget.ui.fixedSelector.setCurrentNode(add_volume("MR before"))
    widget.ui.movingSelector.setCurrentNode(add_volume("MR after", 1))
    combo.currentIndex = place
    assert widget.logic.getParameterNode().backbone == "my-net"
    host.unload(widget)
