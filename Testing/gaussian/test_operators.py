"""Structured operators against dense twins: one set of tests for the factors, one for the Gaussians."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
MultivariateNormal = torch.distributions.MultivariateNormal

from UncertainRegLib.gaussian import (  # noqa: E402
    DiagonalFactor,
    LowRank,
    SparseFactor,
    StructuredGaussian,
    effective_sample_size,
    raster,
    smooth_factor,
    solve,
    wavefront,
)
from UncertainRegLib.gaussian.stencil import CROSS, OFFSETS, read_backwards  # noqa: E402

BATCH, GRID, RANK = 2, (4, 3, 5), 4
SIZE = 3 * int(np.prod(GRID))
EXACT = {"rtol": 0, "atol": 1e-10}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


def weights(batch=BATCH, grid=GRID, dtype=torch.float64, coupling=0.08):
    """Random weights of a stable factor: off-diagonals outweigh the diagonal at most ~twice."""
    diag = 0.8 + torch.rand(batch, 3, *grid, dtype=dtype)
    off = coupling * torch.randn(batch, 3, len(OFFSETS), *grid, dtype=dtype)
    cross = coupling * torch.randn(batch, len(CROSS), *grid, dtype=dtype)
    return diag, off, cross


def fields(n=3, batch=BATCH, grid=GRID, dtype=torch.float64):
    return torch.randn(batch, n, 3, *grid, dtype=dtype)


def inverse(dense):
    """By numpy: after torch.set_num_threads, torch's own of a batch fails with two threads."""
    return torch.from_numpy(np.linalg.inv(dense.numpy()))


def dense_upper(diag, off, cross):
    """U = L^T entry by entry, channel-major, from the definition in `stencil`."""
    batch, _, *grid = diag.shape
    index = np.arange(3 * np.prod(grid)).reshape(3, *grid)
    u = torch.zeros(batch, index.size, index.size, dtype=diag.dtype)
    for z, y, x in np.ndindex(*grid):
        for c in range(3):
            row = index[c, z, y, x]
            u[:, row, row] = diag[:, c, z, y, x]
            for f, d in enumerate(OFFSETS):
                to = np.add((z, y, x), d)
                if ((to >= 0) & (to < grid)).all():
                    u[:, row, index[(c, *to)]] = off[:, c, f, z, y, x]
        for p, (i, j) in enumerate(CROSS):
            u[:, index[i, z, y, x], index[j, z, y, x]] = cross[:, p, z, y, x]
    return u


def diagonal():
    diag = weights()[0]
    return DiagonalFactor(diag), torch.diag_embed(diag.flatten(1))


def sparse():
    w = weights()
    return SparseFactor(*w), dense_upper(*w).mT


FACTORS = {"D": diagonal, "C": sparse}


def gaussian(variant):
    factor, dense = FACTORS[variant[-1]]()
    mean = fields(1)[:, 0]
    precision_inverse = inverse(dense @ dense.mT)
    if len(variant) == 1:
        return StructuredGaussian(mean, factor), precision_inverse
    columns = 0.5 * fields(RANK)
    r = columns.flatten(2)
    return StructuredGaussian(mean, factor, LowRank(columns)), precision_inverse + r.mT @ r


VARIANTS = ("D", "LD", "C", "LC")


class Battery:
    """Every operator with a square matrix passes these; subclasses give it and its dense twin."""

    names: tuple[str, ...] = ()

    def create(self, name):
        raise NotImplementedError

    @pytest.fixture
    def pair(self, name):
        return self.create(name)

    def check(self, result, dense, x):
        expected = (dense @ x.flatten(2).mT).mT.reshape(x.shape)
        torch.testing.assert_close(result, expected, **EXACT)

    def test_matmul(self, pair):
        operator, dense = pair
        x = fields()
        self.check(operator.matmul(x), dense, x)

    def test_transpose_matmul(self, pair):
        operator, dense = pair
        x = fields()
        self.check(operator.transpose_matmul(x), dense.mT, x)

    def test_solve(self, pair):
        operator, dense = pair
        x = fields()
        self.check(operator.solve(x), inverse(dense), x)

    def test_transpose_solve(self, pair):
        operator, dense = pair
        x = fields()
        self.check(operator.transpose_solve(x), inverse(dense).mT, x)

    def test_logdet(self, pair):
        operator, dense = pair
        expected = torch.from_numpy(np.linalg.slogdet(dense.numpy())[1])
        torch.testing.assert_close(operator.logdet(), expected, **EXACT)


