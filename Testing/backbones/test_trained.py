"""Models that were trained here: as backbones, in lists, and in whole runs with their maps."""

import json

import numpy as np
import pytest

from support.trained_models import TINY, write_images

torch = pytest.importorskip("torch")

from UncertainRegLib import backbones  # noqa: E402
from UncertainRegLib.__main__ import main  # noqa: E402
from UncertainRegLib.backbones.checks import verify  # noqa: E402
from UncertainRegLib.backbones.models import folder_of, install_model  # noqa: E402
from UncertainRegLib.backbones.registry import BackboneError  # noqa: E402
from UncertainRegLib.backbones.trained import class_of  # noqa: E402
from UncertainRegLib.geometry import Grid, Image, read_image  # noqa: E402
from UncertainRegLib.geometry.landmarks import write_points  # noqa: E402
from UncertainRegLib.metrics.correlation import auroc  # noqa: E402
from UncertainRegLib.metrics.protocols import SIR  # noqa: E402
from UncertainRegLib.networks.diffusemorph import displacement_net  # noqa: E402
from UncertainRegLib.networks.unet import UNet  # noqa: E402
from UncertainRegLib.samplers import create_sampler, listing, sampler_class  # noqa: E402
from UncertainRegLib.training.model_folder import save_model  # noqa: E402

