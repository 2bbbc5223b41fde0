"""VoxelMorph networks: names of published weights, integration, the probabilistic variant."""

import re

import numpy as np
import pytest
from scipy.signal import correlate

torch = pytest.importorskip("torch")

from UncertainRegLib.networks import keras, voxelmorph  # noqa: E402
from UncertainRegLib.networks.voxelmorph import VxmDense, VxmPairwise, from_state  # noqa: E402
from UncertainRegLib.networks.warp import integrate, resize_field, warp  # noqa: E402

SHAPE = (32, 64, 32)


def randomised(network):
    torch.manual_seed(0)
    with torch.no_grad():
        torch.nn.init.normal_(network.flow.weight, std=0.5)
    return network.eval()


def published(network):
    """The state dict as the voxelmorph package would name it."""
    names = {
        "down": "model.downsampling_conv_blocks.{}.conv_block.conv0",
        "up": "model.upsampling_conv_blocks.{}.conv_block.conv0",
        "lowest": "model.lowest_resolution_conv_block.conv0",
        "out": "model.out_layer.conv0",
        "flow": "flow_layer.conv0",
    }
    if isinstance(network, VxmDense):
        kinds = (
            ("downarm", "uparm", "extras")
            if network.strided
            else ("encoder", "decoder", "remaining")
        )
        middle = "" if network.strided else ".0"
        names = {
            "encoder": f"unet_model.{kinds[0]}.{{}}{middle}.main",
            "decoder": f"unet_model.{kinds[1]}.{{}}{middle}.main",
            "remaining": f"unet_model.{kinds[2]}.{{}}.main",
            "flow": "flow",
        }
    state = {"transformer.grid": torch.zeros(1)}
    for name, value in network.state_dict().items():
        part, *index, kind = name.split(".")
        state[f"{names.get(part, part).format(*index)}.{kind}"] = value
    return state


NETWORKS = {
    "pairwise": (lambda: VxmPairwise(), {}),
    "dense": (lambda: VxmDense(), {}),
    "dense, no integration": (lambda: VxmDense(int_steps=0), {"int_steps": 0}),
    "dense, strided": (
        lambda: VxmDense((8, 32, 32, 32), (32, 32, 32, 32, 32, 8, 8), strided=True, int_steps=0),
        {"int_steps": 0},
    ),
    "dense, half resolution": (lambda: VxmDense((16,) * 4, (16,) * 6, half_resolution=True), {}),
}


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_published_names_give_the_same_field(name):
    build, settings = NETWORKS[name]
    network = randomised(build())
    moving, fixed = torch.rand(2, 1, 1, *SHAPE, generator=torch.Generator().manual_seed(1))
    expected = network(moving, fixed)
    loaded = from_state(published(network), **settings).eval()
    field = loaded.to(memory_format=torch.channels_last_3d)(moving, fixed)
    assert field.shape == (1, 3, *SHAPE) and float(field.abs().max()) > 0.1
    assert torch.allclose(field, expected, atol=1e-3)


def test_other_weights_are_refused():
    with pytest.raises(ValueError, match="fit no VoxelMorph network"):
        from_state({"levels.0.weight": torch.zeros(3)})


@torch.no_grad()
def test_probabilistic_draws_have_the_predicted_spread():
    network = randomised(VxmDense((8, 8), (8, 8, 8), probabilistic=True, int_steps=0))
    network.log_sigma.weight.zero_()
    network.log_sigma.bias.fill_(2 * np.log(0.3))
    moving, fixed = torch.rand(2, 1, 1, 16, 16, 16)
    mean = network(moving, fixed, draw=False)
    torch.manual_seed(5)
    draws = torch.stack([network(moving, fixed) for _ in range(40)])
    assert torch.equal(mean, network(moving, fixed, draw=False))
    assert abs(float((draws - mean).std()) - 0.3) < 0.005