@pytest.mark.parametrize("name", FACTORS)
class TestFactor(Battery):
    def create(self, name):
        return FACTORS[name]()

    @pytest.mark.parametrize(
        "method", ["matmul", "transpose_matmul", "solve", "transpose_solve", "logdet"]
    )
    def test_gradients(self, name, method):
        grid = (3, 2, 3)
        count = {"D": 1, "C": 3}[name]
        inputs = [w.requires_grad_() for w in weights(1, grid)[:count]]
        if method != "logdet":
            inputs.append(fields(2, 1, grid).requires_grad_())

        def function(*args):
            factor = (DiagonalFactor, SparseFactor)[count > 1](*args[:count])
            return getattr(factor, method)(*args[count:])

        assert torch.autograd.gradcheck(function, inputs)


@pytest.mark.parametrize("name", VARIANTS)
class TestGaussian(Battery):
    def create(self, name):
        return gaussian(name)

    def twin(self, pair):
        q, covariance = pair
        return MultivariateNormal(q.mean.flatten(1), covariance)

    def test_log_prob(self, pair):
        z = pair[0].mean[:, None] + fields()
        expected = self.twin(pair).log_prob(z.flatten(2).transpose(0, 1)).T
        torch.testing.assert_close(pair[0].log_prob(z), expected, **EXACT)

    def test_log_prob_of_noise_is_log_prob_of_the_sample(self, pair):
        q = pair[0]
        noise = q.noise(range(5))
        expected = q.log_prob(q.sample(noise))
        torch.testing.assert_close(q.log_prob_of_noise(noise), expected, **EXACT)

    def test_entropy(self, pair):
        torch.testing.assert_close(pair[0].entropy(), self.twin(pair).entropy(), **EXACT)

    def test_sample_covariance(self, pair):
        q, covariance = pair
        n = 20_000
        z = q.sample(q.noise(range(n))).flatten(2) - q.mean.flatten(1)[:, None]
        variance = covariance.diagonal(dim1=1, dim2=2)
        # 1/n sum z_i z_j has standard error sqrt((c_ii c_jj + c_ij^2) / n)
        error = ((variance[:, :, None] * variance[:, None] + covariance**2) / n).sqrt()
        deviation = (z.mT @ z / n - covariance) / error
        assert deviation.abs().max() < 6  # 65,000 entries: 4.2 expected
        assert 0.95 < deviation.square().mean().sqrt() < 1.05
        assert (z.mean(1) / (variance / n).sqrt()).abs().max() < 5

    def test_gradients(self, name):
        grid = (2, 2, 3)
        count = {"D": 1, "C": 3}[name[-1]]
        inputs = [fields(1, 1, grid)[:, 0], *weights(1, grid)[:count]]
        if len(name) > 1:
            inputs.append(fields(2, 1, grid))
        inputs = [i.requires_grad_() for i in inputs]
        z = fields(2, 1, grid)
        local, global_ = torch.randn_like(z), torch.randn(1, 2, 2, dtype=z.dtype)

        def function(mean, *args):
            factor = (DiagonalFactor, SparseFactor)[count > 1](*args[:count])
            q = StructuredGaussian(mean, factor, LowRank(args[-1]) if len(name) > 1 else None)
            noise = type(q.noise([0]))(local, global_)
            return q.sample(noise), q.log_prob(z), q.log_prob_of_noise(noise), q.entropy()

        assert torch.autograd.gradcheck(function, inputs)


def test_a_seed_gives_the_same_sample_in_any_company():
    q, _ = gaussian("LC")
    together, alone = q.sample(q.noise([3, 1, 2])), q.sample(q.noise([2]))
    torch.testing.assert_close(together[:, 2:], alone, **EXACT)


def test_density_without_gradient_does_not_hide_later_gradients():
    q, _ = gaussian("LC")
    columns = q.low_rank.columns.requires_grad_()
    with torch.no_grad():
        q.log_prob(fields())
    q.log_prob(fields()).sum().backward()
    assert columns.grad.abs().max() > 0


def test_zero_low_rank_part_has_finite_gradients():
    columns = torch.zeros(1, RANK, 3, *GRID, dtype=torch.float64, requires_grad=True)
    q = StructuredGaussian(fields(1, 1)[:, 0], SparseFactor(*weights(1)), LowRank(columns))
    (q.log_prob(fields(2, 1)).sum() + q.entropy().sum()).backward()
    assert columns.grad.isfinite().all()


def test_low_rank_products():
    columns = fields(RANK)
    r = columns.flatten(2).mT
    a, x = torch.randn(BATCH, 3, RANK, dtype=torch.float64), fields()
    operator = LowRank(columns)
    torch.testing.assert_close(operator.matmul(a).flatten(2).mT, r @ a.mT, **EXACT)
    torch.testing.assert_close(operator.transpose_matmul(x).mT, r.mT @ x.flatten(2).mT, **EXACT)


@pytest.mark.parametrize("grid", [(4, 3, 5), (1, 1, 6), (5, 1, 1), (1, 4, 3), (2, 6, 1), (1, 1, 1)])
@pytest.mark.parametrize("n", [1, 3, 17])
def test_raster_and_wavefront_agree(grid, n):
    pytest.importorskip("numba")
    w, b = weights(grid=grid), fields(n, grid=grid)
    torch.testing.assert_close(raster.solve_upper(*w, b), wavefront.solve_upper(*w, b), **EXACT)


