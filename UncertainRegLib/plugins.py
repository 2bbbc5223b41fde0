"""Finding what a folder offers: each file says itself what is in it, and no list is kept."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Mapping
from operator import attrgetter
from types import ModuleType


def classes_in(package: ModuleType, contract: type, says: str = "name") -> list[type]:
    """The classes of a package's files that fulfil a contract, in the order of their ``place``.

    The files are imported; what they need beyond the base packages they import where they use it.

    Args:
        package: its files are looked through, not those of its sub-packages.
        contract: of `contracts`.
        says: an attribute that a class must have itself, not by inheritance: what it is called.
    """
    found = []
    for file in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(file.name)
        found += [
            cls
            for _, cls in inspect.getmembers(module, inspect.isclass)
            if cls.__module__ == module.__name__ and contract in cls.__mro__ and says in vars(cls)
        ]
    return sorted(found, key=attrgetter("place"))


def not_installed(packages: Mapping[str, str]) -> list[str]:
    """What pip calls the packages that are not installed; nothing is imported.

    Args:
        packages: import name -> what pip calls it.
    """
    return [pip for name, pip in packages.items() if importlib.util.find_spec(name) is None]


def to_install(packages: Mapping[str, str]) -> str:
    """The sentence that says which `packages` to install; empty when all are there."""
    missing = not_installed(packages)
    if not missing:
        return ""
    return f"install the Python package{'s' * (len(missing) > 1)} {' and '.join(missing)}."
