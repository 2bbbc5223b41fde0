"""The ctk and qMRML widgets that the module's .ui file names, with CTK's property names.

They are plain PySide6 classes; `pythonqt` gives them the manners of PythonQt. Their look is ours.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import slicer
from PySide6.QtCore import Property, QBuffer, QObject, Qt, Signal
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QWidget,
)


class ctkCollapsibleButton(QAbstractButton):
    """A titled section; its children are hidden while it is collapsed."""

    contentsCollapsed = Signal(bool)
    TITLE_HEIGHT = 26

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, self.TITLE_HEIGHT, 0, 0)
        self.toggled.connect(self._show_contents)

    def _show_contents(self, shown: bool) -> None:
        for child in self.children():  # those that hide themselves stay hidden
            if not isinstance(child, QWidget):
                continue
            if shown and child.property("hidden_here"):
                child.setProperty("hidden_here", False)
                child.show()
            elif not shown and not child.isHidden():
                child.setProperty("hidden_here", True)
                child.hide()
        self.setMaximumHeight(16777215 if shown else self.TITLE_HEIGHT)
        self.contentsCollapsed.emit(not shown)

    def _get_collapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _get_collapsed, setCollapsed)

    def showEvent(self, event) -> None:
        if not self.isChecked():
            self._show_contents(False)

    def sizeHint(self):
        hint = self.layout().totalSizeHint() if self.layout() else super().sizeHint()
        hint.setHeight(hint.height() if self.isChecked() else self.TITLE_HEIGHT)
        return hint

    def minimumSizeHint(self):
        hint = self.layout().totalMinimumSize() if self.layout() else super().minimumSizeHint()
        hint.setHeight(hint.height() if self.isChecked() else self.TITLE_HEIGHT)
        return hint

    def paintEvent(self, event) -> None:
        option = QStyleOptionButton()
        option.initFrom(self)
        option.rect.setHeight(self.TITLE_HEIGHT - 4)
        painter = QStylePainter(self)
        painter.drawControl(QStyle.CE_PushButtonBevel, option)
        mark = "▾" if self.isChecked() else "▸"
        text_area = option.rect.adjusted(8, 0, 0, 0)
        painter.drawText(text_area, Qt.AlignVCenter | Qt.AlignLeft, f"{mark}  {self.text()}")


class ctkSliderWidget(QWidget):
    """A slider with a spin box."""

    valueChanged = Signal(float)
    STEPS = 1000

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider, self._spin = QSlider(Qt.Horizontal), QDoubleSpinBox()
        self._slider.setRange(0, self.STEPS)
        self._spin.setRange(0, 99)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self._slider.sliderMoved.connect(self._slider_moved)
        self._spin.valueChanged.connect(self._spin_changed)

    def _slider_moved(self, step: int) -> None:
        low, high = self._spin.minimum(), self._spin.maximum()
        self._spin.setValue(low + (high - low) * step / self.STEPS)

    def _spin_changed(self, value: float) -> None:
        low, high = self._spin.minimum(), self._spin.maximum()
        self._slider.setValue(round((value - low) / max(high - low, 1e-9) * self.STEPS))
        self.valueChanged.emit(value)

    def _spin_property(kind, name: str):
        setter = "set" + name[0].upper() + name[1:]
        return Property(
            kind,
            lambda self: getattr(self._spin, name)(),
            lambda self, value: getattr(self._spin, setter)(value),
        )

    value = _spin_property(float, "value")
    minimum = _spin_property(float, "minimum")
    maximum = _spin_property(float, "maximum")
    singleStep = _spin_property(float, "singleStep")
    decimals = _spin_property(int, "decimals")
    suffix = _spin_property(str, "suffix")

    def setValue(self, value: float) -> None:
        self._spin.setValue(value)


class ctkPathLineEdit(QWidget):
    """A line edit for a path."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit = QLineEdit()
        layout.addWidget(self._edit)
        self._edit.textChanged.connect(self.currentPathChanged)
        self._setting_key = ""

    def _get_path(self) -> str:
        return self._edit.text()

    def setCurrentPath(self, path: str) -> None:
        self._edit.setText(path)

    currentPath = Property(str, _get_path, setCurrentPath)

    def _get_key(self) -> str:
        return self._setting_key

    def _set_key(self, key: str) -> None:
        self._setting_key = key

    settingKey = Property(str, _get_key, _set_key)


class qMRMLWidget(QWidget):
    """The top widget of a module's .ui file: hands the scene to the node selectors."""

    mrmlSceneChanged = Signal(object)
    MRML_SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent that Slicer gives to a module's widget."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entered = False
        self.make_again = None  # set by the host

    def _get_entered(self) -> bool:
        return self._entered

    isEntered = Property(bool, _get_entered)

    def setEntered(self, entered: bool) -> None:
        self._entered = entered

    def reload(self) -> None:
        """A new Python widget of the module in this parent; Slicer's reload calls it last."""
        self.make_again()


class qMRMLSortFilterProxyModel(QObject):
    """What a chooser leaves out."""

    def __init__(self, chooser: QWidget) -> None:
        super().__init__(chooser)
        self._chooser, self.hidden = chooser, []

    def _hide(self, ids) -> None:
        self.hidden = list(ids)
        self._chooser._fill()

    hiddenNodeIDs = Property("QStringList", lambda self: self.hidden, _hide)


