"""How long does a dose take through many samples? A phantom; prints seconds.

    python Testing/benchmarks/bench_dose.py [--samples 100] [--structures 10] [--voxels 128]

The dose has voxels³ voxels of 2 mm, the samples are smooth random fields on the grid on which runs
keep theirs. Each side of the dose is timed: reading, tables and maps.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    identity,
    write_field,
    write_image,
)
from UncertainRegLib.jobs.summary import ANIMATION_VOXELS
from UncertainRegLib.perturbations import Deform
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.schema import FILE, new_record
from UncertainRegLib.studies.dose import evaluate_dose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--structures", type=int, default=10)
    parser.add_argument("--voxels", type=int, default=128)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = phantom(Path(name), options.samples, options.structures, options.voxels)
        for side in ("moving", "fixed"):
            wall, cpu = perf_counter(), process_time()
            found = evaluate_dose(
                folder,
                read_record(folder),
                str(folder / "dose.nrrd"),
                side,
                "Gy",
                str(folder / "structures.nrrd"),
            )
            wall, cpu = perf_counter() - wall, process_time() - cpu
            rows = len(found["dose"]["rows"])
            print(f"dose of the {side} image, {rows} structures: {wall:.1f} s, {cpu:.1f} CPU-s")


def phantom(folder: Path, samples: int, structures: int, voxels: int) -> Path:
    """A result folder with a dose and balls of 10 to 40 mm."""
    generator = np.random.default_rng(0)
    grid = Grid.from_spacing([voxels] * 3, (2.0, 2.0, 2.0))
    kept = grid.at_most(ANIMATION_VOXELS)
    points = grid.points()
    distance = np.linalg.norm(points - grid.center, axis=-1)
    dose = 60.0 / (1.0 + np.exp((distance - 0.4 * voxels) / 4.0))
    write_image(Image(dose.astype(np.float32), grid), folder / "dose.nrrd")
    labels = np.zeros(grid.shape, np.int16)
    for label in range(1, structures + 1):
        centre = grid.center + generator.uniform(-0.5, 0.5, 3) * voxels
        radius = generator.uniform(5, 20)
        labels[np.linalg.norm(points - centre, axis=-1) < radius] = label
    write_image(Image(labels, grid), folder / "structures.nrrd")
    for name in ("maps", "samples"):
        (folder / name).mkdir()
    write_image(Image(dose.astype(np.float32), grid), folder / "maps/uncertainty_mm.nrrd")
    write_field(identity(kept), folder / "transform.nrrd")
    files = [f"samples/sample-{number:04d}.nrrd" for number in range(samples)]
    for file in files:
        field = Deform().draw(kept, generator).field(kept)
        write_field(DisplacementField(field.vectors.astype(np.float32), kept), folder / file)
    record = new_record(
        inputs={name: {"file": "", "sha256": ""} for name in ("fixed", "moving")},
        backbone={"name": "demons", "title": "Demons", "facts": {}},
        method="equivariance",
        parameters={"perturbation": "deform", "settings": {}},
        seed=1,
        asked=samples,
        device="cpu",
        versions={},
    )
    record["samples"].update(finished=samples, files=files, log_weights=[0.0] * samples)
    record["maps"] = {"uncertainty_mm": {"file": "maps/uncertainty_mm.nrrd", "unit": "mm"}}
    record |= {"status": "complete", "transform": "transform.nrrd"}
    (folder / FILE).write_text(json.dumps(record), encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
