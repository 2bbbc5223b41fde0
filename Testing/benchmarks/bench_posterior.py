"""Time and memory of the posterior summaries at real sizes.

    python Testing/benchmarks/bench_posterior.py [DATA]

DATA is the folder of real image pairs (default ../shared/data). Shown: cost of one sample, memory
after 8 and after 64 samples (it must not grow), and the label table.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from UncertainRegLib.geometry import DisplacementField, Image, read_labels, warp_labels
from UncertainRegLib.posterior import maps
from UncertainRegLib.posterior.label_table import label_table
from UncertainRegLib.posterior.labels import LabelProbabilities
from UncertainRegLib.posterior.modes import find_modes, principal_components
from UncertainRegLib.posterior.moments import Moments


def field(grid, seed):
    """A smooth random field of about 3 mm."""
    coarse = np.random.default_rng(seed).normal(0, 3, (3, 6, 6, 6))
    zoom = np.array(grid.shape) / 6
    vectors = np.stack([ndimage.zoom(c, zoom, order=1) for c in coarse], axis=-1)
    return DisplacementField(vectors.astype(np.float32), grid)


def timed(name, function, *args):
    """Print the CPU time of a call and return its result."""
    start = time.process_time()
    result = function(*args)
    print(f"  {name:42}{time.process_time() - start:8.2f} CPU-s", flush=True)
    return result


def peak():
    """Peak memory of the process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stream(segmentation, fields, count):
    """Take in ``count`` samples; print their cost and the memory after 8 and at the end."""
    moments, probabilities = Moments(), LabelProbabilities(segmentation, segmentation.grid)
    seconds = {"moments": [], "label probabilities": []}
    for n in range(count):
        start = time.process_time()
        moments.add(fields[n % len(fields)].vectors)
        middle = time.process_time()
        probabilities.add(fields[n % len(fields)])
        seconds["moments"].append(middle - start)
        seconds["label probabilities"].append(time.process_time() - middle)
        if n == 7:
            after = peak()
    for what, each in seconds.items():
        print(f"  {what + ', a sample (median)':42}{np.median(each):8.3f} CPU-s")
    print(f"  {f'peak memory after 8 / {count} samples':42}{after:8.0f} / {peak():.0f} MB")
    if peak() > after + 20:
        raise SystemExit("memory grows with the number of samples")
    return moments, probabilities


def run(segmentation, split):
    """One case: samples, maps, table, components."""
    array, grid = segmentation.array, segmentation.grid
    if split:  # halves of every label, so that more than a hundred are there
        array = array * 2 - ((array > 0) & (np.arange(array.shape[0])[:, None, None] % 16 < 8))
        segmentation = Image(array, grid)
    print(f"{len(np.unique(array)) - 1} labels, {grid.shape}")
    fields = [field(grid, seed) for seed in range(4)]
    moments, probabilities = stream(segmentation, fields, 64)
    covariance = timed("mean and covariance", lambda: moments.covariance)
    u = timed("uncertainty", maps.uncertainty, covariance)
    timed("largest axis", maps.largest_axis, covariance)
    timed("displacement entropy", maps.displacement_entropy, covariance)
    timed("label entropy", probabilities.entropy)
    warped = timed("warped labels", warp_labels, segmentation, fields[0]).array
    timed("label table", label_table, probabilities, u, warped)
    timed("label table with truth", label_table, probabilities, u, warped, array)
    coarse = [f.resample(grid.at_most(300_000)).vectors for f in fields]
    components = timed("principal components, animation grid", principal_components, coarse)
    timed("modes", find_modes, components)
    print(f"  {'peak memory':42}{peak():8.0f} MB")


def main():
    """Print the tables, smallest image first (peak memory only grows)."""
    here = Path(__file__).resolve().parents[3] / "shared" / "data"
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    run(read_labels(data / "abdomen_ct_ts" / "seg104.nii.gz"), split=True)
    run(read_labels(data / "brain_t1_inter" / "subC_aligned_seg13.nii.gz"), split=False)


if __name__ == "__main__":
    main()
