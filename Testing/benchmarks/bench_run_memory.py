"""Peak memory of a whole run must not depend on the number of samples.

    python Testing/benchmarks/bench_run_memory.py

Runs the same job with 8 and 64 samples in processes of their own (a backbone that costs nothing,
the deformed MNI152 brain, two structures) and prints both peaks and their ratio.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing"), str(ROOT / "Examples")]
ALLOWED = 1.05


def peak_mb(options: list[str], out: Path, samples: int, field: Path) -> float:
    """Peak memory in MB of one run."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "UncertainRegLib",
            "run",
            *options,
            "--out",
            str(out),
            "--samples",
            str(samples),
            "--backbone",
            "known-field",
            "--perturbation",
            "deform",
            "--parameters",
            json.dumps({"backbone": {"field": str(field)}}),
            "--progress",
            "none",
        ],
        cwd=ROOT,
        check=True,
    )
    return json.loads((out / "result.json").read_text("utf-8"))["peak_memory_mb"]


def main() -> int:
    """Print the two peaks; 1 when they differ by more than 5 %."""
    from demo import deformed_template

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        options = [str(option) for option in deformed_template(folder / "input")]
        peaks = {
            n: peak_mb(options, folder / f"n{n}", n, folder / "input" / "truth.nrrd")
            for n in (8, 64)
        }
    ratio = peaks[64] / peaks[8]
    print(
        f"peak memory: {peaks[8]:.0f} MB at N = 8, {peaks[64]:.0f} MB at N = 64, ratio {ratio:.3f}"
    )
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
