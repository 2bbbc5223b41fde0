"""TransMorph: shifted windows, published names, and dropout that can be switched off."""

import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.networks.transmorph import Attention, Block, TransMorph, _merge, _partition  # noqa: E402

SMALL = {"channels": 12, "window": (2, 2, 2), "heads": (2, 2, 2, 2), "head_channels": 4}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = TransMorph(**SMALL).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bias_table" in name or "reg_head" in name:
                torch.nn.init.normal_(parameter, std=0.5)
    return network


def test_windows_partition_and_merge():
    x = torch.arange(2 * 4 * 6 * 4 * 3.0).view(2, 4, 6, 4, 3)
    tokens = _partition(x, (2, 3, 2))
    assert tokens.shape == (2 * 8, 12, 3)
    assert torch.equal(tokens[0, :, 0].view(2, 3, 2), x[0, :2, :3, :2, 0])
    assert torch.equal(_merge(tokens, (2, 3, 2), x.shape), x)


@torch.no_grad()
def test_attention_equals_its_definition():
    torch.manual_seed(1)
    attention = Attention(8, (2, 3, 2), 2).eval()
    torch.nn.init.normal_(attention.relative_position_bias_table)
    x = torch.randn(3, 12, 8)
    q, k, v = attention.qkv(x).view(3, 12, 3, 2, 4).permute(2, 0, 3, 1, 4)
    corners = torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(2))
    expected = torch.zeros(3, 2, 12, 4)
    for head in range(2):
        bias = torch.zeros(12, 12)
        for a in range(12):
            for b in range(12):
                z, y, w = (corners[a] - corners[b]) + torch.tensor([1, 2, 1])
                bias[a, b] = attention.relative_position_bias_table[z * 15 + y * 3 + w, head]
        weights = torch.softmax(q[:, head] @ k[:, head].mT / 2 + bias, -1)
        expected[:, head] = weights @ v[:, head]
    expected = attention.proj(expected.transpose(1, 2).reshape(3, 12, 8))
    assert torch.allclose(attention(x, None, 0.0), expected, atol=1e-5)


@torch.no_grad()
def test_shifted_windows_do_not_join_opposite_borders():
    torch.manual_seed(2)
    block = Block(8, (2, 2, 2), 2, shifted=True).eval()
    x = torch.randn(1, 4, 4, 4, 8)
    changed = x.clone()
    changed[:, 0] += torch.randn(1, 4, 4, 8)  # the first plane is its own window after the shift
    difference = (block(changed, 0.0) - block(x, 0.0)).abs().amax((0, 2, 3, 4))
    assert float(difference[0]) > 1e-3 and float(difference[1:].max()) < 1e-5


@torch.no_grad()
def test_dropout_is_off_at_rate_zero_and_seeded(network):
    moving, fixed = torch.rand(2, 1, 1, 32, 64, 32)
    still = network(moving, fixed)
    assert still.shape == (1, 3, 32, 64, 32) and float(still.abs().max()) > 0.1
    assert torch.equal(still, network(moving, fixed))
    torch.manual_seed(3)
    first, second = (network(moving, fixed, rate=0.15) for _ in range(2))
    torch.manual_seed(3)
    assert torch.equal(first, network(moving, fixed, rate=0.15))
    assert not torch.allclose(first, second)
    last = network.to(memory_format=torch.channels_last_3d)(moving, fixed)
    assert torch.allclose(last, still, atol=1e-3)


def test_published_names_of_both_variants_are_understood(network):
    state = network.state_dict()
    plain = {
        **state,
        "spatial_trans.grid": torch.zeros(1),
        "transformer.layers.0.blocks.0.attn.relative_position_index": torch.zeros(1),
    }
    bayes = {f"net.{name}": value for name, value in plain.items() if "reg_head" not in name}
    bayes |= {
        f"net.{name}": torch.zeros_like(value)
        for name, value in state.items()
        if "reg_head" in name
    }
    bayes |= {name: value for name, value in state.items() if "reg_head" in name}
    bayes["net.sigma_head.0.weight"] = torch.zeros(1)
    for published in (plain, bayes):
        other = TransMorph(**SMALL)
        other.load_published(published)
        assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), state.values()))
    with pytest.raises(ValueError, match="not the weights of TransMorph"):
        other.load_published({"flow.weight": torch.zeros(1)})
