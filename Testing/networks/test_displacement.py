"""The displacement networks that are trained here, in 3-D and 2-D, and their uncertainty heads."""

import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.networks.diffusemorph import displace, displacement_net  # noqa: E402
from UncertainRegLib.networks.displacement import LOG_SCALE, DisplacementNet, fold, unfold  # noqa: E402
from UncertainRegLib.networks.unet import UNet  # noqa: E402
from UncertainRegLib.training.published import PUBLISHED  # noqa: E402

TINY = {"encoder": (4, 4), "decoder": (4, 4, 4)}
TINY_TRANSMORPH = {
    "backbone": "transmorph",
    "transmorph": {"channels": 8, "window": (2, 2, 2), "heads": (2, 2, 2, 2), "head_channels": 4},
}


def images(shape):
    g = torch.Generator().manual_seed(0)
    return [torch.rand((1, 1, *shape), generator=g) for _ in range(2)]


@pytest.mark.parametrize("sizes", [TINY, TINY_TRANSMORPH])
@pytest.mark.parametrize("shape", [(8, 12, 16), (7, 9, 10)])
def test_any_size_is_registered_and_training_begins_at_the_identity(sizes, shape):
    torch.manual_seed(0)
    network = DisplacementNet(**sizes)
    displacement = network(*images(shape))
    assert displacement.shape == (1, 3, *shape)
    assert 0 < displacement.abs().max() < 1e-2


def test_a_network_is_made_again_from_its_settings():
    first = DisplacementNet(**TINY, classes=3, refine=True, dropout=0.1, int_steps=2)
    again = DisplacementNet(**first.settings)
    again.load_state_dict(first.state_dict())
    first.eval(), again.eval()
    assert torch.equal(first(*images((8, 8, 8))), again(*images((8, 8, 8))))


def test_a_slice_is_displaced_within_its_plane():
    network = DisplacementNet(**TINY, ndim=2, int_steps=3)
    torch.nn.init.normal_(network.flow.weight, std=0.5)
    displacement = network(*images((1, 12, 16)))
    assert displacement.shape == (1, 3, 1, 12, 16)
    assert torch.all(displacement[:, 0] == 0)
    assert torch.isfinite(displacement).all() and displacement[:, 1:].abs().max() > 0.1


@pytest.mark.parametrize("sizes", [TINY, TINY_TRANSMORPH])
def test_dropout_draws_in_training_mode_only(sizes):
    torch.manual_seed(0)
    network = DisplacementNet(**sizes, dropout=0.5)
    torch.nn.init.normal_(network.flow.weight, std=0.5)
    pair = images((8, 12, 16))
    network.eval()
    assert torch.equal(network(*pair), network(*pair))
    network.train()
    assert not torch.equal(network(*pair), network(*pair))


def test_mixed_precision_ends_with_the_features():
    network = DisplacementNet(**TINY, classes=2, refine=True)
    labels = torch.rand(1, 2, 8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = network.predict(*images((8, 8, 8)), labels)
    assert {part.dtype for part in found} == {torch.float32}


@pytest.mark.parametrize("backbone", ["voxelmorph", "diffusemorph"])
def test_mixed_precision_keeps_the_digits_of_a_displacement(backbone):
    """Also in training: bfloat16 has steps of 1/32 voxel at displacements of 4 to 8 voxels."""
    network = displacement_net(**{**TINY, "backbone": backbone})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = displace(network, *images((8, 8, 8)))
    assert not torch.equal(found, found.bfloat16().float())


def test_blocks_are_folded_and_unfolded():
    x = torch.arange(2 * 3 * 4 * 6 * 8.0).view(2, 3, 4, 6, 8)
    folded = fold(x, 2)
    assert torch.equal(folded[1, 8:16, 1, 2, 3], x[1, 1, 2:4, 4:6, 6:8].flatten())
    assert torch.equal(unfold(folded, 2), x)


def test_blocks_displace_every_voxel_and_need_their_multiple():
    network = DisplacementNet(**TINY, blocks=2)
    torch.nn.init.zeros_(network.flow.weight)
    torch.nn.init.constant_(network.flow.bias, 1.5)
    displacement = network(*images((8, 16, 8)))
    assert displacement.shape == (1, 3, 8, 16, 8)
    assert torch.allclose(displacement, torch.tensor(3.0))  # voxels of the image, not blocks
    with pytest.raises(ValueError, match="multiples of"):
        network(*images((8, 12, 8)))


@pytest.mark.parametrize("blocks", [1, 2])
def test_heads_begin_at_the_warped_labels_and_stay_in_bounds(blocks):
    torch.manual_seed(0)
    network = DisplacementNet(**TINY, classes=2, refine=True, blocks=blocks)
    features = network.features(*images((8, 8, 8)))
    warped = torch.rand(1, 1, 8, 8, 8)
    warped = torch.cat((warped, 1 - warped), 1)
    refined = network.refine(features, warped)
    assert torch.allclose(refined, warped, atol=2e-3)  # up to the smallest membership
    torch.nn.init.normal_(network.refine.second.weight)
    assert torch.allclose(network.refine(features, warped).sum(1), torch.tensor(1.0))
    scale = network.log_scale(1e4 * features)
    assert scale.shape == (1, 2, 8, 8, 8) and scale.abs().max() <= LOG_SCALE


def test_a_unet_ends_with_what_it_is_asked_for():
    x = torch.rand(1, 1, 1, 8, 8)
    assert UNet(1, 5, **TINY, ndim=2)(x).shape == (1, 5, 1, 8, 8)
    assert UNet(1, 0, **TINY, ndim=2)(x).shape == (1, 4, 1, 8, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "other"}, "not one of"),
        ({"downsize": 2}, "needs integration steps"),
        ({"backbone": "transmorph", "blocks": 2}, "Blocks are for"),
        ({"encoder": (4,), "decoder": (4,)}, "more entries"),
    ],
)
def test_wrong_settings_are_one_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        DisplacementNet(**settings)


