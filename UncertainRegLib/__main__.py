"""Command line: python -m UncertainRegLib run | backbones …

Also runs as a plain script (``python .../UncertainRegLib/__main__.py``), which is how 3D Slicer
starts its worker.
"""

import os
import sys
from pathlib import Path

# numpy multiplies small matrices here, and the second thread of OpenBLAS turns idly meanwhile: a
# twelfth of the time of a run. Before numpy is loaded; torch and ITK have threads of their own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if __package__ in (None, ""):  # started as a script: the folder above must be found, not this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = "UncertainRegLib"

from UncertainRegLib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
