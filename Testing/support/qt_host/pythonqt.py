"""The manners of PythonQt on top of PySide6.

Every Qt object is held by a `Wrapper`, and `qt.QLabel` is the wrapper class of QLabel:

* a Qt property is an attribute (``label.text``), so ``label.text()`` raises TypeError;
* an attribute Qt does not know raises AttributeError, on reading and on writing;
* keyword arguments and wrong argument counts raise ValueError;
* wrapper classes do not inherit from each other; lists come back as tuples; enums are ints;
* ``connect('clicked(bool)', f)`` is checked against the signals that exist, f gets as many
  arguments as it accepts, and what it raises is printed - and kept in `slot_errors`;
* a callable handed to a function (``QTimer.singleShot``) is kept for ever.
"""

from __future__ import annotations

import enum
import inspect
import pathlib
import traceback
import types
import typing
import weakref

import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

slot_errors: list[BaseException] = []
unknown_signals: list[str] = []
never_released: list = []  # callables handed to a function, as to QTimer.singleShot

_classes: dict[type, type] = {}  # Qt class -> wrapper class
_wrappers: weakref.WeakValueDictionary[int, Wrapper] = weakref.WeakValueDictionary()
_connections: dict[int, list[tuple]] = {}  # C++ address -> (signal, callable, slot)


class Enum(int):
    """An enum value: an int, as in PythonQt, that remembers the Qt value it stands for."""

    def __new__(cls, raw: enum.Enum) -> Enum:
        self = super().__new__(cls, raw.value)
        self.raw = raw
        return self

    def __or__(self, other: Enum) -> Enum:
        return Enum(self.raw | other.raw)


class WrapperClass(type):
    """Class of the wrapper classes: finds enums and static functions, e.g. qt.QTimer.singleShot."""

    def __getattr__(cls, name: str):
        raw = getattr(cls._qt_class, name)
        if isinstance(raw, type) and issubclass(raw, enum.Enum):
            return types.SimpleNamespace(**{v.name: Enum(v) for v in raw})
        return Method(raw, name) if callable(raw) else wrap(raw)


class Wrapper(metaclass=WrapperClass):
    """One Qt object with the manners of PythonQt (see the module docstring)."""

    _qt_class: type
    _raw = None

    def __init__(self, *args, **kwargs) -> None:
        if kwargs:
            raise ValueError("Keyword arguments are not supported by PythonQt")
        object.__setattr__(self, "_raw", Method(self._qt_class, "constructor").call(args))
        _remember(self)

    def __getattr__(self, name: str):
        raw = _alive(self, name)
        name = {"name": "objectName"}.get(name, name)
        if name.startswith("_"):
            raise AttributeError(name)
        if isinstance(raw, QtCore.QObject):
            if _is_property(raw, name):
                return _read_property(raw, name)
            if name in [bytes(n).decode() for n in raw.dynamicPropertyNames()]:
                return wrap(raw.property(name))
        value = getattr(raw, name)
        if isinstance(value, QtCore.SignalInstance):
            return Signal(raw, name)
        return Method(value, name) if callable(value) else wrap(value)

    def __setattr__(self, name: str, value) -> None:
        raw = _alive(self, name)
        name = {"name": "objectName"}.get(name, name)
        is_object = isinstance(raw, QtCore.QObject)
        dynamic = is_object and name.encode() in [bytes(n) for n in raw.dynamicPropertyNames()]
        if not dynamic and not (is_object and _is_property(raw, name)):
            raise AttributeError(f"{name}: creating new attributes on C++ objects is not allowed")
        setter = getattr(raw, "set" + name[0].upper() + name[1:], None)
        if dynamic or setter is None:
            raw.setProperty(name, unwrap(value))
        else:
            Method(setter, name).call((value,))

    def __bool__(self) -> bool:
        return shiboken6.isValid(self._raw)

    def __eq__(self, other) -> bool:
        if other is None:
            return not bool(self)
        return isinstance(other, Wrapper) and (
            self._raw is other._raw or (_address(self) is None and self._raw == other._raw)
        )

    def __hash__(self) -> int:
        return id(self._raw)

    def connect(self, signature: str, target) -> bool:
        """Connect a signal given by its C++ signature; False (and a line of print) if unknown."""
        raw = _alive(self, "connect")
        normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
        known = raw.metaObject().indexOfSignal(normalized) >= 0
        if not known and normalized not in getattr(raw, "MRML_SIGNALS", ()):
            unknown_signals.append(f"{raw.metaObject().className()}: {signature}")
            print(f"signal '{signature}' does not exist")
            return False
        name, _, types_ = normalized.partition("(")
        count = 0 if types_ == ")" else types_.count(",") + 1
        return Signal(raw, name).connect(target, count)

    def disconnect(self, signature: str, target=None) -> bool:
        name = signature.partition("(")[0]
        return Signal(_alive(self, "disconnect"), name).disconnect(target)

    def inherits(self, name: str) -> bool:
        return _alive(self, "inherits").inherits(name)

    def className(self) -> str:
        return _alive(self, "className").metaObject().className()

    def delete(self) -> None:
        shiboken6.delete(self._raw)


