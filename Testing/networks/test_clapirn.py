"""Conditional LapIRN: against a plain twin, in both memory layouts, and with its real weights."""

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")
F = torch.nn.functional

from UncertainRegLib.networks.checkpoint import read_state  # noqa: E402
from UncertainRegLib.networks.clapirn import ConditionalLapIRN  # noqa: E402
from UncertainRegLib.networks.warp import points_of, sample  # noqa: E402

WEIGHTS = "LDR_OASIS_NCC_unit_disp_add_fea4_reg01_10_lite_stagelvl3_60000.pth"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ConditionalLapIRN().eval()


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(1, 1, 16, 24, 32, generator=generator) for _ in range(2)]


def twin(state, moving, fixed, smoothness, levels=3):
    """The network once more, straight from the names and shapes of its weights."""

    def block(x, name):
        latent = torch.tensor([[smoothness]])
        for layer in (0, 2, 4, 6):
            latent = F.leaky_relu(
                F.linear(
                    latent,
                    state[f"{name}.mapping.{layer}.weight"],
                    state[f"{name}.mapping.{layer}.bias"],
                ),
                0.2,
            )
        out = x
        for norm, conv in (("ai1", "conv1"), ("ai2", "conv2")):
            style = F.linear(
                latent, state[f"{name}.{norm}.style.weight"], state[f"{name}.{norm}.style.bias"]
            )
            gamma, beta = style[..., None, None, None].chunk(2, 1)
            out = F.leaky_relu((1 + gamma) * F.instance_norm(out) + beta, 0.2)
            out = F.conv3d(out, state[f"{name}.{conv}.weight"], padding=1)
        return out + x

    def level(inputs, embedding, name):
        shallow = F.conv3d(inputs, state[f"{name}.input_encoder_lvl1.0.weight"], padding=1)
        shallow = F.conv3d(
            F.leaky_relu(shallow, 0.2), state[f"{name}.input_encoder_lvl1.2.weight"], padding=1
        )
        deep = F.conv3d(shallow, state[f"{name}.down_conv.weight"], stride=2, padding=1)
        deep = deep if embedding is None else deep + embedding
        for index in (0, 2, 4, 6, 8):
            deep = F.leaky_relu(block(deep, f"{name}.resblock_group_lvl1.{index}"), 0.2)
        deep = F.conv_transpose3d(deep, state[f"{name}.up.weight"], stride=2)
        out = F.conv3d(
            torch.cat((deep, shallow), 1), state[f"{name}.output_lvl1.0.weight"], padding=1
        )
        out = F.conv3d(F.leaky_relu(out, 0.2), state[f"{name}.output_lvl1.2.weight"], padding=1)
        return 0.4 * F.softsign(out), deep

    def halved(image, times):
        for _ in range(times):
            image = F.avg_pool3d(image, 3, 2, 1, count_include_pad=False)
        return image

    field, embedding = level(torch.cat((halved(moving, 2), halved(fixed, 2)), 1), None, "levels.0")
    for index in range(1, levels):
        source, target = halved(moving, 2 - index), halved(fixed, 2 - index)
        field = F.interpolate(field, scale_factor=2, mode="trilinear", align_corners=False)
        axes = [torch.linspace(-1, 1, n) for n in target.shape[2:]]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], -1)
        warped = F.grid_sample(
            source, grid + field.permute(0, 2, 3, 4, 1), align_corners=True, padding_mode="border"
        )
        change, embedding = level(
            torch.cat((warped, target, field), 1), embedding, f"levels.{index}"
        )
        field = field + change
    return field


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@torch.no_grad()
def test_field_equals_the_plain_twin(network, pair, layout):
    expected = twin(network.state_dict(), *pair, 0.3)
    field = network.to(memory_format=layout)(*pair, 0.3)
    assert float(expected.abs().max()) > 1e-3
    assert torch.allclose(field, expected, atol=1e-5)


@pytest.mark.parametrize("levels", [1, 2])
@torch.no_grad()
def test_fewer_levels_are_those_before_the_finest(network, pair, levels):
    expected = twin(network.state_dict(), *pair, 0.3, levels)
    field = network(*pair, 0.3, levels)
    assert field.shape[2:] == tuple(n >> 3 - levels for n in pair[0].shape[2:])
    assert torch.allclose(field, expected, atol=1e-5)


@torch.no_grad()
def test_smoothness_and_order_of_the_images_matter(network, pair):
    field = network(*pair, 0.0)
    assert not torch.allclose(field, network(*pair, 1.0), atol=1e-5)
    assert not torch.allclose(field, network(*reversed(pair), 0.0), atol=1e-5)


def test_gradients_flow_through_both_layouts(network, pair):
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        moving = pair[0].clone().requires_grad_()
        network.to(memory_format=layout)(moving, pair[1], 0.5).square().sum().backward()
        assert bool(moving.grad.isfinite().all()) and float(moving.grad.abs().max()) > 0


def test_sizes_must_be_multiples_of_eight(network):
    image = torch.zeros(1, 1, 16, 20, 16)
    with pytest.raises(ValueError, match="multiples of 8"):
        network(image, image, 0.1)


def test_other_weights_are_refused(network):
    with pytest.raises(ValueError, match="not the weights of the light"):
        network.load_published({"flow.weight": torch.zeros(3)})


@pytest.mark.slow
@torch.inference_mode()
def test_real_weights_register_two_brains(shared_data):
    network = ConditionalLapIRN()
    network.load_published(read_state(shared_data / "weights" / "clapirn" / WEIGHTS))
    network.eval().to(memory_format=torch.channels_last_3d)
    folder = shared_data / "brain_t1_inter"

    def read(name):  # the network's axes are (i, j, k)
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / name))).transpose(2, 1, 0)
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[None, None]

    def unit(image):
        return (image - image.min()) / (image.max() - image.min())

    field = network(unit(read("subC_aligned_t1.nii.gz")), unit(read("subA_t1.nii.gz")), 0.1)
    scale = torch.tensor([(n - 1) / 2 for n in field.shape[:1:-1]]).view(1, 3, 1, 1, 1)
    points = points_of((field * scale).flip(1))
    fixed, moving = read("subA_seg13.nii.gz"), read("subC_aligned_seg13.nii.gz")
    dice = []
    for label in range(1, 14):
        member = sample((moving == label).float(), points) > 0.5
        here = fixed == label
        dice.append(2 * float((member & here).sum()) / float(member.sum() + here.sum()))
    assert np.mean(dice) >= 0.79
