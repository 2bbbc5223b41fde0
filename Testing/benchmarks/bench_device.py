"""N samples of a network on a graphics card, one image a pass and several; also runs on a CPU.

    python Testing/benchmarks/bench_device.py [--device cuda] [--samples 50] [--repeats 3]
        [--only unigradicon,voxelmorph,clapirn] [--families deform,translation,shear,scale]
        [--batches 1,auto]

Networks and images are those of `bench_sample_overhead.py`; "auto" is what a run does. Printed are,
for each family and batch, medians of the wall seconds of N samples (perturb, register, undo, sum up)
with the network on the device already, the peak of the device's memory, and how far the means lie
from those of one image a pass; before them, the seconds that the network takes to reach the device.
The aim for uniGradICON on a card of the last generations: 2 s for 50 samples with loading, in each
family. ``--device cpu --samples 4 --batches 1,2`` shows what two images a pass are to a CPU.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from time import perf_counter

import numpy as np
import torch
from bench_sample_overhead import made

from UncertainRegLib.environment import peak_memory_mb
from UncertainRegLib.geometry.arrays import to_numpy
from UncertainRegLib.perturbations import PAPER
from UncertainRegLib.posterior.moments import Moments
from UncertainRegLib.samplers import Equivariance, equivariance, in_one_pass
from UncertainRegLib.samplers.in_one_pass import AT_MOST, SHARE


def main() -> None:
    """Print a line for each network, family and batch."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="unigradicon,voxelmorph,clapirn")
    parser.add_argument("--families", default="deform,translation,shear,scale")
    parser.add_argument("--batches", default="1,auto")
    given = parser.parse_args()
    print(f"{given.device}, {given.samples} samples, {given.repeats} repeats")
    print("| network | family | batch | s | of one image a pass | peak MB | apart (mm) |")
    print("|---|---|---|---|---|---|---|")
    for name in given.only.split(","):
        backbone, fixed, moving = made(name)
        begun = perf_counter()
        backbone.__dict__["network"] = backbone.network.to(given.device)
        fixed, moving = (replace(one, array=one.array.to(given.device)) for one in (fixed, moving))
        backbone.register(fixed, moving)
        finished(given.device)
        print(
            f"| {name} | loading, and the first registration | | {perf_counter() - begun:.2f} | | | |"
        )
        for family in given.families.split(","):
            alone = None
            for batch in given.batches.split(","):
                equivariance.pays_on = lambda device, batch=batch: batch != "1"
                in_one_pass.AT_MOST = AT_MOST if batch == "auto" else int(batch)
                in_one_pass.SHARE = SHARE if batch == "auto" else float(batch)
                if given.device != "cpu":
                    torch.cuda.reset_peak_memory_stats()
                seconds, mean = timed(backbone, family, fixed, moving, given)
                alone = (seconds, mean) if alone is None else alone
                apart = np.linalg.norm(mean - alone[1], axis=-1).max()
                print(
                    f"| {name} | {family} | {batch} | {seconds:.2f} | {seconds / alone[0]:.2f} "
                    f"| {peak_mb(given.device):.0f} | {apart:.1e} |",
                    flush=True,
                )


def timed(backbone, family: str, fixed, moving, given) -> tuple[float, np.ndarray]:
    """Median seconds of the samples, and their mean displacement at every fourth voxel (mm)."""
    found = []
    for _ in range(given.repeats):
        begun, moments = perf_counter(), Moments()
        sampler = Equivariance(backbone, PAPER[f"tian-{family}"])
        for sample in sampler.sample(fixed, moving, given.samples, np.random.default_rng(1)):
            moments.add(sample.field.vectors)
        finished(given.device)
        found.append(perf_counter() - begun)
    return statistics.median(found), to_numpy(moments.mean[::4, ::4, ::4])


def finished(device: str) -> None:
    """Wait for what a graphics card has to do."""
    if device != "cpu":
        torch.cuda.synchronize()


def peak_mb(device: str) -> float:
    """Peak memory so far: of a graphics card since it was reset, of the process on a CPU."""
    if device == "cpu":
        return peak_memory_mb() or float("nan")
    return torch.cuda.max_memory_allocated() / 2**20


if __name__ == "__main__":
    main()
