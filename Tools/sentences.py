"""What the library says to a user of the panel, listed where Slicer's translators find it.

    python Tools/sentences.py

Slicer's own script for translators finds what stands in ``_("…")`` or ``translate("…", "…")`` in the
module, and its .ui file. The library knows no languages, so its names and sentences are copied into
`UncertainRegParts/sentences.py`, with {0}, {1}, … for what differs from case to case.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "UncertainReg" / "UncertainRegParts" / "sentences.py"
ELSEWHERE = ("api", "cli", "report", "training")  # rooms whose sentences the panel does not show
HEAD = '''"""What the library says, for translators. Tools/sentences.py writes it; nobody edits it."""
# ruff: noqa: E501
# fmt: off


def translate(context: str, text: str) -> str:
    """Marks a text: Slicer's extraction looks for this name. `wording` translates it when it is
    shown."""
    return text


SENTENCES = (
'''


def names() -> set[str]:
    """What the catalogues of the library call things."""
    from UncertainRegLib import samplers
    from UncertainRegLib.backbones.registry import known  # without networks of one's own
    from UncertainRegLib.perturbations import FAMILIES
    from UncertainRegLib.results import columns
    from UncertainRegLib.results.acceptance import METRICS, PRESETS, STATES
    from UncertainRegLib.results.maps import MAPS
    from UncertainRegLib.samplers.proposals import SOURCES
    from UncertainRegLib.scene.plots import CURVES
    from UncertainRegLib.scene.sweep import DIRECTIONS

    found = {text for kind in MAPS.values() for text in (kind.heading, kind.meaning)}
    for table in vars(columns).values():
        for column in table.values() if isinstance(table, dict) else ():
            if isinstance(column, columns.Column) and not column.is_hidden:
                found |= {column.heading, column.meaning}
    found |= {text for metric in METRICS.values() for text in (metric.title, metric.meaning)}
    found |= set(STATES)
    found |= {one.facts.title for one in known().values() if one.listed}
    found |= {text for entry in samplers.listing() for text in (entry.title, entry.tip)}
    for listed in (FAMILIES, SOURCES):
        found |= {text for one in listed.values() for text in (one.title, one.tip)}
    found |= {one.name for one in PRESETS.values()}
    found |= {curve[0] for curve in CURVES.values()}
    found |= {word for words in DIRECTIONS.values() for word in words}
    return found - {""}


def sentences() -> set[str]:
    """The texts in the code of the library that end like a sentence, and what a run is doing."""
    found = set()
    for path in (ROOT / "UncertainRegLib").rglob("*.py"):
        if path.relative_to(ROOT / "UncertainRegLib").parts[0].removesuffix(".py") in ELSEWHERE:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        skipped = set()  # docstrings, and the parts of an f-string
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr):
                skipped.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                skipped |= set(ast.walk(node)) - {node}
        stages = {
            keyword.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and node.args[:1] and _text(node.args[0]) == "stage"
            for keyword in node.keywords
        }
        for node in set(ast.walk(tree)) - skipped:
            text = _text(node).strip()
            if node in stages or (text.endswith(".") and text.count(" ") > 1):
                found.add(text)
    return found


def _text(node: ast.AST) -> str:
    """A text with numbers in braces for its values; empty for what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("{", "{{").replace("}", "}}")
    if not isinstance(node, ast.JoinedStr):
        return ""
    parts, count = [], 0
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            parts.append(f"{{{count}}}")
            count += 1
        else:
            parts.append(_text(part))
    return "".join(parts)


def listed() -> str:
    """The file as it should be."""
    escaped = {text.replace("{", "{{").replace("}", "}}") for text in names()}
    lines = [
        f'    translate("UncertainRegLib", {json.dumps(text, ensure_ascii=False)}),\n'
        for text in sorted(escaped | sentences())
    ]
    return f"{HEAD}{''.join(lines)})\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    LIST.write_text(listed(), "utf-8")
