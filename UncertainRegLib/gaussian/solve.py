"""Differentiable products and solutions with the triangular factor.

With U = L^T and the pattern of `stencil`, the gradients need no new algorithm: a product's gradient
is the transposed product, a solution's gradient the transposed solution, and the weights' gradient
an outer product read on the pattern. For x = L^-T e and b = L^-1 g, with g the gradient of x:
d diag_v = -b_v x_v, d off_f(v) = -b(v) x(v + delta_f), d cross_ij(v) = -b_i(v) x_j(v), summed over
the vectors.
"""

from functools import cache
from importlib.util import find_spec

import torch
from torch.autograd.function import once_differentiable

from . import raster, wavefront
from .stencil import multiply_lower, multiply_upper, outer_on_pattern, read_backwards


@cache
def _has_numba() -> bool:
    return find_spec("numba") is not None


def solve_upper(diag, off, cross, b):
    """L^-T b: compiled on the CPU where numba is installed, else wavefronts."""
    solver = raster if b.device.type == "cpu" and _has_numba() else wavefront
    return solver.solve_upper(diag, off, cross, b)


def solve_lower(diag, off, cross, b):
    """L^-1 b: the upper solution in reversed order."""
    reverse = (2, 3, 4, 5)
    return solve_upper(*read_backwards(diag, off, cross), b.flip(reverse)).flip(reverse)


class Product(torch.autograd.Function):
    """L^T x (upper=True) or L x."""

    @staticmethod
    def forward(ctx, diag, off, cross, x, upper):
        ctx.save_for_backward(diag, off, cross, x)
        ctx.upper = upper
        return (multiply_upper if upper else multiply_lower)(diag, off, cross, x)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        *weights, x = ctx.saved_tensors
        grad_weights, grad_x = (None, None, None), None
        if any(ctx.needs_input_grad[:3]):
            grad_weights = outer_on_pattern(*((grad, x) if ctx.upper else (x, grad)))
        if ctx.needs_input_grad[3]:
            grad_x = (multiply_lower if ctx.upper else multiply_upper)(*weights, grad)
        return *grad_weights, grad_x, None


class Solution(torch.autograd.Function):
    """L^-T b (upper=True) or L^-1 b."""

    @staticmethod
    def forward(ctx, diag, off, cross, b, upper):
        x = (solve_upper if upper else solve_lower)(diag, off, cross, b)
        ctx.save_for_backward(diag, off, cross, x)
        ctx.upper = upper
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        *weights, x = ctx.saved_tensors
        grad_b = (solve_lower if ctx.upper else solve_upper)(*weights, grad)
        grad_weights = (None, None, None)
        if any(ctx.needs_input_grad[:3]):
            pair = (grad_b, x) if ctx.upper else (x, grad_b)
            grad_weights = (-g for g in outer_on_pattern(*pair))
        return *grad_weights, grad_b, None
