"""Sentences of the library in the language of the application, and where translators find them."""

import ast
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from support import ROOT

pytest.importorskip("support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError)

MODULE = ROOT / "UncertainReg"
GERMAN = {
    "The expected error is {0} mm on average.": "Im Mittel werden {0} mm Fehler erwartet.",
    "{0} of {1} {2} failed, the last one with: {3}. Try other settings, another registration or "
    "another perturbation.": "{2}: {1}, davon {0} misslungen ({3}).",
    "The registration diverged: it holds NaN or infinite displacements.": "Divergiert.",
    "Registering with {0}": "Registrieren mit {0}",
    "Disagreement (mm)": "Uneinigkeit (mm)",
}


@pytest.fixture
def german(module, monkeypatch):
    from UncertainRegParts import wording

    monkeypatch.setattr(wording, "translate", lambda context, text: GERMAN.get(text, text))
    return wording.translated


def test_values_are_put_into_the_translation(german):
    failed = (
        "2 of 16 samples failed, the last one with: {0}. Try other settings, another registration "
    )
    inner = "The registration diverged: it holds NaN or infinite displacements."
    for said, expected in ((inner, "Divergiert."), ("CT {old} 7", "CT {old} 7")):
        text = failed.format(said) + "or another perturbation."
        assert german(text) == f"samples: 16, davon 2 misslungen ({expected})."
    both = "The expected error is 2.3 mm on average. Nobody translated this one."
    assert german(both) == "Im Mittel werden 2.3 mm Fehler erwartet. Nobody translated this one."
    for text in ("", "No number", "{braces} in sample-0001.nrrd, 3.5 of 7", "95 % of 4"):
        assert german(text) == text  # nobody translated it


def test_what_the_library_says_reaches_the_panel_translated(german, widget, inputs, host):
    said = []
    label = widget.ui.statusLabel
    widget.ui.applyButton.click()
    changed = widget.logic.run._onChanged
    widget.logic.run._onChanged = lambda: (changed(), said.append(label.text))
    while widget.logic.run.isActive:
        host.process_events()
    assert "Registrieren mit Demons" in said
    assert "Im Mittel werden 1.6 mm Fehler erwartet." in widget.ui.calibrationLabel.text
    ui = widget.ui
    assert "Uneinigkeit (mm)" in [ui.mapComboBox.itemText(n) for n in range(ui.mapComboBox.count)]


def test_the_list_for_translators_is_what_the_library_says(module):
    """Else: python Tools/sentences.py"""
    listed = "import sentences, sys; sys.stdout.buffer.write(sentences.listed().encode())"
    found = subprocess.run(
        [sys.executable, "-c", listed],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "Tools"), str(ROOT)))},
        capture_output=True,
        check=True,
    )
    from UncertainRegParts import sentences

    assert found.stdout.decode() == Path(sentences.__file__).read_text("utf-8")


def test_slicers_extraction_finds_all_of_it(module, tmp_path):
    """Qt's lupdate, which Slicer's script calls, and the names that the script looks for."""
    from UncertainRegParts import sentences, wording

    lupdate = Path(sys.executable).parent / "pyside6-lupdate"
    if not lupdate.is_file():
        pytest.skip("needs the lupdate of PySide6")
    found = tmp_path / "UncertainReg_en-US.ts"
    files = [sentences.__file__, str(MODULE / "Resources" / "UI" / "UncertainReg.ui")]
    subprocess.run([lupdate, *files, "-ts", found], capture_output=True, check=True)
    texts = {
        context.findtext("name"): {
            message.findtext("source") for message in context.iter("message")
        }
        for context in ElementTree.parse(found).iter("context")
    }
    assert texts[wording.CONTEXT] == set(sentences.SENTENCES)
    assert "Show in the slice views" in texts["UncertainReg"]


def test_only_plain_texts_are_marked():
    """A variable in `_()` is found by no extraction; `translated` is for what the library says."""
    for path in sorted(MODULE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}"


def test_what_a_real_run_says_is_in_the_list(module, finished):
    from UncertainRegParts import wording

    record = json.loads((finished / "result.json").read_text("utf-8"))
    said = [*record["warnings"], *(one["meaning"] for one in record["maps"].values())]
    assert len(said) > 5
    for text in said:
        for one in [text] if wording._found(text) else wording._SENTENCE.split(text):
            assert wording._found(one), one
