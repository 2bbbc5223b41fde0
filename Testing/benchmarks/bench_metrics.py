"""Time and peak memory of every metric on 5 million voxels, each in its own process.

    python Testing/benchmarks/bench_metrics.py

Target: each ranking score below 10 s and 2 GB.
"""

import multiprocessing
import resource
import time

import numpy as np

from UncertainRegLib.metrics import (
    calibration,
    correlation,
    folding,
    gaussian,
    overlap,
    protocols,
    rings,
    similarity,
    sparsification,
)

SHAPE = (160, 192, 163)  # 5.0 million voxels


def inputs():
    """float32 maps as a result folder holds them, and a label map."""
    generator = np.random.default_rng(0)
    error = generator.gamma(2.0, 1.0, SHAPE).astype(np.float32)
    u = error * generator.lognormal(0.0, 0.7, SHAPE).astype(np.float32)
    z, y, x = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in SHAPE)]
    labels = ((z**2 + y**2 + x**2) < 0.8).astype(np.int32) * (1 + (x > 0) + 2 * (y > 0))
    return u, error, labels


def cases(u, error, labels):
    """Name -> a call."""

    def covariances():
        return np.broadcast_to(np.float32([1, 0, 0, 1, 0, 1]), (*SHAPE, 6))

    vectors = np.stack([error, u, u], axis=-1)
    confidence = np.clip(u / u.max(), 0, 1)
    moved = np.roll(labels, 1, axis=0)
    return {
        "pearson": lambda: correlation.pearson(u, error),
        "spearman": lambda: correlation.spearman(u, error),
        "risk (AURC, oracle, nAURC, AUSE)": lambda: sparsification.risk(u, error),
        "AUSE, 50 bins": lambda: sparsification.ause(u, error, bins=50),
        "AUSE, 50 bins, ties kept": lambda: sparsification.ause(u, error, bins=50, ties="kept"),
        "risk of a map of 20 values": lambda: sparsification.risk(np.round(u * 2), error),
        "all Tian scores": lambda: protocols.TIAN.scores(u, error, labels),
        "Gong AUSE, 4 classes": lambda: protocols.class_ause(u, moved, labels, [1, 2, 3, 4]),
        "boundary ring": lambda: rings.boundary_ring(labels),
        "reliability": lambda: calibration.reliability(confidence, labels == moved),
        "conformal factor": lambda: calibration.conformal_factor(u, error),
        "Mahalanobis": lambda: gaussian.mahalanobis_squared(vectors, covariances()),
        "Dice, 4 labels": lambda: overlap.dice_per_label(labels, moved),
        "HD, HD95, ASD": lambda: overlap.surface_distance(labels > 0, moved > 0, (1, 1, 1)),
        "folding": lambda: folding.folding_fraction(u),
        "SDlogJ": lambda: folding.sd_log_jacobian(u),
        "mutual information": lambda: similarity.mutual_information(u, error),
        "local NCC": lambda: similarity.local_ncc(u, error),
    }


def measure(name, pipe):
    """Run one case; send wall and CPU seconds and the process's peak memory in MB."""
    case = cases(*inputs())[name]
    wall, cpu = time.perf_counter(), time.process_time()
    case()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    pipe.send((wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main():
    """Print the table."""
    print(f"{'metric, 5.0 M voxels':36}{'s':>8}{'CPU-s':>8}{'peak MB':>10}")
    for name in cases(*inputs()):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(name, theirs))
        process.start()
        wall, cpu, peak = ours.recv()
        process.join()
        print(f"{name:36}{wall:8.2f}{cpu:8.2f}{peak:10.0f}", flush=True)


if __name__ == "__main__":
    main()
