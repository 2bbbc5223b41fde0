"""Cost of a sample outside the network, and memory, against an earlier build in the same run.

    git archive fd2682a | tar -x --one-top-level=OLD_SOURCE
    pip install --no-deps --target OLD OLD_SOURCE
    python Testing/benchmarks/bench_sample_overhead.py --against OLD [--samples 3] [--repeats 2]
                                        [--only clapirn,clapirn-coarse,unigradicon,voxelmorph]

For each network a process of its own, on one thread, alternately with the earlier build and with
this one: 3 N samples (perturb, register, undo, sum up; deform). Printed are medians over the samples
and repeats of the CPU seconds of the network and of the whole sample, the ratios of the two builds,
the share of a sample outside the network, samples in forward passes, and peak memory after N and
after 3 N. cLapIRN has its published weights and two brains, the others drawn weights at their
grids; clapirn-coarse samples with its two coarser levels. The last line of a network says by how much
the means of the samples of the two builds differ.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
DATA = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
OUTSIDE, PASSES, GROWTH = 0.05, 1.08, 1.05  # what is aimed at


def main() -> int:
    """Print the tables; 1 when this build misses an aim."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="folder of an installed earlier build")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", default="clapirn,clapirn-coarse,unigradicon,voxelmorph")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure, options.samples)))
        return 0
    builds = {"this build": ROOT}
    if options.against:
        builds = {"earlier build": options.against.resolve(), **builds}
    print(
        "| network, build | pass CPU-s | sample CPU-s | outside the network CPU-s | share "
        "| sample / pass | peak MB at N | at 3 N | 3 N / N |\n|---|---|---|---|---|---|---|---|---|"
    )
    missed = []
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            rows = {build: [] for build in builds}
            for _ in range(options.repeats):
                for build, path in builds.items():
                    mean = Path(folder) / f"{build}.npy"
                    rows[build].append(child(name, path, mean, options.samples))
            found = {build: table_row(name, build, rows[build]) for build in builds}
            compare(name, found, Path(folder))
        missed += misses(name, found["this build"])
    for line in missed:
        print(f"MISSED: {line}")
    return 1 if missed else 0


