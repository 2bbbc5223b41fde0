"""CPU seconds and peak memory of a sample, against one bare pass of the network.

    python Testing/benchmarks/bench_backbones.py [--unigradicon-python PYTHON] [--samples 3]
                                                 [--only clapirn,voxelmorph,...]

One table for cLapIRN, VoxelMorph and uniGradICON: a bare forward pass of our network, a whole
sample (perturb, register, undo, accumulate; deform, averaged), the share outside the network, and
peak memory at N and at 3 N. With a Python that has the ``unigradicon`` package, also the package's
public forward with the same random weights, and the largest difference of the fields. Every row is
measured in a process of its own, on one thread. cLapIRN has its real weights and, for the ratio to
its published forward, the same network in torch's default layout and allocator.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
DATA = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
LAPIRN = DATA / "weights" / "clapirn"
PUBLISHED_LAPIRN_S = 13.6  # the authors' code, one thread of the reference machine

PACKAGE = """
import json, sys, resource, torch
from time import process_time
torch.set_num_threads(1)
import unigradicon
net = unigradicon.make_network([1, 1, 175, 175, 175], include_last_step=True).eval()
given = torch.load(sys.argv[1], weights_only=True)
net.regis_net.load_state_dict(given["state"])
with torch.no_grad():
    net.identity_map.isIdentity = True
    times = []
    for _ in range(int(sys.argv[3])):
        start = process_time()
        net(given["moving"], given["fixed"])
        times.append(process_time() - start)
    voxels = (net.phi_AB_vectorfield - net.identity_map) * 174
torch.save(voxels, sys.argv[2])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"forward_s": min(times), "peak_mb": peak}))
"""


def main() -> int:
    """Print the table; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--unigradicon-python", default="", help="has the unigradicon package")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--only", default="clapirn,voxelmorph,unigradicon")
    parser.add_argument("--measure", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.samples)))
        return 0
    print(
        "| backbone | bare pass CPU-s | sample CPU-s | sample / pass | outside network "
        "| peak MB, N | peak MB, 3 N |"
    )
    print("|---|---|---|---|---|---|---|")
    missed = []
    for name in options.only.split(","):
        if name == "clapirn" and not LAPIRN.is_dir():
            print("| clapirn | its weights are not here | | | | | |")
            continue
        row = child(name, options.samples)
        long = child(name, 3 * options.samples)
        ratio = row["sample_s"] / row["pass_s"]
        outside = row["outside_s"] / row["sample_s"]
        print(
            f"| {name} | {row['pass_s']:.2f} | {row['sample_s']:.2f} | {ratio:.2f} "
            f"| {outside:.1%} | {row['peak_mb']:.0f} | {long['peak_mb']:.0f} |"
        )
        if name == "unigradicon" and outside > 0.06:
            missed.append(f"{name}: overhead {outside:.1%} of a sample (6 %)")
        if name != "unigradicon" and ratio > 1.15:
            missed.append(f"{name}: a sample costs {ratio:.2f} passes (1.15)")
        if long["peak_mb"] > 1.05 * row["peak_mb"]:
            missed.append(f"{name}: memory grows with the number of samples")
        if name == "clapirn":
            best = row["pass_s"] / PUBLISHED_LAPIRN_S
            print(
                f"\nclapirn: {best:.2f} of its published forward ({PUBLISHED_LAPIRN_S} s); field "
                f"equal to the plain layout's within {row['difference']:.1e} half-extents\n"
            )
            if best > 0.4 or row["difference"] > 1e-5:
                missed.append("clapirn: slower than 0.4 of its published forward, or not equal")
        if name == "unigradicon" and options.unigradicon_python:
            missed += against_package(options.unigradicon_python, row)
    for line in missed:
        print(f"MISSED: {line}")
    return 1 if missed else 0


