"""Time of one sample L^-T e at the size of Structured SIR (96 x 72 x 80 x 3 = 1.66 M unknowns).

    python Testing/benchmarks/bench_gaussian.py [--samples 16] [--grid 72 80 96] [--threads 1]

Compares our solvers with published ones that are installed: scipy's triangular solve, SuperLU
(natural order, so that U keeps its pattern), MKL through torch's CSR triangular solve, and
cholespy, which factorises the precision itself and so is tried on a small grid only.

Our raster kernel takes 8.9 ms a sample for 16 samples, MKL's solve 9.4 ms. MKL wants the samples as
the last axis, though; "from fields to fields" counts the two transpositions that this costs: 21 ms.
The time to bring L into CSR form (seconds here, by scipy) is not counted.
"""

import argparse
import time
import warnings

import numpy as np
import torch

from UncertainRegLib.gaussian import LowRank, SparseFactor, StructuredGaussian, raster, wavefront
from UncertainRegLib.gaussian.stencil import CROSS, OFFSETS, overlap
from UncertainRegLib.randomness import torch_seeded

SMALL = (16, 16, 16)


def random_weights(grid):
    with torch_seeded(0, "weights"):
        diag = 0.8 + torch.rand(1, 3, *grid)
        off = 0.08 * torch.randn(1, 3, len(OFFSETS), *grid)
        return diag, off, 0.08 * torch.randn(1, len(CROSS), *grid)


def csr_upper(diag, off, cross):
    """U as a scipy CSR matrix, channel-major."""
    import scipy.sparse as sp

    index = np.arange(diag[0].numel()).reshape(diag.shape[1:])
    rows, cols, values = [index], [index], [diag[0].numpy()]
    for f, offset in enumerate(OFFSETS):
        here, there = overlap(offset, index.shape[-3:])
        rows.append(index[here])
        cols.append(index[there])
        values.append(off[0, :, f][here].numpy())
    for p, (i, j) in enumerate(CROSS):
        rows.append(index[i])
        cols.append(index[j])
        values.append(cross[0, p].numpy())
    rows, cols, values = (np.concatenate([a.ravel() for a in b]) for b in (rows, cols, values))
    matrix = sp.csr_matrix((values, (rows, cols)), shape=(index.size, index.size))
    matrix.sort_indices()
    return matrix


def seconds(function, repeats=3):
    """Best of a few runs, after one that compiles and warms up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(weights, n):
    rhs = torch.randn(1, n, *weights[0].shape[1:])
    yield "raster (numba)", lambda: raster.solve_upper(*weights, rhs), n
    yield "wavefront (torch)", lambda: wavefront.solve_upper(*weights, rhs[:, :4]), min(n, 4)


def published(weights, n):
    upper = csr_upper(*weights)
    rhs = np.random.default_rng(0).standard_normal((upper.shape[0], n)).astype(np.float32)
    try:
        from scipy.sparse.linalg import splu, spsolve_triangular

        yield (
            "scipy spsolve_triangular",
            lambda: spsolve_triangular(upper, rhs[:, 0], lower=False),
            1,
        )
        lu = splu(upper.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0)
        yield "scipy SuperLU, solve only", lambda: lu.solve(rhs), n
    except ImportError as error:
        print(f"  (skipped: {error})")
    warnings.filterwarnings("ignore", "Sparse")  # torch's notes that its CSR support is in beta
    # what MKL needs first (about a second at the paper's size) is not counted
    csr = torch.sparse_csr_tensor(
        torch.from_numpy(upper.indptr).int(),
        torch.from_numpy(upper.indices).int(),
        torch.from_numpy(upper.data),
        upper.shape,
    )
    b = torch.from_numpy(rhs)
    yield "MKL (torch CSR)", lambda: torch.triangular_solve(b, csr, upper=True), n
    fields = b.T.contiguous()
    yield (
        "MKL, from fields to fields",
        lambda: torch.triangular_solve(fields.T.contiguous(), csr, upper=True)[0].T.contiguous(),
        n,
    )


def cholespy_factorising(weights, n):
    """cholespy cannot take L: it factorises the precision matrix L L^T again, with fill-in."""
    from cholespy import CholeskySolverF, MatrixType

    upper = csr_upper(*weights)
    precision = (upper.T @ upper).tocoo()
    rhs = np.random.default_rng(0).standard_normal((upper.shape[0], n)).astype(np.float32)
    x = np.zeros_like(rhs)
    start = time.perf_counter()
    solver = CholeskySolverF(
        upper.shape[0], precision.row, precision.col, precision.data.astype(float), MatrixType.COO
    )
    print(f"  cholespy factorisation {time.perf_counter() - start:.2f} s")
    yield "cholespy (two triangular solves)", lambda: solver.solve(rhs, x), n


def table(rows):
    for name, function, n in rows:
        try:
            print(f"  {name:34s} {1e3 * seconds(function) / n:9.2f} ms a sample, {n} at once")
        except Exception as error:  # a solver that is not built in is a line, not an end
            print(f"  {name:34s} failed: {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--grid", type=int, nargs=3, default=(72, 80, 96))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    n, grid = args.samples, tuple(args.grid)

    print(f"L^-T e on {grid} x 3, {args.threads} thread(s)")
    weights = random_weights(grid)
    table(ours(weights, n))
    table(published(weights, n))

    print("Structured Gaussian with r = 25, same grid")
    q = StructuredGaussian(
        torch.zeros(1, 3, *grid),
        SparseFactor(*weights),
        LowRank(0.1 * torch.randn(1, 25, 3, *grid)),
    )
    with torch.no_grad():
        noise = q.noise(range(n))
        fields = q.sample(noise)
        table(
            [
                ("noise from seeds", lambda: q.noise(range(n)), n),
                ("sample", lambda: q.sample(noise), n),
                ("log-density from the noise", lambda: q.log_prob_of_noise(noise), n),
                ("log-density of a field", lambda: q.log_prob(fields), n),
            ]
        )

    print(f"L^-T e on {SMALL} x 3")
    weights = random_weights(SMALL)
    table(ours(weights, n))
    try:
        table(cholespy_factorising(weights, n))
    except ImportError as error:
        print(f"  (skipped: {error})")


if __name__ == "__main__":
    main()