@pytest.mark.parametrize(
    ("backbone", "weights"), [("voxelmorph", 327_331), ("transmorph", 46_771_251)]
)
def test_published_sizes_have_the_published_number_of_weights(backbone, weights):
    with torch.device("meta"):
        network = DisplacementNet(backbone, **{"transmorph": None, **PUBLISHED[backbone](3)})
    assert sum(parameter.numel() for parameter in network.parameters()) == weights


def test_a_velocity_is_integrated_at_half_the_resolution():
    """A smooth velocity, so that both resolutions lead to the same place; and a constant one."""
    full = DisplacementNet(**TINY, int_steps=7)
    half = DisplacementNet(**TINY, int_steps=7, downsize=2)
    line = torch.linspace(0, torch.pi, 33)
    bump = torch.sin(line)[:, None, None] * torch.sin(line)[:, None] * torch.sin(line)
    velocity = 2.0 * bump * torch.tensor([1.0, -0.5, 0.25]).view(1, 3, 1, 1, 1)
    found, expected = half._integrated(velocity), full._integrated(velocity)
    assert found.shape == velocity.shape and expected.abs().max() > 1.5
    assert (found - expected).abs().max() < 0.05
    for sizes in ((11, 12, 15), (1, 10, 11)):  # odd ones, and a slice
        constant = torch.full((1, 3, *sizes), 0.25)
        if sizes[0] == 1:
            constant[:, 0] = 0  # as a network has it: nothing leaves its slice
        far = half._integrated(constant)[:, 1:, sizes[0] // 2, :5, :5]  # from where zero comes in
        assert torch.allclose(far, torch.tensor(0.25), atol=5e-4)


def test_diffusemorph_as_published_is_told_the_time_and_made_again():
    torch.manual_seed(0)
    settings = PUBLISHED["diffusemorph"](2)
    network = displacement_net("diffusemorph", **settings, ndim=2)
    pair = images((1, 12, 18))
    score = network.diffusion(torch.cat((*pair, pair[0]), 1), torch.tensor([3]))
    other = network.diffusion(torch.cat((*pair, pair[0]), 1), torch.tensor([900]))
    assert score.shape == pair[0].shape and not torch.allclose(score, other)
    again = displacement_net(**network.settings)
    again.load_state_dict(network.state_dict())
    assert torch.equal(network(*pair), again(*pair))
    displacement, loss = network.diffuse(*pair)
    assert displacement.shape == (1, 3, 1, 12, 18) and 0.5 < loss.item() < 5


def test_transmorph_in_a_slice_stays_in_its_plane_and_sees_all_of_it():
    torch.manual_seed(0)
    network = DisplacementNet(**TINY_TRANSMORPH, ndim=2)
    torch.nn.init.normal_(network.flow.weight, std=0.5)
    moving, fixed = images((1, 40, 64))
    before = network(moving, fixed)
    assert before.shape == (1, 3, 1, 40, 64)
    assert torch.all(before[:, 0] == 0) and before[:, 1:].abs().max() > 0.1
    fixed[..., 0, 0] += 1  # windows, shifted and merged, join the corners
    assert (network(moving, fixed) - before)[..., -8:, -8:].abs().max() > 0