def child(name: str, samples: int) -> dict:
    """Measure in a new process, so that its peak memory is its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", name, "--samples", str(samples)],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, samples: int) -> dict:
    """One row, as a dictionary."""
    import numpy as np
    import torch

    from UncertainRegLib.perturbations import Deform
    from UncertainRegLib.posterior.moments import Moments
    from UncertainRegLib.samplers import Equivariance

    torch.set_num_threads(1)
    backbone, fixed, moving = made(name)
    inside = []
    network = backbone.network

    def timed(*arguments, **options):
        start = process_time()
        answer = network(*arguments, **options)
        inside.append(process_time() - start)
        return answer

    arrays = (moving.array[None, None], fixed.array[None, None])
    settings = (backbone.smoothness,) if name == "clapirn" else ()
    row = {}
    with torch.inference_mode():
        passes = []
        for _ in range(3):
            start = process_time()
            answer = network(*arrays, *settings)
            passes.append(process_time() - start)
    if name == "clapirn":
        row["difference"] = plain_difference(network, arrays, settings, answer)
    del answer
    backbone.__dict__["network"] = timed
    moments = Moments()
    start = process_time()
    sampler = Equivariance(backbone, Deform())
    for sample in sampler.sample(fixed, moving, samples, np.random.default_rng(1)):
        moments.add(sample.field.vectors)
    total = (process_time() - start) / samples
    return {
        **row,
        "pass_s": min(passes),
        "sample_s": total,
        "outside_s": total - sum(inside) / samples,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def plain_difference(network, arrays, settings, answer) -> float:
    """Largest difference of the answer and the same network's in torch's default layout."""
    import copy

    import torch

    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    with torch.inference_mode():
        return float((plain(*arrays, *settings) - answer).abs().max())


def made(name: str):
    """A backbone with its network, and a prepared pair."""
    import torch

    from UncertainRegLib.backbones import clapirn, unigradicon, voxelmorph
    from UncertainRegLib.backbones.brain_network import ready
    from UncertainRegLib.geometry import Grid, Image, read_image
    from UncertainRegLib.randomness import torch_seeded

    if name == "clapirn":
        backbone = clapirn.ConditionalLapIRN(weights=str(next(LAPIRN.glob("*.pth"))), affine=False)
        folder = DATA / "brain_t1_inter"
        pair = [read_image(folder / file) for file in ("subA_t1.nii.gz", "subC_aligned_t1.nii.gz")]
        return backbone, *backbone.prepare(*pair)
    shape = (160, 192, 224) if name == "voxelmorph" else (175, 175, 175)
    moving, fixed = (Image(array[0, 0], Grid.from_spacing(shape)) for array in smooth_pair(shape))
    if name == "voxelmorph":
        from UncertainRegLib.networks.voxelmorph import VxmDense

        with torch_seeded(0, "weights"):
            network = VxmDense()
            torch.nn.init.normal_(network.flow.weight, std=0.1)
        backbone = voxelmorph.VoxelMorph(weights="-", affine=False)
    else:
        network = random_unigradicon()
        backbone = unigradicon.UniGradICON(weights="-")
    backbone.__dict__["network"] = ready(network, "cpu")
    return backbone, fixed, moving


def smooth_pair(shape):
    """Two smooth random images (1, 1, Z, Y, X)."""
    import torch

    from UncertainRegLib.randomness import torch_generator

    generator = torch_generator(3, "smooth images")
    return [
        torch.nn.functional.interpolate(
            torch.rand(1, 1, n, n, n, generator=generator), shape, mode="trilinear"
        )
        for n in (9, 8)
    ]


def random_unigradicon():
    """uniGradICON with random weights that move points by voxels."""
    import torch

    from UncertainRegLib.networks.unigradicon import UniGradICON
    from UncertainRegLib.randomness import torch_generator, torch_seeded

    with torch_seeded(0, "weights"):
        network = UniGradICON()
    generator = torch_generator(1, "last weights")
    for step in network.steps:
        torch.nn.init.normal_(step.lastConv.weight, std=0.02, generator=generator)
    return network.eval()


def against_package(python: str, row: dict) -> list[str]:
    """Compare with the package's public forward; returns the bounds that were missed."""
    import torch

    network = random_unigradicon()
    state = {}
    for name, value in network.state_dict().items():
        _, step, rest = name.split(".", 2)
        state[network.PREFIXES[int(step)] + rest] = value
    moving, fixed = smooth_pair((175, 175, 175))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        given, field = Path(folder) / "given.pt", Path(folder) / "field.pt"
        torch.save({"state": state, "moving": moving, "fixed": fixed}, given)
        done = subprocess.run(
            [python, "-c", PACKAGE, given, field, "2"],
            check=True,
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        theirs = json.loads(done.stdout.splitlines()[-1])
        expected = torch.load(field, weights_only=True)
        difference = float((network(moving, fixed) - expected).abs().max())
    speed = theirs["forward_s"] / row["sample_s"]
    print(
        f"\nunigradicon: the package's public forward costs {theirs['forward_s']:.1f} CPU-s and "
        f"{theirs['peak_mb']:.0f} MB; our whole sample is {speed:.1f} times cheaper; fields "
        f"equal within {difference:.1e} voxel (of {float(expected.abs().max()):.1f})\n"
    )
    missed = []
    if speed < 3:
        missed.append(f"unigradicon: only {speed:.1f} times cheaper than the package (3)")
    if difference > 1e-3:
        missed.append(f"unigradicon: fields differ by {difference:.1e} voxel (1e-3)")
    return missed


if __name__ == "__main__":
    sys.exit(main())
