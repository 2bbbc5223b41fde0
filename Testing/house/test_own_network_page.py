"""The page on a network of one's own does what it says: its blocks run, in order, to the end."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields

import pytest

from support import ROOT
from UncertainRegLib.backbones.manifest import RULES, Manifest

PAGE = (ROOT / "Docs" / "own-network.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"(?:Save\s+as\s+`(?P<file>[\w.]+)`[^`]*)?\n\n"
    r"```(?P<kind>\w+)\n(?P<text>.*?)```",
    re.DOTALL,
)


def test_every_key_of_a_manifest_is_explained_and_checked():
    keys = {field.name for field in fields(Manifest)}
    table = PAGE.split("| key | values |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == keys == set(RULES)


def test_the_page_is_linked_from_the_readme():
    assert "(Docs/own-network.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_can_be_followed_from_its_first_line_to_its_last(tmp_path):
    pytest.importorskip("torch")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    said, saved = [], []
    for block in BLOCK.finditer(PAGE):
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["text"], encoding="utf-8")
            saved.append(block["file"])
        elif block["kind"] == "sh":
            for line in block["text"].replace("\\\n", " ").strip().splitlines():
                program, *arguments = shlex.split(line)
                assert program == "python"
                done = subprocess.run(
                    [sys.executable, *arguments],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    encoding="utf-8",
                )
                assert done.returncode == 0, (line, done.stdout, done.stderr)
                said.append(done.stdout)
        else:
            shown = block["text"]
    assert saved == ["network.py", "weights.py", "export.py", "own.json", "images.py"]
    verified = next(text for text in said if text.startswith("ok "))
    name = re.compile(r"^(\w+) +([^:]+):", re.MULTILINE)
    assert name.findall(verified) == name.findall(shown)
    result = json.loads((tmp_path / "result" / "result.json").read_text(encoding="utf-8"))
    assert result["status"] == "complete" and result["backbone"]["name"] == "own.json"
    assert result["backbone"]["title"] == "Demons as a network (example)"
    assert (tmp_path / "result" / "report.html").is_file()
    followed = result["competence"]["followed"].values()
    assert all(0.8 < part < 1.2 for part in followed), followed