@torch.no_grad()
def test_integration_of_linear_velocity_is_the_exponential():
    shape, rate = (25, 21, 23), 0.2
    axes = torch.meshgrid(*[torch.arange(n) - (n - 1) / 2 for n in shape], indexing="ij")
    offsets = torch.stack(axes)[None]
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8), slice(8, -8))
    displacement = integrate(-rate * offsets, 7)  # a contraction: nothing comes from outside
    assert torch.allclose(displacement[inner], ((np.exp(-rate) - 1) * offsets)[inner], atol=5e-3)
    constant = torch.ones(1, 3, *shape)
    assert torch.allclose(integrate(constant, 7, "border"), constant, atol=1e-5)


@torch.no_grad()
def test_resizing_a_field_keeps_the_map():
    coarse = torch.zeros(1, 3, 9, 9, 9)
    coarse[:, 1] = torch.linspace(0, 2, 9).view(9, 1)  # linear along its own axis
    fine = resize_field(coarse, 2)
    assert fine.shape[2:] == (18, 18, 18)
    assert torch.allclose(fine[0, 1, 4, :, 4], torch.linspace(0, 4, 18), atol=1e-5)


@torch.no_grad()
def test_warp_moves_along_the_array_axes():
    image = torch.zeros(1, 1, 7, 8, 9)
    image[0, 0, 2, 5, 3] = 1.0
    displacement = torch.zeros(1, 3, 7, 8, 9)
    displacement[:, 0], displacement[:, 1], displacement[:, 2] = 1.0, 2.0, -3.0
    where = warp(image, displacement)[0, 0].argmax()
    assert tuple(np.unravel_index(int(where), (7, 8, 9))) == (1, 3, 6)


def test_keras_weights_are_converted(tmp_path):
    h5py = pytest.importorskip("h5py")
    network = VxmDense((4, 6), (6, 5, 3), int_steps=0)
    layers = {
        "encoder.0": "unet_enc_conv_0_0",
        "encoder.1": "unet_enc_conv_1_0",
        "decoder.0": "unet_dec_conv_1_0",
        "decoder.1": "unet_dec_conv_0_0",
        "remaining.0": "unet_dec_final_conv_0",
        "flow": "flow",
    }
    path = tmp_path / "network.h5"
    with h5py.File(path, "w") as file:
        for name, value in network.state_dict().items():
            part, kind = name.rsplit(".", 1)
            value = value.numpy()
            if kind == "weight":
                value = np.moveaxis(value, (0, 1), (-1, -2))
            layer = f"vxm_dense_{layers[part]}"
            kind = {"weight": "kernel:0", "bias": "bias:0"}[kind]
            file[f"model_weights/{layer}/{layer}/{kind}"] = value
    state = keras.read_state(path)
    assert set(state) == set(network.state_dict())
    assert all(torch.equal(state[k], v) for k, v in network.state_dict().items())
    assert isinstance(from_state(state, padding="border"), VxmDense)
    (tmp_path / "text.h5").write_text("not HDF5", "utf-8")
    with pytest.raises(ValueError, match=re.escape("is not a readable HDF5 file")):
        keras.read_state(tmp_path / "text.h5")


def write_classic(path, network, first, flow):
    """A file as Keras 2.2 wrote the networks of 2018: numbered layers, kernels (z, y, x, in, out)."""
    h5py = pytest.importorskip("h5py")
    convs = [*network.encoder, *network.decoder, *network.remaining]
    layers = {f"conv3d_{first + n}": f"conv3d_{first + n}" for n in range(len(convs))}
    named = dict(zip(layers.values(), convs)) | {flow: network.flow}
    if network.log_sigma is not None:
        named["log_sigma_19"] = network.log_sigma
    with h5py.File(path, "w") as file:
        for name, conv in named.items():
            group = re.sub(r"(flow|log_sigma)_\d+", r"\1", name)
            kernel = np.moveaxis(conv.weight.detach().numpy(), (0, 1), (-1, -2))
            file[f"model_weights/{group}/{name}/kernel:0"] = kernel
            file[f"model_weights/{group}/{name}/bias:0"] = conv.bias.detach().numpy()


