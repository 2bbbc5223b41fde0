"""The rooms of the library and the arrows between them: imports point inwards, never in a circle.

Imports inside functions and for type checking count like those at the top of a file.
"""

import ast

import pytest

from support import ROOT

LIBRARY = ROOT / "UncertainRegLib"
# Each room, from the ground up, and the rooms below that it may import. A file that lies directly
# in the library is a room, too; the library's own ``__init__`` is only a door, which loads ``api``
# when asked.
ARROWS = {
    "checksum": "",
    "environment": "",
    "json_text": "",
    "memory": "",
    "pair_list": "",
    "palette": "",
    "plugins": "",
    "randomness": "",
    "settings": "",
    "results": "",
    "geometry": "",
    "sample_pair": "geometry",
    "contracts": "geometry settings",
    "perturbations": "contracts geometry plugins settings",
    "gaussian": "randomness",
    "networks": "gaussian geometry",
    "metrics": "geometry",
    "expected_error": "geometry",
    "posterior": "geometry metrics randomness",
    "backbones": "checksum contracts geometry json_text memory networks plugins posterior randomness "
    "results settings",
    "samplers": "backbones contracts environment gaussian geometry memory networks perturbations "
    "plugins randomness settings",
    "workers": "backbones contracts plugins",
    "jobs": "backbones checksum contracts environment expected_error geometry json_text memory metrics "
    "posterior randomness results samplers",
    "scene": "geometry palette posterior results sample_pair",
    "report": "geometry palette results",
    "training": "backbones checksum environment gaussian geometry memory networks pair_list randomness "
    "results",
    "studies": "backbones checksum contracts environment expected_error geometry jobs metrics "
    "perturbations posterior randomness results samplers settings training",
    "cohort": "backbones checksum environment geometry jobs json_text pair_list palette report "
    "results samplers workers",
    "api": "geometry jobs posterior results",
    "cli": "backbones checksum cohort contracts environment geometry jobs pair_list perturbations "
    "plugins randomness report results samplers scene studies training workers",
    "__main__": "cli",
}
# Contracts name types of the rooms that fulfil them, for type checking alone.
NAMES_TYPES_OF_OTHERS = {"contracts"}


def for_type_checking(tree):
    """The nodes below ``if TYPE_CHECKING``."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for line in node.body
        for inner in ast.walk(line)
    }


def imported(source, module, is_package, modules):
    """Names of the modules of the library that one of them imports.

    Args:
        source: its text.
        module: its name inside the library, like "jobs.run".
        is_package: whether the text is that of an ``__init__``.
        modules: all names.
    """
    here = module.split(".")
    package = here if is_package else here[:-1]
    found = set()
    tree = ast.parse(source)
    left_out = for_type_checking(tree) if module in NAMES_TYPES_OF_OTHERS else set()
    for node in set(ast.walk(tree)) - left_out:
        if isinstance(node, ast.Import):
            paths = [name.name.split(".") for name in node.names]
            found |= {".".join(path[1:]) for path in paths if path[0] == LIBRARY.name}
        elif isinstance(node, ast.ImportFrom):
            path = node.module.split(".") if node.module else []
            if node.level:
                path = package[: len(package) + 1 - node.level] + path
            elif path[0] == LIBRARY.name:
                path = path[1:]
            else:
                continue
            for name in node.names:
                inner = ".".join([*path, name.name])
                found.add(inner if inner in modules else ".".join(path))
    return found - {module}


def graph_of(folder):
    """Module -> modules that it imports, of all files in a folder."""
    files = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        files[".".join(part for part in parts if part != "__init__")] = path
    return {
        name: imported(path.read_text(encoding="utf-8"), name, path.stem == "__init__", files)
        - {""}
        for name, path in files.items()
        if name
    }


def room(module):
    return module.split(".")[0]


def circles(graph):
    """Groups of modules that reach each other."""
    reached = {name: set() for name in graph}
    for name in graph:
        ahead = [name]
        while ahead:
            new = graph.get(ahead.pop(), set()) - reached[name]
            reached[name] |= new
            ahead += new
    return {
        frozenset({other for other in reached[name] if name in reached.get(other, ())})
        for name in graph
        if name in reached[name]
    }


@pytest.fixture(scope="module")
def graph():
    return graph_of(LIBRARY)


def test_every_room_imports_only_what_the_table_allows(graph):
    found = {
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in others
        if room(name) != room(other) and room(other) not in ARROWS.get(room(name), "").split()
    }
    assert not found


def test_the_table_has_every_room_once_and_only_arrows_that_are_used(graph):
    assert {room(name) for name in graph} == ARROWS.keys()
    used = {name: set() for name in ARROWS}
    for name, others in graph.items():
        used[room(name)] |= {room(other) for other in others} - {room(name)}
    assert used == {name: set(others.split()) for name, others in ARROWS.items()}


def test_the_arrows_point_to_the_ground():
    below = set()
    for name, others in ARROWS.items():
        assert set(others.split()) <= below, name
        below.add(name)


def test_no_modules_import_each_other_in_a_circle(graph):
    assert not circles(graph)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from ..geometry import Grid", "geometry"),
        ("from .. import backbones", "backbones"),
        ("from . import inputs", "jobs.inputs"),
        ("from .inputs import Inputs", "jobs.inputs"),
        ("from UncertainRegLib.scene import nodes", "scene"),
        ("import UncertainRegLib.jobs.inputs", "jobs.inputs"),
        ("def f():\n    from ..scene import load", "scene"),
        ("if TYPE_CHECKING:\n    from ..scene import load", "scene"),
        ("import numpy", None),
    ],
)
def test_an_import_is_seen_wherever_it_stands(line, found):
    modules = {"jobs", "jobs.run", "jobs.inputs", "geometry", "backbones", "scene"}
    assert imported(line, "jobs.run", False, modules) == ({found} if found else set())


def test_circles_are_found(tmp_path):
    texts = {
        "a": "from . import b",
        "b": "def f():\n    from .c import d",
        "c": "from .a import e",
        "alone": "from . import a",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    assert circles(graph_of(tmp_path)) == {frozenset("abc")}