class Method:
    """A bound or static C++ function: positional arguments only, ValueError if they don't fit."""

    def __init__(self, raw, name: str) -> None:
        self._function, self._name = raw, name

    def __call__(self, *args, **kwargs):
        if kwargs:
            raise ValueError(f"{self._name}: keyword arguments are not supported by PythonQt")
        return wrap(self.call(args))

    def call(self, args):
        try:
            return self._function(*[unwrap(a) for a in args])
        except TypeError as error:
            raise ValueError(f"{self._name}: {error}") from error


class Signal:
    """One signal of one object, for the style ``button.clicked.connect(f)``."""

    def __init__(self, raw: QtCore.QObject, name: str) -> None:
        self._raw, self._name = raw, name

    def connect(self, target, count: int | None = None) -> bool:
        meta = self._raw.metaObject()
        methods = [meta.method(i) for i in range(meta.methodCount())]
        sent = max(m.parameterCount() for m in methods if bytes(m.name()).decode() == self._name)
        # PySide6 looks at the slot's arity to choose between clicked() and clicked(bool).
        run = _slot(target, sent if count is None else count)
        slot = (run, lambda a: run(a), lambda a, b: run(a, b), lambda a, b, c: run(a, b, c))[sent]
        getattr(self._raw, self._name).connect(slot)
        address = shiboken6.getCppPointer(self._raw)[0]
        if address not in _connections:
            _connections[address] = []
            self._raw.destroyed.connect(lambda: _connections.pop(address, None))
        _connections[address].append((self._name, target, slot))
        return True

    def disconnect(self, target=None) -> bool:
        mine = _connections.get(shiboken6.getCppPointer(self._raw)[0], [])
        found = [c for c in mine if c[0] == self._name and target in (None, c[1])]
        for connection in found:
            mine.remove(connection)
            getattr(self._raw, self._name).disconnect(connection[2])
        return bool(found)

    def emit(self, *args) -> None:
        getattr(self._raw, self._name).emit(*[unwrap(a) for a in args])


def _slot(target, count: int | None):
    """A plain function for PySide6 that hands target no more arguments than it accepts."""
    accepts = None
    if inspect.isfunction(target) or inspect.ismethod(target):
        code = target.__code__
        if not code.co_flags & inspect.CO_VARARGS:
            accepts = code.co_argcount - inspect.ismethod(target)
    limits = [n for n in (count, accepts) if n is not None]

    def slot(*args) -> None:
        try:
            target(*[wrap(a) for a in args[: min(limits, default=None)]])
        except BaseException as error:  # PythonQt prints and goes on
            traceback.print_exc()
            slot_errors.append(error)

    return slot


def _alive(wrapper: Wrapper, name: str):
    raw = wrapper._raw
    if raw is not None and not shiboken6.isValid(raw):
        kind = type(wrapper).__name__
        raise ValueError(f"Trying to use '{name}' of a destroyed {kind} object")
    return raw


def _is_property(raw: QtCore.QObject, name: str) -> bool:
    return raw.metaObject().indexOfProperty(name) >= 0


def _read_property(raw: QtCore.QObject, name: str):
    # The getter knows types that QObject.property() cannot convert; 'visible' has none.
    getter = getattr(raw, name, None)
    if getter is None or isinstance(getter, QtCore.SignalInstance):
        return wrap(raw.property(name))
    return wrap(getter() if callable(getter) else getter)


def _address(wrapper: Wrapper) -> int | None:
    raw = wrapper._raw
    return shiboken6.getCppPointer(raw)[0] if isinstance(raw, QtCore.QObject) else None


def _remember(wrapper: Wrapper) -> None:
    if isinstance(wrapper._raw, QtCore.QObject):
        _wrappers[_address(wrapper)] = wrapper


def wrapper_class(qt_class: type) -> type:
    """The wrapper class of a Qt class; always the same one."""
    if qt_class not in _classes:
        _classes[qt_class] = WrapperClass(qt_class.__name__, (Wrapper,), {"_qt_class": qt_class})
    return _classes[qt_class]


def wrap(value):
    """What PythonQt would give for a value that came from Qt."""
    if isinstance(value, enum.Enum):
        return Enum(value)
    if isinstance(value, (list, tuple)):
        return tuple(wrap(v) for v in value)
    if not isinstance(value, shiboken6.Shiboken.Object):
        return value
    if isinstance(value, QtCore.QObject):
        known = _wrappers.get(shiboken6.getCppPointer(value)[0])
        if known is not None and known._raw is value:
            return known
    wrapper = object.__new__(wrapper_class(type(value)))
    object.__setattr__(wrapper, "_raw", value)
    _remember(wrapper)
    return wrapper


def unwrap(value):
    """What PySide6 wants for an argument given in the PythonQt way."""
    if isinstance(value, Wrapper):
        return _alive(value, "argument")
    if isinstance(value, Enum):
        return value.raw
    if isinstance(value, WrapperClass):
        return value._qt_class
    if isinstance(value, pathlib.Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [unwrap(v) for v in value]
    if inspect.isfunction(value) or inspect.ismethod(value):
        never_released.append(value)
        return _slot(value, None)
    return value


class QtModule(types.ModuleType):
    """The module ``qt``: every class of Qt, flat."""

    replaced: typing.ClassVar[dict[str, type]] = {}

    def __getattr__(self, name: str):
        for library in (self.replaced, QtCore, QtGui, QtWidgets, QtUiTools):
            found = library.get(name) if library is self.replaced else getattr(library, name, None)
            if isinstance(found, type):
                return wrapper_class(found)
        raise AttributeError(f"module 'qt' has no attribute '{name}'")
