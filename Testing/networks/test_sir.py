"""The proposal network and the target density of structured SIR."""

import pytest
from scipy import ndimage

torch = pytest.importorskip("torch")

from UncertainRegLib.gaussian import DiagonalFactor, SparseFactor  # noqa: E402
from UncertainRegLib.networks.sir_unet import COVARIANCES, SirUNet, bounded, stable  # noqa: E402
from UncertainRegLib.networks.target import RegistrationTarget, gradient_energy  # noqa: E402
from UncertainRegLib.networks.upsample import upsample_cubic  # noqa: E402


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


def smooth_image(shape=(24, 24, 24), sigma=2.0):
    noise = torch.rand(shape).numpy()
    image = ndimage.gaussian_filter(noise, sigma)
    image = (image - image.min()) / (image.max() - image.min())
    return torch.from_numpy(image)[None, None]


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_network_gives_the_right_gaussian(covariance):
    net = SirUNet(covariance, rank=4)
    q = net(*torch.rand(2, 2, 1, 16, 24, 8))
    assert q.mean.shape == (2, 3, 8, 12, 4)
    assert q.rank == (4 if "L" in covariance else 0)
    assert isinstance(q.factor, SparseFactor if "C" in covariance else DiagonalFactor)
    assert not any(name.endswith("bias") for name, _ in net.named_parameters())
    assert q.log_prob(q.sample(q.noise([0, 1]))).isfinite().all()


def test_mixed_precision_keeps_the_digits_of_the_gaussian():
    net = SirUNet("LC", rank=3)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        q = net(*torch.rand(2, 1, 1, 16, 16, 16))
    for part in (q.mean, q.factor.diag, q.low_rank.columns):
        assert not torch.equal(part, part.bfloat16().float())


def test_every_parameter_gets_a_gradient():
    net = SirUNet("LC", rank=3)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    q = net(*torch.rand(2, 1, 1, 16, 16, 16))
    (q.sample(q.noise([5])).square().sum() + q.entropy().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_untrained_spread_is_the_asked_one():
    q = SirUNet("D", start_sd=0.3)(*torch.rand(2, 1, 1, 16, 16, 16))
    assert 1 / q.factor.diag.mean().item() == pytest.approx(0.3, rel=1e-3)


def test_a_factor_made_stable_draws_no_explosions():
    """Rows whose off-diagonals outweigh the diagonal grow from voxel to voxel; others stay."""
    grid = (20, 24, 28)
    diag, cross = torch.full((1, 3, *grid), 4.0), torch.zeros(1, 3, *grid)
    off = torch.full((1, 3, 13, *grid), -4.0 * 1.6 / 13)  # as on images of another organ
    noise = torch.randn(1, 4, 3, *grid, generator=torch.Generator().manual_seed(0))
    wild = SparseFactor(diag, off, cross)
    assert wild.transpose_solve(noise).abs().max() > 100
    assert stable(wild).transpose_solve(noise).abs().max() < 10
    calm = SparseFactor(diag, 0.5 * off, cross)
    assert torch.equal(stable(calm).off, calm.off)
    plain = DiagonalFactor(diag)
    assert stable(plain) is plain


def test_bounded_rows():
    diag = 0.5 + torch.rand(1, 3, 4, 4, 4)
    off, cross = 20 * torch.randn(1, 3, 13, 4, 4, 4), 20 * torch.randn(1, 3, 4, 4, 4)
    off, cross = bounded(diag, off, cross, 2.0)
    total = off.abs().sum(2)
    total[:, 0] += cross[:, :2].abs().sum(1)
    total[:, 1] += cross[:, 2].abs()
    assert (total <= 2 * diag).all() and (total > 1.5 * diag).all()
    small = 1e-4 * off
    torch.testing.assert_close(bounded(diag, small, 0 * cross, 2.0)[0], small, rtol=1e-3, atol=0)


def test_wrong_sizes_and_names_are_named():
    with pytest.raises(ValueError, match="multiples of 8"):
        SirUNet("D")(*torch.rand(2, 1, 1, 16, 20, 16))
    with pytest.raises(ValueError, match="not one of"):
        SirUNet("CL")


def test_cubic_upsampling_is_exact_for_linear_fields_inside():
    z, y, x = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) for n in (6, 7, 8)), indexing="ij"
    )
    fine = upsample_cubic(1 + z - 2 * y + 3 * x, (12, 14, 16))
    z, y, x = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) / 2 - 0.25 for n in (12, 14, 16)), indexing="ij"
    )
    inside = (slice(4, -4),) * 3
    torch.testing.assert_close(fine[inside], (1 + z - 2 * y + 3 * x)[inside])
    torch.testing.assert_close(
        upsample_cubic(torch.ones(5, 5, 5), (9, 10, 11)), torch.ones(9, 10, 11)
    )


def test_a_shift_is_warped_along_the_right_axis():
    """moving(x + d) = fixed(x): the likelihood is highest at the true shift (2 voxels)."""
    image = smooth_image()
    for axis in range(3):
        fixed = image.roll(-2, axis + 2)
        target = RegistrationTarget(fixed, image)
        fields = torch.zeros(1, 3, 3, 24, 24, 24)
        fields[0, 1, axis], fields[0, 2, axis] = 2.0, -2.0
        moved = target.warp(fields)[0, 1]
        inside = (slice(6, -6),) * 3
        torch.testing.assert_close(moved[inside], fixed[0, 0][inside], atol=1e-5, rtol=0)
        values = target.log_likelihood(fields)[0]
        assert values.argmax() == 1


def test_likelihood_does_not_depend_on_the_images_resolution():
    """A field on the half grid moves the images as its cubic interpolation does."""
    image = smooth_image((32, 32, 32), 4.0)
    fixed = image.roll(-2, 4)
    half = torch.zeros(1, 1, 3, 16, 16, 16)
    half[:, :, 2] = 1.0  # one voxel of the half grid
    full = torch.zeros(1, 1, 3, 32, 32, 32)
    full[:, :, 2] = 2.0
    target = RegistrationTarget(fixed, image)
    torch.testing.assert_close(target.warp(half), target.warp(full), atol=1e-4, rtol=0)
    ratio = target.log_likelihood(full) / target.log_likelihood(half)
    assert ratio.item() == pytest.approx(8, rel=1e-3)  # in proportion to the unknowns of Z


def test_ncc_of_an_image_with_a_linear_function_of_itself_is_one():
    image = smooth_image(sigma=1.0)
    target = RegistrationTarget(image, image)
    ncc = target.squared_ncc(1 - 0.5 * image)
    assert ncc.max() <= 1 + 1e-4 and ncc.mean() > 0.99
    assert target.squared_ncc(torch.rand_like(image)).mean() < 0.1


def test_diffusion_energy_of_a_linear_field():
    z = torch.arange(4.0).view(4, 1, 1).expand(1, 1, 3, 4, 3, 2)
    assert gradient_energy(z) == pytest.approx(3 * 3 * 3 * 2)  # 3 components, 3 steps, 3 x 2 lines
    target = RegistrationTarget(*torch.rand(2, 1, 1, 8, 8, 8), smoothness=2.0)
    assert target.log_prior(z) == pytest.approx(-54)


def test_gradient_of_the_target():
    fixed, moving = torch.rand(2, 1, 1, 6, 6, 6, dtype=torch.float64)
    target = RegistrationTarget(fixed, moving, window=3)
    z = 0.3 * torch.rand(1, 1, 3, 3, 3, 3, dtype=torch.float64) + 0.1
    assert torch.autograd.gradcheck(target.log_prob, z.requires_grad_(), atol=1e-4)