class qMRMLNodeComboBox(QWidget):
    """A chooser of nodes of the real scene."""

    currentNodeChanged = Signal(object)
    MRML_SIGNALS = ("currentNodeChanged(vtkMRMLNode*)",)
    currentNodeIDChanged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QComboBox()
        layout.addWidget(self._combo)
        self._combo.currentIndexChanged.connect(self._index_changed)
        self._scene, self._tags, self._current = None, [], None
        self._row, self._proxy = -1, qMRMLSortFilterProxyModel(self)
        self._options = {
            "nodeTypes": [],
            "noneEnabled": False,
            "noneDisplay": "None",
            "showChildNodeTypes": True,
            "showHidden": False,
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
            "editEnabled": False,
        }

    def _option(kind, name: str):
        def write(self, value) -> None:
            self._options[name] = value
            self._fill()

        return Property(kind, lambda self: self._options[name], write)

    nodeTypes = _option("QStringList", "nodeTypes")
    noneEnabled = _option(bool, "noneEnabled")
    noneDisplay = _option(str, "noneDisplay")
    showChildNodeTypes = _option(bool, "showChildNodeTypes")
    showHidden = _option(bool, "showHidden")
    addEnabled = _option(bool, "addEnabled")
    removeEnabled = _option(bool, "removeEnabled")
    renameEnabled = _option(bool, "renameEnabled")
    editEnabled = _option(bool, "editEnabled")

    def setMRMLScene(self, scene) -> None:
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent)
            self._tags = [scene.AddObserver(e, lambda *_: self._fill()) for e in events]
        self._fill()

    def _shown(self, node) -> bool:
        exact = not self._options["showChildNodeTypes"]
        match = node.GetClassName().__eq__ if exact else node.IsA
        return any(match(t) for t in self._options["nodeTypes"]) and (
            self._options["showHidden"] or not node.GetHideFromEditors()
        )

    def _fill(self) -> None:
        scene = self._scene
        if scene is not None and scene.IsBatchProcessing():
            return
        nodes = [] if scene is None else list(slicer.util.getNodesByClass("vtkMRMLNode", scene))
        ids = [n.GetID() for n in nodes if self._shown(n)]
        keep = self._current if self._current in ids else None
        if keep is None and self._current and ids:  # as QComboBox does: its neighbour
            keep = ids[min(max(self._row, 0), len(ids) - 1)]
        if keep is None and ids and not self._options["noneEnabled"]:
            keep = ids[0]
        ids = [one for one in ids if one not in self._proxy.hidden]
        self._row = ids.index(keep) if keep in ids else -1
        self._combo.blockSignals(True)
        self._combo.clear()
        if self._options["noneEnabled"] or not ids:
            self._combo.addItem(self._options["noneDisplay"], None)
        for node_id in ids:
            self._combo.addItem(scene.GetNodeByID(node_id).GetName(), node_id)
        self._combo.blockSignals(False)
        self._select(keep)

    def _select(self, node_id: str | None) -> None:
        self._combo.blockSignals(True)
        self._combo.setCurrentIndex(max(self._combo.findData(node_id), 0))
        self._combo.blockSignals(False)
        if node_id != self._current:
            self._current = node_id
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node_id or "")

    def _index_changed(self, index: int) -> None:
        self._select(self._combo.itemData(index))

    def currentNode(self):
        return self._scene.GetNodeByID(self._current) if self._current and self._scene else None

    def setCurrentNode(self, node) -> None:
        node_id = node if isinstance(node, str) or node is None else node.GetID()
        self._select(node_id if self._combo.findData(node_id) >= 0 else None)

    def sortFilterProxyModel(self):
        return self._proxy

    def nodeCount(self) -> int:
        return self._combo.count() - (self._combo.findData(None) >= 0)

    def _get_id(self) -> str:
        return self._current or ""

    currentNodeID = Property(str, _get_id, setCurrentNode)


CTK_WIDGETS = (ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit)
QMRML_WIDGETS = (qMRMLWidget, qMRMLNodeComboBox, qSlicerScriptedLoadableModuleWidget)
SCENE_LINK = ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")


class UiLoader(QUiLoader):
    """QUiLoader that knows our widgets, checks every property name and connects the scene."""

    def createWidget(self, class_name, parent=None, name=""):
        for known in CTK_WIDGETS + QMRML_WIDGETS:
            if known.__name__ == class_name:
                widget = known(parent)
                widget.setObjectName(name)
                return widget
        if class_name not in self.availableWidgets():
            raise ValueError(f"The .ui file uses {class_name}, which this test host does not have")
        return super().createWidget(class_name, parent, name)

    def load(self, device, parent=None):
        tree = ElementTree.fromstring(bytes(device.readAll()))
        links = [
            (link.findtext("signal"), link.findtext("receiver"), link.findtext("slot"))
            for link in tree.iterfind("connections/connection")
        ]
        tree.remove(tree.find("connections"))  # made below: QUiLoader knows no vtkMRMLScene*
        for element in tree.iterfind(".//widget[@class='ctkPathLineEdit']"):
            element.remove(element.find("property[@name='filters']"))  # a flag type of CTK
        buffer = QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        root = super().load(buffer, parent)
        for element in tree.iter("widget"):
            self._check_properties(element, root)
        for signal, receiver, slot in links:
            if (signal, slot) != SCENE_LINK:
                raise ValueError(f"The test host cannot connect {signal} to {slot}")
            root.mrmlSceneChanged.connect(root.findChild(QWidget, receiver).setMRMLScene)
        return root

    @staticmethod
    def _check_properties(element, root: QWidget) -> None:
        name = element.get("name")
        widget = root if name == root.objectName() else root.findChild(QWidget, name)
        for prop in element.findall("property"):
            known = widget.metaObject().indexOfProperty(prop.get("name")) >= 0
            if not known and prop.get("stdset") != "0":
                raise ValueError(f"{element.get('class')} has no property {prop.get('name')}")
