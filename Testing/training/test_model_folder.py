"""A trained model is one folder: written whole, read back, refused when damaged."""

import json

import pytest

pytest.importorskip("torch")

import torch

from UncertainRegLib.training.model_folder import load_model, provenance, save_model


def saved(out, **changes):
    image = out.parent / "image.nrrd"
    image.write_bytes(b"an image")
    weights = {f"member-{i}": torch.nn.Linear(2, 1).state_dict() for i in range(2)}
    made_of = provenance([image], steps=3, seed=1, threads=2, loss="NLCC", licence="CC0")
    save_model(
        out,
        **{
            "kind": "bootstrap",
            "network": {"name": "voxelmorph"},
            "weights": weights,
            "grid_shape": (8, 16, 8),
            "spacing_mm": 1.0,
            "intensity": "minmax",
            "provenance": made_of,
            **changes,
        },
    )
    return weights


def test_what_is_saved_is_loaded(tmp_path):
    weights = saved(tmp_path / "model")
    manifest, states = load_model(tmp_path / "model")
    assert manifest["schema"] == "uncertainreg-model/1"
    assert (manifest["kind"], manifest["members"]) == ("bootstrap", ["member-0", "member-1"])
    assert manifest["grid"] == {"shape": [8, 16, 8], "spacing_mm": 1.0, "axes": None}
    assert manifest["provenance"]["data"][0]["file"] == "image.nrrd"
    assert len(manifest["provenance"]["data"][0]["sha256"]) == 64
    assert "torch" in manifest["provenance"]["versions"]
    assert all(torch.equal(weights[m][k], states[m][k]) for m in weights for k in weights[m])


def test_an_unknown_intensity_rule_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not one of minmax"):
        saved(tmp_path / "model", intensity="squared")


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="is not a trained model"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.json").write_text("{", "utf-8"), "not valid JSON"),
        (
            lambda folder: (folder / "model.json").write_text('{"schema": "other/1"}', "utf-8"),
            "schema",
        ),
        (lambda folder: (folder / "weights.pt").write_bytes(b"x"), "not the file"),
        (lambda folder: (folder / "weights.pt").unlink(), "missing"),
    ],
)
def test_a_damaged_folder_is_one_sentence(tmp_path, damage, message):
    saved(tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "model")


def test_a_manifest_that_lacks_something_names_it(tmp_path):
    saved(tmp_path / "model")
    file = tmp_path / "model/model.json"
    content = json.loads(file.read_text("utf-8"))
    del content["grid"]
    file.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match="lacks 'grid'"):
        load_model(tmp_path / "model")