def child(name: str, build: Path, mean: Path, samples: int) -> dict:
    """Measure in a new process, so that its peak memory is its own."""
    done = subprocess.run(
        [sys.executable, HERE, "--measure", name, mean, "--samples", str(samples)],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(build)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def table_row(name: str, build: str, rows: list[dict]) -> dict:
    """Medians over repeats, printed."""
    found = {
        key: statistics.median(value for row in rows for value in row[key])
        for key in ("pass_s", "sample_s", "outside_s", "peak_n_mb", "peak_3n_mb")
    }
    found["share"] = found["outside_s"] / found["sample_s"]
    found["passes"] = found["sample_s"] / (found["sample_s"] - found["outside_s"])
    found["growth"] = found["peak_3n_mb"] / found["peak_n_mb"]
    print(
        f"| {name}, {build} | {found['pass_s']:.2f} | {found['sample_s']:.2f} "
        f"| {found['outside_s']:.2f} | {found['share']:.1%} | {found['passes']:.2f} "
        f"| {found['peak_n_mb']:.0f} | {found['peak_3n_mb']:.0f} | {found['growth']:.2f} |",
        flush=True,
    )
    return found


def compare(name: str, found: dict, folder: Path) -> None:
    """Ratios of the two builds, and how far apart their answers are."""
    import numpy as np

    if len(found) < 2:
        return
    earlier, this = found["earlier build"], found["this build"]
    keys = ("pass_s", "sample_s", "outside_s", "", "", "peak_n_mb", "peak_3n_mb", "")
    cells = " | ".join(f"{this[key] / earlier[key]:.2f}" if key else "" for key in keys)
    print(f"| {name}, ratio | {cells} |", flush=True)
    means = [np.load(folder / f"{build}.npy") for build in found]
    apart = np.linalg.norm(means[0] - means[1], axis=-1)
    print(
        f"\n{name}: the means of the same samples are {apart.mean():.1e} mm apart on average, "
        f"{apart.max():.1e} mm at most\n",
        flush=True,
    )


def misses(name: str, row: dict) -> list[str]:
    """What is not reached, in words."""
    return [
        f"{name}: {text}"
        for value, aim, text in (
            (row["share"], OUTSIDE, f"{row['share']:.1%} of a sample outside the network"),
            (row["passes"], PASSES, f"a sample costs {row['passes']:.2f} passes"),
            (row["growth"], GROWTH, f"memory grows to {row['growth']:.2f} from N to 3 N"),
        )
        if value > aim
    ]


def measure(name: str, mean: str, samples: int) -> dict:
    """What one process finds, as lists of single measurements; it uses what both builds have."""
    import numpy as np
    import torch

    from UncertainRegLib.geometry import DisplacementField
    from UncertainRegLib.perturbations import Deform
    from UncertainRegLib.posterior.moments import Moments
    from UncertainRegLib.samplers import Equivariance

    torch.set_num_threads(1)
    backbone, fixed, moving = made(name)
    network, inside = backbone.network, []

    def timed(*arguments, **options):
        start = process_time()
        answer = network(*arguments, **options)
        inside.append(process_time() - start)
        return answer

    backbone.__dict__["network"] = timed
    moments, passes, seconds, peaks = Moments(), [], [], []
    start = process_time()
    sampler = Equivariance(backbone, Deform())
    for sample in sampler.sample(fixed, moving, 3 * samples, np.random.default_rng(1)):
        moments.add(sample.field.vectors)
        seconds.append(process_time() - start)
        passes.append(sum(inside))  # what is computed once for all samples is in the first one
        inside.clear()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        start = process_time()
    field = DisplacementField(np.asarray(moments.mean), sample.field.grid).resample(fixed.grid)
    np.save(mean, field.vectors[::4, ::4, ::4])
    return {
        "pass_s": passes,
        "sample_s": seconds,
        "outside_s": [whole - part for whole, part in zip(seconds, passes)],
        "peak_n_mb": [peaks[samples - 1]],
        "peak_3n_mb": [peaks[-1]],
    }


def made(name: str):
    """A backbone with its network, and a prepared pair."""
    import numpy as np
    import torch

    from UncertainRegLib.backbones import clapirn, unigradicon, voxelmorph
    from UncertainRegLib.backbones.brain_network import ready
    from UncertainRegLib.geometry import Grid, Image, read_image

    if name.startswith("clapirn"):
        weights = next((DATA / "weights" / "clapirn").glob("*.pth"))
        backbone = clapirn.ConditionalLapIRN(weights=str(weights), affine=False)
        backbone.coarse_samples = name == "clapirn-coarse"  # an earlier build has no such setting
        folder = DATA / "brain_t1_inter"
        pair = [read_image(folder / file) for file in ("subA_t1.nii.gz", "subC_aligned_t1.nii.gz")]
        return backbone, *backbone.prepare(*pair)
    shape = (160, 192, 224) if name == "voxelmorph" else (175, 175, 175)
    generator = np.random.default_rng(0)

    def drawn(*shape: int):
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))

    fixed, moving = (
        Image(
            torch.nn.functional.interpolate(drawn(1, 1, n, n, n), shape, mode="trilinear")[0, 0],
            Grid.from_spacing(shape),
        )
        for n in (8, 9)
    )
    if name == "voxelmorph":
        from UncertainRegLib.networks.voxelmorph import VxmDense

        backbone, network = voxelmorph.VoxelMorph(weights="-", affine=False), VxmDense()
        last = {"flow.weight": 0.1}
    else:
        from UncertainRegLib.networks.unigradicon import UniGradICON

        backbone, network = unigradicon.UniGradICON(weights="-"), UniGradICON()
        last = {f"steps.{step}.lastConv.weight": 0.02 for step in range(4)}
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if parameter.ndim > 1:  # keeps a signal's size; the last layer moves points by voxels
                spread = last.get(key, (2 / parameter[0].numel()) ** 0.5)
                parameter.copy_(spread * drawn(*parameter.shape))
            elif "Norms" not in key:
                parameter.zero_()
    backbone.__dict__["network"] = ready(network, "cpu")
    return backbone, fixed, moving


if __name__ == "__main__":
    sys.exit(main())
