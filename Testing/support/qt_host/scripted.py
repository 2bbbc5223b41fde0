"""Stand-ins for slicer.ScriptedLoadableModule, slicer.parameterNodeWrapper and slicer.i18n.

Written from the documented behaviour: parameters are strictly typed, live as text in a real
vtkMRMLScriptedModuleNode, and follow the widgets that carry the property SlicerParameterName.
"""

from __future__ import annotations

import os
import sys
import types
import typing
import unittest

import slicer
import vtk


class Validator:
    """A rule given in Annotated[type, rule]."""

    def validate(self, value) -> None:
        raise NotImplementedError


class WithinRange(Validator):
    def __init__(self, minimum, maximum) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within [{self.minimum}, {self.maximum}]")


class Choice(Validator):
    def __init__(self, choices) -> None:
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"{value} is none of {self.choices}")


class Parameter:
    """One typed member of a parameter node class."""

    def __init__(self, name: str, annotation, default) -> None:
        base, *extra = typing.get_args(typing.Annotated[annotation, None])[:-1]
        self.name, self.type, self.default = name, base, default
        self.rules = [e for e in extra if isinstance(e, Validator)]
        kinds = typing.get_args(base) or (base,)  # a union of node classes, or one type
        if len(kinds) > 1 and type(None) not in kinds:
            raise TypeError(f"{name}: a union of node classes must contain None")
        self.kinds = tuple(kind for kind in kinds if kind is not type(None))
        self.is_node = all(issubclass(kind, slicer.vtkMRMLNode) for kind in self.kinds)
        if not self.is_node and base not in (int, float, str, bool):
            raise TypeError(f"{name}: the test host has no parameters of type {base}")
        if default is None and not self.is_node:
            self.default = base()

    def read(self, node):
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.type is bool else self.type(text)

    def write(self, node, value) -> None:
        accepted = (int, float) if self.type is float else self.kinds
        if value is None and not self.is_node:
            raise ValueError(f"{self.name}: Value must not be None")
        if value is not None and not isinstance(value, accepted):
            raise TypeError(f"{self.name} must be {self.type.__name__}, is {value!r}")
        for rule in self.rules:
            rule.validate(value)
        if self.is_node:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, None if value is None else value.GetID())
        else:
            node.SetParameter(self.name, str(value))


# Widget class -> (types it can show, read, write, signal)
CONNECTORS = {
    "QCheckBox": ((bool,), lambda w: w.checked, lambda w, v: w.setChecked(v), "toggled"),
    "QSpinBox": ((int,), lambda w: w.value, lambda w, v: w.setValue(v), "valueChanged"),
    "ctkSliderWidget": (
        (int, float),
        lambda w: w.value,
        lambda w, v: w.setValue(v),
        "valueChanged",
    ),
    "QLineEdit": ((str,), lambda w: w.text, lambda w, v: w.setText(v), "textChanged"),
    "qMRMLNodeComboBox": (
        (slicer.vtkMRMLNode,),
        lambda w: w.currentNode(),
        lambda w, v: w.setCurrentNode(v),
        "currentNodeChanged",
    ),
}


class Connection:
    """Keeps one widget and one parameter equal, both ways."""

    def __init__(self, wrapper, name: str, widget) -> None:
        parameter = wrapper.allParameters[name]
        kinds, self.read, self._write, signal = CONNECTORS[type(widget).__name__]
        if not all(issubclass(kind, kinds) for kind in parameter.kinds):
            raise RuntimeError(f"{type(widget).__name__} cannot show {name}: {parameter.type}")
        self.wrapper, self.name, self.widget = wrapper, name, widget
        limits = [r for r in parameter.rules if isinstance(r, WithinRange)]
        if type(widget).__name__ == "ctkSliderWidget" and not limits:
            raise RuntimeError(f"{name}: a slider needs the annotation WithinRange")
        for rule in limits:
            widget.minimum, widget.maximum = rule.minimum, rule.maximum
        if parameter.is_node:
            widget.nodeTypes = tuple(kind().GetClassName() for kind in parameter.kinds)
        self.to_widget()
        self._signal = getattr(widget, signal)
        self._signal.connect(self.to_parameter)

    def to_widget(self) -> None:
        self._write(self.widget, getattr(self.wrapper, self.name))

    def to_parameter(self) -> None:
        if not self.wrapper._updating:
            setattr(self.wrapper, self.name, self.read(self.widget))

    def close(self) -> None:
        self._signal.disconnect(self.to_parameter)


