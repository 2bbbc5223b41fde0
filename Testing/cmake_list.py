"""Keeps the file lists of UncertainRegLib/CMakeLists.txt: an unlisted file is not installed.

Run it after adding or removing a library file: ``python Testing/cmake_list.py``.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "UncertainRegLib" / "CMakeLists.txt"
TEMPLATE = """\
# The lists are written by Testing/cmake_list.py. The library is installed beside the module,
# in the folder that Slicer has on its Python path.
set(UncertainRegLib_SCRIPTS
{scripts}
  )

set(UncertainRegLib_RESOURCES
{resources}
  )

ctkMacroCompilePythonScript(
  TARGET_NAME UncertainRegLib
  SCRIPTS "${{UncertainRegLib_SCRIPTS}}"
  RESOURCES "${{UncertainRegLib_RESOURCES}}"
  SOURCE_DIR ${{CMAKE_CURRENT_SOURCE_DIR}}/..
  DESTINATION_DIR ${{CMAKE_BINARY_DIR}}/${{Slicer_QTSCRIPTEDMODULES_LIB_DIR}}
  INSTALL_DIR ${{Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}}
  NO_INSTALL_SUBDIR
  )
"""


def library_files() -> list[str]:
    """Files of the library that git knows or would add, relative to the root, sorted."""
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "UncertainRegLib"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({line for line in out.splitlines()
                   if (ROOT / line).is_file() and not line.endswith("CMakeLists.txt")})


def text() -> str:
    """What the CMake file should contain."""
    files = library_files()
    parts = {
        "scripts": [f for f in files if f.endswith(".py")],
        "resources": [f for f in files if not f.endswith(".py")],
    }
    return TEMPLATE.format(**{k: "\n".join(f"  {f}" for f in v) for k, v in parts.items()})


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    print(f"{TARGET}: {len(library_files())} files")
