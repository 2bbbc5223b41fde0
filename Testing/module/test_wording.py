"""Sentences of the library in the language of the application."""

import pytest

pytest.importorskip("support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError)


GERMAN = {
    "The expected error is {0} mm on average.": "Im Mittel werden {0} mm Fehler erwartet.",
    "{0} of {1} samples failed: {2}.": "{2}: {1} Proben, davon {0} misslungen.",
    "Registering": "Registrieren",
}


@pytest.fixture
def german(module, monkeypatch):
    from UncertainRegParts import wording

    monkeypatch.setattr(wording, "_", lambda text: GERMAN.get(text, text))
    return wording.translated


def test_values_are_put_into_the_translation(german):
    said = german("2 of 16 samples failed: “CT {old} 7”.")
    assert said == "“CT {old} 7”: 16 Proben, davon 2 misslungen."
    assert german("The expected error is 2.3 mm on average.").startswith("Im Mittel werden 2.3 mm")
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
    assert "Registrieren" in said
    assert "Im Mittel werden 1.6 mm Fehler erwartet." in widget.ui.calibrationLabel.text
