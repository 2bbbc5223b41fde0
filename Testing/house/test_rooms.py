"""The table in a package's docstring is how a newcomer finds a room: it names every file, no other."""

import ast
import re

import pytest

from support import ROOT

RULE = re.compile(r"^=+ +=+$", re.MULTILINE)
# what says that a file is found by itself, so that adding it is one file: it need not be named
FOUND = {"backbones": "facts = Facts(", "studies": "    command ="}
LIBRARY = ROOT / "UncertainRegLib"
DOCUMENTED = {
    file.parent.name: text
    for file in sorted(LIBRARY.glob("*/__init__.py"))
    if RULE.search(text := ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "")
}


def test_the_large_packages_have_one():
    files = {file.parent.name for file in LIBRARY.glob("*/*.py")}
    large = {name for name in files if len(list((LIBRARY / name).glob("*.py"))) > 16}
    assert large - {"geometry", "networks"} <= set(DOCUMENTED)


@pytest.mark.parametrize("package", DOCUMENTED)
def test_it_names_every_file(package):
    rows = RULE.split(DOCUMENTED[package])[1].splitlines()
    named = [
        name.strip() for row in rows if row[:1].strip() for name in row.split("  ")[0].split(",")
    ]
    folder = LIBRARY / package
    files = {file.stem: file for file in folder.glob("*.py") if file.stem != "__init__"}
    files |= {file.name: file for file in folder.glob("*.json")}
    assert set(named) <= set(files) and len(set(named)) == len(named)
    found = FOUND.get(package)
    for name in sorted(set(files) - set(named)):
        assert found and found in files[name].read_text("utf-8"), f"{name} is not in the table"