class ParameterNodeMixin:
    """What the decorator parameterNodeWrapper adds to a class."""

    def __init__(self, node) -> None:
        self.parameterNode, self._guis, self._updating = node, {}, False
        for parameter in self.allParameters.values():
            if not node.HasParameter(parameter.name):
                parameter.write(node, parameter.default)

    def connectGui(self, ui) -> int:
        found = {w.property("SlicerParameterName"): w for w in vars(ui).values()}
        unknown = set(found) - set(self.allParameters) - {None}
        if unknown:
            raise ValueError(f"The .ui file names unknown parameters: {sorted(unknown)}")
        connections = [Connection(self, name, w) for name, w in found.items() if name]
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update_widgets)
        tag = len(self._guis)
        self._guis[tag] = (connections, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        connections, observer = self._guis.pop(tag, ((), None))
        for connection in connections:
            connection.close()
        if observer is not None:
            self.RemoveObserver(observer)

    def _update_widgets(self, *_) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connections, _observer in self._guis.values():
                for connection in connections:
                    connection.to_widget()
        finally:
            self._updating = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified) -> None:
        self.parameterNode.EndModify(was_modified)

    def AddObserver(self, event, callback, priority=0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)


def parameterNodeWrapper(cls):
    """Class decorator: typed members become properties over a vtkMRMLScriptedModuleNode."""
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {n: Parameter(n, t, getattr(cls, n, None)) for n, t in hints.items()}
    members = {
        name: property(
            lambda self, p=parameter: p.read(self.parameterNode),
            lambda self, value, p=parameter: p.write(self.parameterNode, value),
        )
        for name, parameter in parameters.items()
    }
    return type(cls.__name__, (ParameterNodeMixin,), members | {"allParameters": parameters})


class ScriptedLoadableModule:
    def __init__(self, parent) -> None:
        self.parent, self.moduleName = parent, type(self).__name__
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, name: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", name)

    def runTest(self, msec=100, **kwargs) -> None:
        module = sys.modules[self.__module__]
        getattr(module, self.moduleName + "Test")().runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, name: str) -> str:
        folder = os.path.dirname(slicer.util.modulePath(self.moduleName))
        return os.path.join(folder, "Resources", name)

    def setup(self) -> None:
        pass

    def cleanup(self) -> None:
        pass

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node = scene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message: str, requestedDelay=None, msec=None) -> None:
        slicer.app.processEvents()

    def runTest(self) -> None:
        for name in unittest.TestLoader().getTestCaseNames(type(self)):
            self.setUp()
            getattr(self, name)()
            self.tearDown()


def install() -> None:
    """Make the stand-ins importable under Slicer's names."""
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    base.__all__ = [
        "ScriptedLoadableModule",
        "ScriptedLoadableModuleWidget",
        "ScriptedLoadableModuleLogic",
        "ScriptedLoadableModuleTest",
    ]
    vars(base).update({name: globals()[name] for name in base.__all__})
    wrapper = types.ModuleType("slicer.parameterNodeWrapper")
    for member in (parameterNodeWrapper, WithinRange, Choice, Validator):
        setattr(wrapper, member.__name__, member)
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda context, text: text
    for module in (base, wrapper, i18n):
        sys.modules.setdefault(module.__name__, module)
        setattr(slicer, module.__name__.rpartition(".")[2], module)