KINDS = {
    "voxelmorph": [],
    "predictive": [],
    "dropout": [],
    "bootstrap": ["--members", "3", "--predictive"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with images, labels and a model of each kind, hardly trained."""
    folder = tmp_path_factory.mktemp("trained")
    images, labels = write_images(folder)
    for kind, options in KINDS.items():
        assert (
            main(
                [
                    "train",
                    kind,
                    "--images",
                    str(images),
                    "--labels",
                    str(labels),
                    "--out",
                    str(folder / kind),
                    "--steps",
                    "4",
                    "--rate",
                    "0.01",
                    *TINY,
                    *options,
                ]
            )
            == 0
        )
    return folder


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCERTAINREG_WEIGHTS", str(tmp_path / "store"))
    return tmp_path / "store"


def prepared(trained, name):
    backbone = backbones.create(str(trained / name))
    images = [read_image(trained / "images" / f"{n}.nrrd") for n in (0, 1)]
    return backbone, *backbone.prepare(*images)


def run(trained, out, *options) -> dict:
    code = main(
        [
            "run",
            "--fixed",
            str(trained / "images/0.nrrd"),
            "--moving",
            str(trained / "images/1.nrrd"),
            "--moving-labels",
            str(trained / "labels/1.nrrd"),
            "--out",
            str(out),
            "--progress",
            "none",
            *options,
        ]
    )
    assert code == 0
    return json.loads((out / "result.json").read_text("utf-8"))


def test_a_known_displacement_comes_out_in_mm(tmp_path):
    """A network that always answers (1, 2, 3) voxels, on images of different grids."""
    network = displacement_net(encoder=(4,), decoder=(4, 4))
    torch.nn.init.zeros_(network.flow.weight)
    network.flow.bias.data = torch.tensor([1.0, 2.0, 3.0])
    save_model(
        tmp_path / "model",
        "voxelmorph",
        network.settings,
        {"member-0": network.state_dict()},
        (8, 8, 8),
        2.0,
        "minmax",
        {},
    )
    backbone = class_of(tmp_path / "model")()
    rng = np.random.default_rng(0)
    images = [
        Image(
            rng.random((16, 16, 16)).astype(np.float32),
            Grid.from_spacing((16, 16, 16), (1, 1, 1), origin),
        )
        for origin in ((0, 0, 0), (10, 20, 30))
    ]
    fixed, moving = backbone.prepare(*images)
    assert fixed.grid.shape == (8, 8, 8) and np.allclose(fixed.grid.spacing, 2)
    assert np.allclose(fixed.grid.center, images[0].grid.center)
    field = backbone.register(fixed, moving)
    # centre on centre, then 3, 2, 1 voxels of 2 mm along x, y, z
    assert np.allclose(field.vectors.numpy(), [10 + 6, 20 + 4, 30 + 2], atol=1e-4)


def test_the_registration_of_an_ensemble_is_the_mean_of_its_members(trained):
    backbone, fixed, moving = prepared(trained, "bootstrap")
    fields = [backbone.register_member(fixed, moving, n).vectors for n in range(3)]
    assert (fields[0] - fields[1]).abs().max() > 1e-3
    mean = backbone.register(fixed, moving).vectors
    assert torch.allclose(mean, torch.stack(fields).mean(0), atol=1e-5)


def test_dropout_draws_anew_and_repeats_with_its_seed(trained):
    backbone, fixed, moving = prepared(trained, "dropout")
    draws = [backbone.register(fixed, moving).vectors for _ in range(2)]
    assert not torch.equal(*draws)
    again, fixed, moving = prepared(trained, "dropout")
    assert torch.equal(again.register(fixed, moving).vectors, draws[0])


def test_methods_appear_where_the_model_has_them(trained):
    common = ["equivariance", "committee", "sir"]
    for kind, more in {
        "voxelmorph": [],
        "predictive": ["predictive"],
        "dropout": ["mc-dropout"],
        "bootstrap": ["ensemble", "predictive"],
    }.items():
        facts = class_of(trained / kind).facts
        assert [m.name for m in listing(facts)] == common + more
    assert "train bootstrap" in sampler_class("ensemble").refuses(
        class_of(trained / "voxelmorph").facts
    )
    with pytest.raises(ValueError, match="train predictive"):
        create_sampler("predictive", backbones.create("demons"), "deform", {})


@pytest.mark.parametrize("kind", ["voxelmorph", "bootstrap"])
def test_models_pass_the_checks(trained, kind):
    backbone = backbones.create(str(trained / kind))
    image = read_image(trained / "images/0.nrrd")
    failed = [check for check in verify(backbone, image) if check.passed is False]
    # hardly trained, they cannot follow shifts, nor stand still
    failed = [c for c in failed if c.name not in ("shift", "same image twice")]
    assert not [c.name for c in failed if "follow" not in c.text]


def test_an_installed_model_is_listed_used_and_cleared(trained, store, capsys):
    assert main(["backbones", "install", "mine", "--from", str(trained / "bootstrap")]) == 0
    assert sorted(f.name for f in (store / "models/mine").iterdir()) == ["model.json", "weights.pt"]
    assert backbones.listing()[-1].name == "mine"
    assert folder_of("mine") == store / "models/mine"
    assert main(["backbones", "list"]) == 0
    assert "--method ensemble or predictive" in capsys.readouterr().out
    assert len(backbones.create("mine").members) == 3
    assert main(["backbones", "clear", "mine"]) == 0
    assert "mine" not in [entry.name for entry in backbones.listing()]
    with pytest.raises(BackboneError, match="Unknown backbone"):
        backbones.create("mine")


def test_a_damaged_model_is_not_installed_and_not_listed(trained, store, tmp_path):
    with pytest.raises(ValueError, match="is not a trained model"):
        install_model(tmp_path, "mine")
    with pytest.raises(ValueError, match="is no name"):
        install_model(trained / "voxelmorph", "../mine")
    install_model(trained / "voxelmorph", "mine")
    (store / "models/mine/model.json").write_text("{}", "utf-8")
    assert "mine" not in [entry.name for entry in backbones.listing()]


def test_a_run_with_an_ensemble_has_a_sample_a_member(trained, tmp_path):
    record = run(
        trained, tmp_path / "out", "--backbone", str(trained / "bootstrap"), "--method", "ensemble"
    )
    assert record["samples"]["asked"] == record["samples"]["finished"] == 3
    assert {"uncertainty_mm", "label_entropy", "predictive_uncertainty"} <= set(record["maps"])
    told = record["maps"]["predictive_uncertainty"]
    assert told["unit"] == "" and "network expects" in told["meaning"]
    values = read_image(tmp_path / "out" / told["file"])
    backbone, fixed, moving = prepared(trained, "bootstrap")
    ball = Image(read_values(trained / "labels/1.nrrd"), read_image(trained / "images/1.nrrd").grid)
    ball = torch.as_tensor(ball.resample(moving.grid, "nearest", 0).array)[None, None].float()
    found = [
        m.predict(moving.array[None, None], fixed.array[None, None], torch.cat((1 - ball, ball), 1))
        for m in backbone.members
    ]
    scales = torch.stack([one.log_scale[0, 1].exp() for one in found])
    labels = torch.stack([one.memberships[0, 1] for one in found])
    variance = labels.var(0, correction=0)  # Eq. 9: what the members differ, and what they predict
    expected = (variance + scales.square().mean(0)).sqrt().numpy()
    expected = Image(expected, fixed.grid).resample(values.grid).array
    assert np.allclose(values.array, expected, atol=1e-5)
    assert record["labels"][0]["volume_sd_ml"] > 0


def test_a_predictive_run_has_one_field_and_no_map_of_zeros(trained, tmp_path):
    record = run(
        trained,
        tmp_path / "out",
        "--backbone",
        str(trained / "predictive"),
        "--method",
        "predictive",
    )
    assert record["status"] == "complete"
    assert record["samples"]["asked"] == record["samples"]["finished"] == 1
    assert "predictive_uncertainty" in record["maps"]
    assert not {"uncertainty_mm", "label_entropy", "axis_rl_mm"} & set(record["maps"])
    assert record["covariance"] is None
    assert not any("samples: the map is noisy" in text for text in record["warnings"])
    (row,) = record["labels"]
    assert row["volume_ml"] > 0 and row["voxels"] > 0
    assert [row[name] for name in ("volume_sd_ml", "u_p95_mm", "mean_entropy")] == [None] * 3
    assert (tmp_path / "out" / record["mean_transform"]).is_file()


def test_a_predicted_map_is_judged_against_true_labels(trained, tmp_path):
    net = displacement_net(encoder=(4,), decoder=(4, 4), classes=2)  # it begins at the identity
    save_model(
        tmp_path / "model",
        "predictive",
        net.settings,
        {"displacement": net.state_dict()},
        (16, 16, 16),
        1.0,
        "minmax",
        {},
    )
    write_points(["a", "b"], [[8.0, 8.0, 8.0], [6.0, 9.0, 8.0]], tmp_path / "p.csv")
    record = run(
        trained,
        tmp_path / "out",
        *("--backbone", str(tmp_path / "model"), "--method", "predictive"),
        *("--fixed-labels", str(trained / "labels/0.nrrd")),
        *("--moving-points", str(tmp_path / "p.csv"), "--fixed-points", str(tmp_path / "p.csv")),
    )
    (row,) = record["labels"]
    assert 0 < row["dice"] < 1 and row["ece"] is None
    assert main(["evaluate", "result", str(tmp_path / "out"), "--progress", "none"]) == 0
    found = json.loads((tmp_path / "out/result.json").read_text("utf-8"))["validation"]
    assert found["labels"]["dice"] == pytest.approx(row["dice"], abs=1e-6)
    scores = found["labels"]["maps"]
    assert "u" not in scores and "label entropy" not in scores
    # by hand: the map ranks the mislabelled voxels of the ring
    warped, truth, u = (
        read_values(file)
        for file in (
            tmp_path / "out" / record["warped_labels"],
            trained / "labels/0.nrrd",
            tmp_path / "out" / record["maps"]["predictive_uncertainty"]["file"],
        )
    )
    by_hand = auroc(u, warped != truth, SIR.mask(truth))
    assert scores["predictive_uncertainty"]["auroc"] == pytest.approx(by_hand)
    assert found["landmarks"]["count"] == 2 and found["landmarks"]["spearman"] is None


def test_labels_are_warped_with_the_refinement_of_the_network(tmp_path, trained):
    """R that makes everything label 1 shows it: in the labels, the table and the judgement; u is
    that of Eq. 9, with the spread of two members that differ about the labels."""
    settings = {"encoder": (4,), "decoder": (4, 4), "classes": 2, "refine": True}
    nets = [displacement_net(**settings) for _ in range(2)]
    for net in nets:
        torch.nn.init.zeros_(net.uncertainty.weight)
    # first: +20 to the logarithm of label 1; second: to that of the background, a little less
    nets[0].refine.second.bias.data = torch.tensor([0.0, 20.0])
    nets[1].refine.second.bias.data = torch.tensor([2.0, 0.0])
    save_model(
        tmp_path / "model",
        "bootstrap",
        nets[0].settings,
        {f"member-{n}": net.state_dict() for n, net in enumerate(nets)},
        (16, 16, 16),
        1.0,
        "minmax",
        {"labels": [1]},
    )
    record = run(
        trained,
        tmp_path / "out",
        *("--backbone", str(tmp_path / "model"), "--method", "predictive"),
        *("--fixed-labels", str(trained / "labels/0.nrrd")),
    )
    backbone = backbones.create(str(tmp_path / "model"))
    images = [read_image(trained / "images" / f"{n}.nrrd") for n in (0, 1)]
    fixed, moving = backbone.prepare(*images)
    mask = read_values(trained / "labels/1.nrrd")
    labels = Image(mask, images[1].grid)
    here = labels.resample(moving.grid, "nearest", 0).array
    inside = here[4:-4, 4:-4, 4:-4] == 1  # the member of R: 1 everywhere; the other: p of the mask
    p = torch.softmax(
        torch.log(torch.tensor([[1e-3, 1.0], [1.0, 1e-3]])) + torch.tensor([2.0, 0]), 1
    )
    mean = (1 + p[:, 1]) / 2
    u = (((1 - p[:, 1]) / 2) ** 2 + np.exp(-10)).sqrt()  # u_n = exp(-5) of each
    found = backbone.maps(fixed, moving, labels)["predictive_uncertainty"].image.array
    found = found[4:-4, 4:-4, 4:-4]
    assert found[inside].median() == pytest.approx(float(u[0]), rel=1e-3)
    assert found[~inside].median() == pytest.approx(float(u[1]), rel=1e-3)
    assert mean.min() > 0.5  # so that all is label 1
    refined = read_values(tmp_path / "out" / record["warped_labels"])
    assert refined[2:-2, 2:-2, 2:-2].all() and mask.mean() < 0.5
    assert record["labels_refined"] and record["labels"][0]["voxels"] == (refined == 1).sum()
    assert any("the network itself corrects" in text for text in record["warnings"])
    assert main(["evaluate", "result", str(tmp_path / "out"), "--progress", "none"]) == 0
    judged = json.loads((tmp_path / "out/result.json").read_text("utf-8"))["validation"]
    assert judged["labels"]["dice"] == pytest.approx(record["labels"][0]["dice"], abs=1e-6)
    # labels that it was not trained with are only warped
    other = Image((5 * mask).astype(np.int32), images[1].grid)
    assert backbone.refined_labels(fixed, moving, other) is None


def test_a_predictive_run_becomes_a_scene(trained, tmp_path):
    pytest.importorskip("slicer")
    from UncertainRegLib.report.html import write_report
    from UncertainRegLib.scene.display import show_map
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.legend import legend_of
    from UncertainRegLib.scene.result import load_result

    run(
        trained,
        tmp_path / "out",
        "--backbone",
        str(trained / "predictive"),
        "--method",
        "predictive",
    )
    with HeadlessScene() as headless:
        result = load_result(tmp_path / "out", headless.scene)
        node = result.maps["predictive_uncertainty"]
        assert legend_of(node).GetTitleText() == "Predicted error of the labels"
        assert "network expects" in node.GetDescription()
        show_map(result, "predictive_uncertainty")
    assert write_report(tmp_path / "out").is_file()


@pytest.mark.parametrize(
    ("part", "method", "name"),
    [
        ("variance", "image-noise", "image_noise"),
        ("score", "correspondence-score", "correspondence_score"),
    ],
)
def test_maps_of_a_second_network(tmp_path, trained, part, method, name):
    """A network whose map is known: the noise of a constant log-variance, the score of a logit."""
    net = displacement_net(encoder=(4,), decoder=(4, 4))
    second = UNet(2 if part == "variance" else 1, 1, (4,), (4, 4), start=-2.0)
    torch.nn.init.zeros_(second.out.weight)
    kind = "heteroscedastic" if part == "variance" else "adacs"
    save_model(
        tmp_path / "model",
        kind,
        {"displacement": net.settings, part: second.settings},
        {"displacement": net.state_dict(), part: second.state_dict()},
        (16, 16, 16),
        1.0,
        "minmax",
        {},
    )
    record = run(
        trained, tmp_path / "out", "--backbone", str(tmp_path / "model"), "--method", method
    )
    expected = np.exp(-1) if part == "variance" else 1 / (1 + np.exp(2))
    values = read_values(tmp_path / "out" / record["maps"][name]["file"])
    assert np.allclose(values, expected, atol=1e-5)


def read_values(path) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