def layer(convs, x, n, stride=1):
    """By scipy: a convolution of Keras ("same": of stride 2 one voxel of zeros after), leaky."""
    weight, bias = (v.detach().numpy() for v in (convs[n].weight, convs[n].bias))
    pad = (0, 1) if stride == 2 else (1, 1)
    x = np.pad(x, ((0, 0), pad, pad, pad))
    out = [
        sum(correlate(x[i], weight[o, i], mode="valid") for i in range(len(x))) + bias[o]
        for o in range(len(weight))
    ]
    return np.stack(out)[:, ::stride, ::stride, ::stride]


@torch.no_grad()
def test_the_classic_probabilistic_network_is_read_and_computes_as_keras_did(tmp_path):
    """Against the layers written out: sides of strided padding, skips, velocity of half size."""
    net = VxmDense(
        (2, 3, 3, 3), (3, 3, 3, 3, 2), True, True, one_sided=True, probabilistic=True, int_steps=0
    )
    randomised(net)
    path = tmp_path / "miccai2018.h5"
    write_classic(path, net, 98, "flow_27")  # conv3d_98 ... conv3d_106: no order of the alphabet
    settings = keras.read_settings(path)
    assert settings == {"strided": True, "one_sided": True, "int_steps": 7}
    loaded = from_state(keras.read_state(path), **settings, padding="border").eval()
    assert (loaded.half_resolution, loaded.int_downsize, loaded.half_convs) == (True, 2, 0)
    images = np.random.default_rng(0).random((2, 16, 32, 16)).astype(np.float32)

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    def up(x, skip):
        return np.concatenate((x.repeat(2, 1).repeat(2, 2).repeat(2, 3), skip))

    convs = [*net.encoder, *net.decoder, *net.remaining]
    levels = [images]
    for n in range(4):
        levels.append(leaky(layer(convs, levels[-1], n, 2)))
    x = leaky(layer(convs, levels[4], 4))
    for n, skip in ((5, 3), (6, 2), (7, 1)):
        x = leaky(layer(convs, up(x, levels[skip]), n))
    x = leaky(layer(convs, x, 8))
    velocity = layer([net.flow], x, 0)
    assert velocity.shape == (3, 8, 16, 8)
    displacement = integrate(torch.from_numpy(velocity).float()[None], 7, "border")
    expected = resize_field(displacement, 2)
    found = loaded(*torch.from_numpy(images)[:, None, None], draw=False)
    assert float(found.abs().max()) > 0.5
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("widths", [(8, 8), (8, 6, 6)], ids=["vm1", "vm2"])
def test_the_classic_networks_of_2018_with_a_full_displacement_are_read(tmp_path, widths):
    """One convolution at half size before the images come in again, then those of full size."""
    net = VxmDense(
        (4, 5, 5, 5), (5, 5, 5, 5, *widths), True, half_convs=1, one_sided=True, int_steps=0
    )
    randomised(net)
    path = tmp_path / "cvpr2018.h5"
    write_classic(path, net, 245, "flow_33")
    settings = keras.read_settings(path)
    assert settings["int_steps"] == 0
    loaded = from_state(keras.read_state(path), **settings, padding="border").eval()
    assert (loaded.half_convs, loaded.half_resolution, loaded.strided) == (1, False, True)
    moving, fixed = torch.rand(2, 1, 1, 16, 32, 16)
    found = loaded(moving, fixed)
    assert found.shape == (1, 3, 16, 32, 16)
    torch.testing.assert_close(found, net(moving, fixed))


def test_checkpoints_are_unwrapped_and_never_executed(tmp_path):
    from UncertainRegLib.networks.checkpoint import read_state

    weights = {"module.flow.weight": torch.ones(2)}
    torch.save({"state_dict": weights, "optimizer": {"lr": 0.1}}, tmp_path / "wrapped.pth")
    assert list(read_state(tmp_path / "wrapped.pth")) == ["flow.weight"]
    torch.save(voxelmorph.VxmDense((4,), (4,)), tmp_path / "module.pth")  # a pickled class
    with pytest.raises(ValueError, match=r"module\.pth cannot be read"):
        read_state(tmp_path / "module.pth")
    (tmp_path / "short.pth").write_bytes((tmp_path / "wrapped.pth").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"short\.pth cannot be read"):
        read_state(tmp_path / "short.pth")
