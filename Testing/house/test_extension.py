"""What the Extensions Index checks, and the house rules that a look at the files can tell."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from support import ROOT

LIBRARY = sorted((ROOT / "UncertainRegLib").rglob("*.py"))
MODULE = sorted((ROOT / "UncertainReg").rglob("*.py"))
IN_SLICER = {"slicer", "qt", "ctk", "vtk", "numpy", "scipy", "SimpleITK"}


def imports(path, top_level_only):
    """Names of the packages a file imports (absolute imports)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


PROCESSES = ("run", "Popen", "check_output", "check_call")


def tracked(*folders):
    """Files that git knows, relative to the root."""
    if not (ROOT / ".git").exists():
        pytest.skip("the file list comes from git")
    out = subprocess.run(
        ["git", "ls-files", "-z", *folders],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    return [name for name in out.split("\0") if name and (ROOT / name).is_file()]


def test_slicer_installs_every_file_that_runs():
    """The patterns of the CMake files meet all but these: a new kind of file needs a new one."""
    installed = set()
    for folder in ("UncertainReg", "UncertainRegLib"):
        text = (ROOT / folder / "CMakeLists.txt").read_text(encoding="utf-8")
        for patterns in re.findall(r"CONFIGURE_DEPENDS\s+([^)]+)\)", text):
            for pattern in patterns.split():
                above, _, last = pattern.rpartition("/")
                installed |= {
                    file.relative_to(ROOT).as_posix()
                    for file in (ROOT / folder / above).rglob(last)
                }
    assert set(tracked("UncertainReg", "UncertainRegLib")) - installed == {
        "UncertainReg/CMakeLists.txt",
        "UncertainRegLib/CMakeLists.txt",
        "UncertainRegLib/py.typed",
        "UncertainRegLib/models/sir/log.jsonl",
    }


def test_a_wheel_has_every_file_that_runs_and_no_other(tmp_path):
    pytest.importorskip("setuptools")
    kept = tracked("UncertainRegLib", "pyproject.toml", "README.md", "LICENSE.txt")
    for name in kept:
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "source" / name)
    (tmp_path / "source" / "Testing").mkdir()
    shutil.copy(__file__, tmp_path / "source" / "Testing")
    subprocess.run(
        [sys.executable, "-c", "import setuptools.build_meta as b; b.build_wheel('..')"],
        cwd=tmp_path / "source",
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {
        name
        for name in kept
        if name.startswith("UncertainRegLib/") and not name.endswith(("CMakeLists.txt", ".jsonl"))
    }


def test_every_text_file_is_utf8_and_merged():
    """Readers of the Extensions Index and of the wheel do not guess encodings."""
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if not name.endswith((".png", ".pt")):
            assert b"\0" not in content, name
            try:
                content.decode("utf-8", errors="strict")
            except UnicodeDecodeError as error:
                pytest.fail(f"{name}: {error}")
            assert not content.startswith(b"\xef\xbb\xbf"), f"{name} begins with a BOM"
            for mark in (b"<<<<<<< ", b">>>>>>> "):
                assert not re.search(b"^" + mark, content, re.MULTILINE), f"{name}: unmerged"


def binary(call):
    """Whether open() is called for bytes."""
    modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
    return any("b" in ast.unparse(mode) for mode in modes)


def test_no_code_leaves_the_encoding_to_the_machine():
    """A library loaded by an earlier test may set the locale to C, as a user's shell may."""
    found = []
    for name in tracked("*.py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            words = {word.arg for word in node.keywords}
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            guessed = "encoding" not in words and (
                (called == "read_text" and not node.args)
                or (called == "write_text" and len(node.args) == 1)
                or (called in PROCESSES and bool({"text", "universal_newlines"} & words))
                or (isinstance(node.func, ast.Name) and called == "open" and not binary(node))
            )
            if guessed:
                found.append(f"{name}:{node.lineno}")
    assert not found


def test_root_cmake_has_what_the_index_asks_for():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"project\(\s*(\w+)", text).group(1) == "UncertainReg"
    for name in ("ICONURL", "SCREENSHOTURLS"):
        url = re.search(rf'set\(EXTENSION_{name} "([^"]+)"\)', text).group(1)
        assert url.startswith("https://")
        assert url.endswith((".png", ".jpg", ".gif"))
        local = ROOT / url.split("/main/")[1]
        assert local.is_file(), f"{url} would be missing"
    assert (ROOT / "LICENSE.txt").is_file()


def test_readme_has_what_the_index_asks_for():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for words in (
        "make demo",
        "make test",
        "Tutorial",
        "Troubleshooting",
        "research use only",
        "arXiv",
        "## How to read the map",
    ):
        assert words.lower() in text.lower(), words
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
        assert (ROOT / picture).is_file(), f"README shows {picture}, which is not there"


def imported_files(path, files):
    """The files that a file imports, at its top or where it needs them; files: name -> path."""
    package = list(files)[list(files.values()).index(path)].split(".")
    if path.name != "__init__.py":
        package.pop()
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join(parts + ([node.module] if node.module else []))
            found |= {
                f"{module}.{name.name}" if f"{module}.{name.name}" in files else module
                for name in node.names
            }
    return {files[name] for name in found if name in files} - {path}


def circle(arrows):
    """Those of a graph (node -> nodes) from which a way leads back to themselves."""
    ahead, before = {node: set(targets) for node, targets in arrows.items()}, None
    while before != ahead:
        before = ahead
        ahead = {
            node: targets.union(*(before[target] for target in targets))
            for node, targets in before.items()
        }
    return {node for node, targets in ahead.items() if node in targets}


def test_no_file_of_the_module_imports_itself_by_way_of_others():
    """Then each can be read, tested and loaded again by itself."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULE]
    files = {
        name.removeprefix("UncertainReg.").removesuffix(".__init__"): path
        for name, path in zip(names, MODULE, strict=True)
    }
    found = circle({path: imported_files(path, files) for path in MODULE})
    assert not found, sorted(path.name for path in found)
    assert circle({1: {2}, 2: {3}, 3: {2, 4}, 4: {5}, 5: set()}) == {2, 3}


@pytest.mark.parametrize("path", LIBRARY + MODULE, ids=lambda p: str(p.relative_to(ROOT)))
def test_rings(path):
    ring = path.relative_to(ROOT).parts
    everywhere, at_top = imports(path, False), imports(path, True)
    if ring[0] == "UncertainReg" or ring[1] == "scene":
        assert "torch" not in everywhere, "the Slicer process must never import torch"
        assert at_top - set(sys.stdlib_module_names) <= IN_SLICER | {
            "UncertainRegLib",
            "UncertainRegParts",
        }
    elif not ring[0].startswith("UncertainReg") or ring[1] != "scene":
        assert not everywhere & {"qt", "ctk"}
        assert "slicer" not in everywhere
    if ring[0] == "UncertainRegLib" and ring[1] not in ("networks", "gaussian", "training"):
        assert "torch" not in at_top, "torch is imported where it is used"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_torch_factorises_no_batch_of_matrices_by_lu(path):
    """Trainings fix torch's threads, and torch 2.13 then gets a batch wrong (see findings/)."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"torch\.(linalg\.)?(inv|inverse|solve|slogdet|logdet|det|lu\w*)\(", text)


def test_no_code_runs_or_installs_at_import():
    for path in LIBRARY + MODULE:
        text = path.read_text(encoding="utf-8")
        assert "pickle" not in imports(path, False)
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call, f"{path}: {call}"


PROBE = re.compile(
    r"\b(?:getattr|hasattr)\((?:\w+\.)*(?:backbone|sampler|family|proposal|pairs)\b"
    r"|\b(?:backbone|family|proposal|gaussian|sampler): object\b"
)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_part_is_asked_whether_it_has_an_attribute(path):
    """What a part may leave out has a default in its contract; a misspelt name is an error."""
    assert not PROBE.search(path.read_text(encoding="utf-8"))


def test_probes_are_recognised():
    for text in (
        'getattr(sampler, "at_most", 3)',
        'hasattr(self.backbone, "maps")',
        "    backbone: object = None",
    ):
        assert PROBE.search(text), text
    assert not PROBE.search("backbone: Backbone")
