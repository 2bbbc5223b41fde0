"""The module's files agree with each other: what the panel has, what is used."""

import ast
import re
import xml.etree.ElementTree as ElementTree

from support import ROOT
from UncertainRegLib.samplers.proposals import SOURCES as SOURCES_OF_SIR

FOLDER = ROOT / "UncertainReg"
SOURCES = sorted(FOLDER.rglob("*.py"))


def test_only_the_module_file_lies_beside_it():
    """Slicer takes every Python file in this folder for a module."""
    assert [p.name for p in FOLDER.glob("*.py")] == ["UncertainReg.py"]


def test_the_panel_has_every_widget_that_is_used():
    root = ElementTree.parse(FOLDER / "Resources" / "UI" / "UncertainReg.ui").getroot()
    names = {widget.get("name") for widget in root.iter("widget")}
    used = {
        name for path in SOURCES for name in re.findall(r"\bui\.(\w+)", path.read_text("utf-8"))
    }
    assert used <= names
    for widget in root.iter("widget"):  # every control explains itself
        if widget.get("class") in (
            "QComboBox",
            "qMRMLNodeComboBox",
            "QSpinBox",
            "QCheckBox",
            "ctkSliderWidget",
            "ctkPathLineEdit",
            "QTableWidget",
        ):
            assert widget.find("property[@name='toolTip']") is not None, widget.get("name")


def test_what_a_text_of_the_panel_quotes_is_there():
    """A tooltip that names the entries of a list names those that the list has."""
    root = ElementTree.parse(FOLDER / "Resources" / "UI" / "UncertainReg.ui").getroot()
    texts = {"tips": [], "titles": []}
    for item in root.iter("property"):
        kind = "tips" if item.get("name") == "toolTip" else "titles"
        texts[kind] += [string.text or "" for string in item.iter("string")]
    code = "".join(path.read_text("utf-8") for path in SOURCES)
    quoted = set(re.findall("“([^”]+)”", " ".join(texts["tips"])))
    commands, sources = (
        {"train sir", "cohort"},
        [source.title for source in SOURCES_OF_SIR.values()],
    )
    assert len(quoted) > 3
    assert not {
        name
        for name in quoted - commands - set(sources)
        if name not in texts["titles"] and f'_("{name}")' not in code
    }
    tip = root.find(".//widget[@name='sirSourceComboBox']/property[@name='toolTip']/string").text
    assert re.findall("“([^”]+)”", tip) == sources


def test_nothing_but_slicers_own_is_imported_when_the_module_is_found():
    """Slicer imports the module at every start: no library, and never torch."""
    allowed = {"qt", "slicer", "vtk", "numpy", "UncertainRegParts", "UncertainReg", "__future__"}
    import sys

    for path in SOURCES:
        for node in ast.parse(path.read_text("utf-8")).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            tops = {name.split(".")[0] for name in names}
            assert tops <= allowed | set(sys.stdlib_module_names), (path.name, tops)
