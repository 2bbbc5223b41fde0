"""Exact solution of U x = b on the CPU: compiled back-substitution in reversed raster order.

Needs numba; without it `solve.solve_upper` falls back to the wavefronts.

A voxel waits for the voxel before it, so no vector unit can go along a row. It goes across samples
instead: a panel holds one plane of 16 samples (4 for small batches) with the sample as the last
axis, and a voxel's 13 neighbours are 13 multiply-adds of whole vectors. Only the plane in work and
the one solved before it are kept as panels; whole planes are copied from and to the fields, because
reading rows of all the weights in turn is slower than memory allows.

`Testing/benchmarks/bench_gaussian.py` compares it with published solvers at the paper's size.
"""

from functools import cache

import numpy as np


@cache
def _kernel(lanes: int):
    import numba

    # error_model="numpy": no branch for a division by zero, which would stop vectorisation.
    # fastmath: only `contract` (fused multiply-add) and `reassoc` (any order of the 13 terms).
    # Both change rounding alone; NaN and infinity, the signs of an unstable L, stay visible.
    compiled = numba.njit(
        error_model="numpy", fastmath={"contract", "reassoc"}, nogil=True, cache=True
    )

    @compiled
    def load(panel, fields, width):
        """Rows of a plane of up to ``lanes`` fields into a panel, inside its border of zeros."""
        for y in range(panel.shape[0] - 2):
            inside = panel[y + 1, lanes:]
            for n in range(fields.shape[0]):
                row = fields[n, y * width : (y + 1) * width]
                for i in range(width):
                    inside[i * lanes + n] = row[i]

    @compiled
    def store(panel, fields, width):
        for y in range(panel.shape[0] - 2):
            inside = panel[y + 1, lanes:]
            for n in range(fields.shape[0]):
                row = fields[n, y * width : (y + 1) * width]
                for i in range(width):
                    row[i] = inside[i * lanes + n]

    @compiled
    def subtract(row, other, weight):
        """row -= weight * the same row of a component that is solved."""
        for i in range(weight.size):
            w, a = weight[i], (i + 1) * lanes
            r, q = row[a : a + lanes], other[a : a + lanes]
            for s in range(lanes):
                r[s] -= w * q[s]

    @compiled
    def solve_row(row, after, first, second, third, off, diag):
        """Solve a row in place, given the row after it and three rows of the plane after it."""
        for i in range(diag.size - 1, -1, -1):
            # in the order of stencil.OFFSETS: x + 1, then four rows from x - 1 to x + 1
            w0 = off[0, i]
            w1, w2, w3 = off[1, i], off[2, i], off[3, i]
            w4, w5, w6 = off[4, i], off[5, i], off[6, i]
            w7, w8, w9 = off[7, i], off[8, i], off[9, i]
            w10, w11, w12 = off[10, i], off[11, i], off[12, i]
            scale = diag.dtype.type(1) / diag[i]
            a = i * lanes
            here, last = row[a + lanes : a + 2 * lanes], row[a + 2 * lanes : a + 3 * lanes]
            p, q = after[a : a + 3 * lanes], first[a : a + 3 * lanes]
            r, t = second[a : a + 3 * lanes], third[a : a + 3 * lanes]
            for s in range(lanes):
                u, v = s + lanes, s + 2 * lanes
                x = here[s] - w1 * p[s] - w2 * p[u] - w3 * p[v]
                x1 = -w4 * q[s] - w5 * q[u] - w6 * q[v]
                x2 = -w7 * r[s] - w8 * r[u] - w9 * r[v]
                x3 = -w10 * t[s] - w11 * t[u] - w12 * t[v]
                here[s] = ((x + x1) + (x2 + x3) - w0 * last[s]) * scale

    @compiled
    def back_substitution(b, x, diag, off, cross, depth, height, width):
        # b and x (N, 3, Nv)
        plane = height * width
        panels = np.zeros((3, 2, height + 2, (width + 2) * lanes), x.dtype)
        for n in range(0, x.shape[0], lanes):
            panels[:] = 0
            for z in range(depth - 1, -1, -1):
                now, start = z % 2, z * plane
                for c in range(2, -1, -1):  # a component depends on itself and on later ones alone
                    panel, solved = panels[c, now], panels[c, 1 - now]
                    load(panel, b[n : n + lanes, c, start : start + plane], width)
                    for y in range(height - 1, -1, -1):
                        here = slice(start + y * width, start + (y + 1) * width)
                        row = panel[y + 1]
                        for j in range(c + 1, 3):
                            subtract(row, panels[j, now, y + 1], cross[c + j - 1, here])
                        known = panel[y + 2], solved[y], solved[y + 1], solved[y + 2]
                        solve_row(row, *known, off[c, :, here], diag[c, here])
                    store(panel, x[n : n + lanes, c, start : start + plane], width)

    return back_substitution


def solve_upper(diag, off, cross, b):
    """x with U x = b, exact up to rounding. Shapes as in `wavefront.solve_upper`; CPU tensors.

    One thread.
    """
    kernel = _kernel(16 if b.shape[1] > 4 else 4)
    weights = [w.detach().flatten(-3).contiguous().numpy() for w in (diag, off, cross)]
    b = b.detach().contiguous()
    x = b.new_empty(b.shape)
    for i, (one, solved) in enumerate(zip(b.flatten(-3).numpy(), x.flatten(-3).numpy())):
        kernel(one, solved, *(w[i] for w in weights), *b.shape[-3:])
    return x