def test_raster_takes_any_memory_layout():
    pytest.importorskip("numba")
    w, b = weights(), fields(6)
    last = b.movedim(1, -1).contiguous().movedim(-1, 1)
    assert torch.equal(raster.solve_upper(*w, last), raster.solve_upper(*w, b))


def test_without_numba_the_wavefronts_solve(monkeypatch):
    w, b = weights(), fields()
    expected = solve.solve_upper(*w, b)
    monkeypatch.setattr(solve, "_has_numba", lambda: False)
    monkeypatch.setattr(raster, "solve_upper", None)
    torch.testing.assert_close(solve.solve_upper(*w, b), expected, **EXACT)


def test_reading_backwards_twice_is_the_identity():
    diag, off, cross = weights()
    mask = dense_upper(torch.ones_like(diag), off, cross)
    twice = read_backwards(*read_backwards(diag, off, cross))
    assert torch.equal(dense_upper(torch.ones_like(diag), *twice[1:]), mask)
    assert torch.equal(twice[0], diag)


def test_weights_of_neighbours_outside_the_grid_do_nothing():
    diag, off, cross = weights()
    b = fields()
    off[:, :, OFFSETS.index((1, 0, 0)), -1] = 1e6
    off[:, :, OFFSETS.index((0, 1, -1)), :, :, 0] = 1e6
    factor, dense = SparseFactor(diag, off, cross), dense_upper(diag, off, cross)
    expected = (inverse(dense) @ b.flatten(2).mT).mT.reshape(b.shape)
    torch.testing.assert_close(factor.transpose_solve(b), expected, **EXACT)


def test_shapes_that_do_not_match_are_named():
    diag, off, cross = weights()
    with pytest.raises(ValueError, match="needs off"):
        SparseFactor(diag, off[:, :, :12], cross)
    with pytest.raises(ValueError, match="share one shape"):
        StructuredGaussian(fields(1, grid=(4, 3, 4))[:, 0], DiagonalFactor(diag))


def test_a_gaussian_against_itself_has_equal_weights():
    """Importance weights of a proposal equal to its target: log p - log q = 0 for every sample."""
    q, covariance = gaussian("LC")
    z = q.sample(q.noise(range(8)))
    p = MultivariateNormal(q.mean.flatten(1), covariance)
    log_weights = p.log_prob(z.flatten(2).transpose(0, 1)).T - q.log_prob(z)
    assert log_weights.abs().max() < 1e-9
    torch.testing.assert_close(effective_sample_size(log_weights), 8 * torch.ones(BATCH).double())


def test_smooth_noise_has_its_covariance_exactly():
    shape, sd, length = (3, 4, 2), (0.5, 1.0, 2.0), 3.0
    factor = smooth_factor(shape, sd, length)
    upper = dense_upper(factor.diag.double(), factor.off.double(), factor.cross.double())[0]
    covariance = inverse(upper.mT @ upper)
    voxels = torch.cartesian_prod(*(torch.arange(n) for n in shape))
    distance = (voxels[:, None] - voxels).abs().sum(-1)
    expected = torch.block_diag(*(s**2 * torch.exp(-distance / length) for s in sd)).double()
    torch.testing.assert_close(covariance, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [raster, wavefront])
def test_float32_residual_at_the_papers_size(backend):
    if backend is raster:
        pytest.importorskip("numba")
    grid = (72, 80, 96)  # the paper's 96 x 72 x 80, shortest axis first
    w, b = weights(1, grid, torch.float32), fields(2, 1, grid, torch.float32)
    factor = SparseFactor(*w)
    with torch.no_grad():
        residual = factor.transpose_matmul(backend.solve_upper(*w, b)) - b
    assert residual.abs().max() < 1e-5
    # the exact solution is the float64 one: float32 must agree with it to its own precision
    expected = backend.solve_upper(*(a.double() for a in w), b.double())
    x = backend.solve_upper(*w, b)
    assert (x - expected).norm() / expected.norm() < 1e-5


@pytest.mark.slow
def test_float32_density_at_the_papers_size():
    grid = (72, 80, 96)
    w = weights(1, grid, torch.float32)
    columns = 0.05 * fields(5, 1, grid, torch.float32)
    mean, z = fields(2, 1, grid, torch.float32).unbind(1)

    def log_prob(dtype):
        factor = SparseFactor(*(a.to(dtype) for a in w))
        q = StructuredGaussian(mean.to(dtype), factor, LowRank(columns.to(dtype)))
        with torch.no_grad():
            return q.log_prob(z[:, None].to(dtype))

    assert (log_prob(torch.float32) - log_prob(torch.float64)).abs().max() < 1.0  # of 3 million
