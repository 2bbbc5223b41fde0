"""The test host itself: it must be as strict as PythonQt, or the module tests prove nothing."""

import pytest

qt_host = pytest.importorskip(
    "support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError
)


@pytest.fixture
def host():
    started = qt_host.start()
    yield started
    started.check()


def test_properties_are_attributes(host):
    import qt

    edit = qt.QLineEdit("a")
    assert edit.text == "a"
    with pytest.raises(TypeError):
        edit.text()
    edit.text = "b"
    edit.setText(edit.text + "c")
    assert edit.text == "bc"
    edit.enabled = False
    assert not edit.isEnabled()


def test_unknown_attributes_raise(host):
    import qt

    label = qt.QLabel()
    with pytest.raises(AttributeError):
        label.caption = "x"
    with pytest.raises(AttributeError):
        label.caption  # noqa: B018
    label.setProperty("caption", "y")
    assert label.caption == "y"


def test_keyword_arguments_and_wrong_counts_raise(host):
    import qt

    with pytest.raises(ValueError, match="PythonQt"):
        qt.QPushButton(text="a")
    with pytest.raises(ValueError, match="setText"):
        qt.QLabel().setText()


def test_wrapper_classes_do_not_inherit(host):
    import qt

    button = qt.QPushButton("a")
    assert isinstance(button, qt.QPushButton)
    assert not isinstance(button, qt.QWidget)
    assert button.inherits("QWidget") and button.className() == "QPushButton"


def test_same_object_same_wrapper(host):
    import qt

    parent = qt.QWidget()
    child = qt.QLabel("x", parent)
    assert parent.children()[0] is child and child.parent() is parent


def test_slots_get_what_they_accept(host):
    import qt

    button, got = qt.QPushButton(), []
    button.checkable = True
    assert button.connect("clicked(bool)", lambda: got.append("none"))
    assert button.connect("clicked(bool)", lambda value: got.append(value))
    button.clicked.connect(lambda *values: got.append(values))
    button.click()
    assert got == ["none", True, (True,)]


def test_unknown_signal_is_false_and_noticed(host):
    import qt

    assert not qt.QPushButton().connect("pressedTwice()", print)
    with pytest.raises(AssertionError, match="pressedTwice"):
        host.check()


def test_exception_in_a_slot_is_noticed(host):
    import qt

    def fails() -> None:
        raise RuntimeError("noticed")

    button = qt.QPushButton()
    button.connect("clicked()", fails)
    button.click()
    with pytest.raises(AssertionError, match="noticed"):
        host.check()


def test_disconnect(host):
    import qt

    class Receiver:
        count = 0

        def clicked(self) -> None:
            self.count += 1

    receiver, button = Receiver(), qt.QPushButton()
    button.connect("clicked()", receiver.clicked)
    button.click()
    button.disconnect("clicked()", receiver.clicked)
    button.click()
    assert receiver.count == 1


def test_enums_are_ints_and_lists_are_tuples(host):
    import qt

    assert qt.QMessageBox.Yes == 16384 and qt.QMessageBox.StandardButton.Yes == qt.QMessageBox.Yes
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    assert int(label.alignment) & int(qt.Qt.AlignRight)
    assert isinstance(qt.QWidget().children(), tuple)
    with pytest.raises(TypeError):
        bytes(qt.QProcess().readAll())


def test_destroyed_objects_are_noticed(host):
    import qt

    label = qt.QLabel("x")
    label.delete()
    assert not label and label == None  # noqa: E711 - the manner of PythonQt
    with pytest.raises(ValueError, match="destroyed"):
        label.text  # noqa: B018


def test_node_selector_follows_the_scene(host):
    import slicer

    slicer.mrmlScene.Clear()
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ("vtkMRMLScalarVolumeNode",)
    selector.noneEnabled = True
    seen = []
    assert selector.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    selector.setMRMLScene(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert selector.currentNode() is None and selector.nodeCount() == 1
    selector.setCurrentNode(node)
    assert selector.currentNodeID == node.GetID()
    slicer.mrmlScene.RemoveNode(node)
    assert seen == [node, None] and selector.nodeCount() == 0
    selector.setMRMLScene(None)


def test_parameters_are_strict_and_bound_both_ways(host, tmp_path):
    from typing import Annotated

    import ctk
    import qt
    import slicer
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class Settings:
        count: Annotated[int, WithinRange(2, 64)] = 16
        opacity: Annotated[float, WithinRange(0, 1)] = 0.5
        volume: slicer.vtkMRMLScalarVolumeNode

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    settings = Settings(node)
    spin, slider, selector = qt.QSpinBox(), ctk.ctkSliderWidget(), slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    ui = type("Ui", (), {})()
    for widget, name in ((spin, "count"), (slider, "opacity"), (selector, "volume")):
        widget.setProperty("SlicerParameterName", name)
        setattr(ui, name + "Widget", widget)
    tag = settings.connectGui(ui)
    assert spin.value == 16 and (spin.minimum, spin.maximum) == (2, 64)
    spin.value = 8
    slider.value = 0.25
    assert (settings.count, settings.opacity) == (8, 0.25)
    settings.count = 9
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    settings.volume = volume
    assert spin.value == 9 and selector.currentNode() is volume
    for wrong, error in (("2", TypeError), (2.5, TypeError), (None, ValueError), (65, ValueError)):
        with pytest.raises(error):
            settings.count = wrong
    settings.disconnectGui(tag)
    spin.value = 30
    assert settings.count == 9
    assert Settings(node).count == 9
    selector.setMRMLScene(None)
