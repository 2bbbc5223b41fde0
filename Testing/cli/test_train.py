"""The command ``train sir``."""

import json
import signal

import pytest

from support.phantoms import textured

pytest.importorskip("torch")

import torch

from UncertainRegLib import backbones
from UncertainRegLib.__main__ import main
from UncertainRegLib.backbones.models import read_model
from UncertainRegLib.geometry import Grid, write_image
from UncertainRegLib.randomness import seed_of
from UncertainRegLib.samplers.proposals.trained import Trained, proposal_network
from UncertainRegLib.training.folder import FolderPairs
from UncertainRegLib.training.synthetic import SyntheticPairs

TINY = [
    "--shape",
    "16",
    "16",
    "16",
    "--proposals",
    "3",
    "--keep",
    "2",
    "--rank",
    "2",
    "--optimiser",
    "adam",
    "--mean-steps",
    "1",
    "--validate-every",
    "100",
]


def steps_of(folder):
    lines = (folder / "log.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_training_stops_resumes_and_tells_every_step(tmp_path, capsys):
    out = tmp_path / "out"
    for steps in ("2", "4"):
        assert (
            main(
                [
                    "train",
                    "sir",
                    "--synthetic",
                    "--out",
                    str(out),
                    "--steps",
                    steps,
                    "--progress",
                    "json",
                    *TINY,
                ]
            )
            == 0
        )
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [log["step"] for log in told] == steps_of(out) == [0, 1, 2, 3]
    assert [log["objective"] for log in told] == ["mean", "entropy", "entropy", "entropy"]
    assert proposal_network(str(out)).settings["rank"] == 2


@pytest.mark.parametrize("method", ["sir", "voxelmorph"])
def test_ctrl_c_keeps_all_steps_and_says_so(ctrl_c, tmp_path, capsys, monkeypatch, method):
    original, pressed = FolderPairs.pair, []

    def pair(self, seed, device="cpu"):
        if seed == seed_of(0, "training pair", 1) and not pressed:
            pressed.append(signal.raise_signal(signal.SIGINT))
        return original(self, seed, device)

    monkeypatch.setattr(FolderPairs, "pair", pair)
    out = tmp_path / "out"
    command = [
        "train",
        method,
        "--images",
        str(images_in(tmp_path)),
        "--out",
        str(out),
        "--steps",
        "3",
        "--progress",
        "none",
        *(TINY if method == "sir" else TINY[:4]),
    ]
    assert main(command) == 130
    assert capsys.readouterr().err == "Stopped at step 2 of 3; run the same again to go on.\n"
    assert not (out / "weights.pt").exists()
    assert main(command) == 0
    assert steps_of(out) == [0, 1, 2]
    assert (out / "weights.pt").exists()


def test_steps_after_the_last_checkpoint_are_logged_once(tmp_path, monkeypatch):
    original = SyntheticPairs.pair

    def pair(self, seed, device="cpu"):
        if seed == seed_of(0, "training pair", 3) and len(steps_of(tmp_path)) == 3:
            raise MemoryError
        return original(self, seed, device)

    command = [
        "train",
        "sir",
        "--synthetic",
        "--out",
        str(tmp_path),
        "--steps",
        "4",
        "--save-every",
        "2",
        "--progress",
        "none",
        *TINY,
    ]
    monkeypatch.setattr(SyntheticPairs, "pair", pair)
    assert main(command) == 1
    assert steps_of(tmp_path) == [0, 1, 2]
    monkeypatch.undo()
    assert main(command) == 0
    assert steps_of(tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize("method", ["sir", "voxelmorph", "adacs"])
def test_a_training_goes_on_with_the_same_images_only(tmp_path, capsys, method):
    """Else model.json would tell of the last images alone."""
    images, out = images_in(tmp_path), tmp_path / "out"

    def train(steps, *options, source=("--images", str(images))):
        tiny = TINY if method == "sir" else TINY[:4]
        return main(
            [
                "train",
                method,
                *source,
                "--out",
                str(out),
                "--progress",
                "none",
                *tiny,
                "--steps",
                steps,
                *options,
            ]
        )

    assert train("1") == 0
    kept = {file.name: file.read_bytes() for file in out.iterdir()}

    def refused(*options, because, **source):
        capsys.readouterr()
        assert train("2", *options, **source) == 1
        assert f"was trained differently ({because}); choose" in capsys.readouterr().err
        assert {file.name: file.read_bytes() for file in out.iterdir()} == kept

    refused("--spacing", "2", because="spacing")
    refused("--shape", "16", "24", "16", because="shape")
    if method == "sir":
        refused(because="images, intensity, shift, spacing", source=["--synthetic"])
    else:
        refused("--shift", "1", because="shift")
    original = (images / "1.nrrd").read_bytes()
    write_image(textured(Grid.from_spacing((14, 15, 16)), 5), images / "1.nrrd")
    refused(because="images")
    (images / "1.nrrd").write_bytes(original)
    moved = images.rename(tmp_path / "moved")  # the same files in another folder
    assert train("2", source=["--images", str(moved)]) == 0


@pytest.mark.parametrize("method", ["sir", "voxelmorph"])
def test_a_checkpoint_that_does_not_tell_its_images_is_gone_on_with(tmp_path, method):
    out, key = tmp_path / "out", "config" if method == "sir" else "settings"
    command = [
        "train",
        method,
        "--images",
        str(images_in(tmp_path)),
        "--out",
        str(out),
        "--progress",
        "none",
        *(TINY if method == "sir" else TINY[:4]),
        "--steps",
    ]
    assert main([*command, "1"]) == 0
    content = torch.load(out / "checkpoint.pt", weights_only=True)
    for name in ("images", "segmentations", "shape", "spacing", "shift", "intensity"):
        content[key].pop(name, None)
    torch.save(content, out / "checkpoint.pt")
    assert main([*command, "2"]) == 0
    assert torch.load(out / "checkpoint.pt", weights_only=True)[key]["shape"] == [16, 16, 16]


def images_in(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(2):
        write_image(textured(Grid.from_spacing((14, 15, 16)), seed), images / f"{seed}.nrrd")
    return images


def test_the_numbers_of_structured_sir_have_options_and_are_kept(tmp_path):
    """The paper's lambda, lambda_mu and free off-diagonals can be trained, and the model says so."""
    out = tmp_path / "out"
    options = ["--smoothness", "1", "--mean-smoothness", "2.5", "--bound", "0", "--sigma", "0.6"]
    options += ["--temperature", "2", "--rate", "0.001", "--objective", "paper"]
    command = ["train", "sir", "--synthetic", "--out", str(out), "--steps", "1", *TINY, *options]
    assert main([*command, "--progress", "none"]) == 0
    manifest = read_model(out)
    settings = manifest["provenance"]["settings"]
    assert (settings["smoothness"], settings["mean_smoothness"]) == (1, 2.5)
    assert (settings["sigma"], settings["temperature"], settings["learning_rate"]) == (0.6, 2, 1e-3)
    assert settings["bound"] is None and manifest["network"]["bound"] is None
    assert Trained(None, str(out))._sigma_and_smoothness() == (0.6, 1)


def test_training_on_a_folder_of_images(tmp_path):
    assert (
        main(
            [
                "train",
                "sir",
                "--images",
                str(images_in(tmp_path)),
                "--out",
                str(tmp_path / "out"),
                "--steps",
                "2",
                "--variant",
                "V+D",
                "--progress",
                "none",
                *TINY,
            ]
        )
        == 0
    )
    assert steps_of(tmp_path / "out") == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shape", "16", "20", "16"], "multiples of 8"),
        (["--variant", "Q+D"], "is not V or S"),
        (["--objective", "luck"], "train with one of"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, capsys, options, message):
    assert (
        main(["train", "sir", "--synthetic", "--out", str(tmp_path / "out"), *TINY, *options]) == 1
    )
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("method", "option", "words"),
    [
        *(
            (method, option, "whole number from 1")
            for method, option in (
                ("sir", "--save-every"),
                ("sir", "--rank"),
                ("sir", "--keep"),
                ("sir", "--proposals"),
                ("bootstrap", "--members"),
                ("snapshot", "--cycles"),
                ("adacs", "--epoch-steps"),
                ("sir", "--steps"),
                ("voxelmorph", "--steps"),
            )
        ),
        ("sir", "--spacing", "number above 0"),
        ("voxelmorph", "--spacing", "number above 0"),
    ],
)
def test_numbers_that_cannot_be_are_usage(tmp_path, capsys, method, option, words):
    with pytest.raises(SystemExit) as end:
        main(
            [
                "train",
                method,
                "--images",
                str(tmp_path),
                "--out",
                str(tmp_path / "out"),
                option,
                "0",
            ]
        )
    assert end.value.code == 2
    assert f"{option}: 0 is no {words}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"no checkpoint", None])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, capsys, content):
    file = tmp_path / "checkpoint.pt"
    torch.save({"settings": {}}, file) if content is None else file.write_bytes(content)
    assert (
        main(
            [
                "train",
                "sir",
                "--synthetic",
                "--out",
                str(tmp_path),
                "--steps",
                "2",
                "--progress",
                "none",
                *TINY,
            ]
        )
        == 1
    )
    err = capsys.readouterr().err.strip()
    assert "is not a checkpoint of `train sir`; remove it" in err
    assert len(err.splitlines()) == 1


def test_the_model_is_a_folder_like_any_other(tmp_path, capsys, monkeypatch):
    """Installed under a name it is found by the method, and is no registration."""
    monkeypatch.setenv("UNCERTAINREG_WEIGHTS", str(tmp_path / "store"))
    out = tmp_path / "out"
    assert main(["train", "sir", "--synthetic", "--out", str(out), "--steps", "1", *TINY]) == 0
    assert (
        f'--method sir --parameters \'{{"method": {{"weights": "{out}"}}}}\''
        in capsys.readouterr().err
    )
    assert (
        json.loads((out / "model.json").read_text("utf-8"))["provenance"]["settings"]["rank"] == 2
    )
    assert main(["backbones", "install", "mine", "--from", str(out)]) == 0
    assert '{"method": {"weights": "mine"}}' in capsys.readouterr().out
    for weights in ("mine", str(out), str(out / "model.json"), str(out / "weights.pt")):
        assert torch.equal(
            proposal_network(weights).mean.weight, proposal_network("mine").mean.weight
        )
    assert "mine" not in [entry.name for entry in backbones.listing()]
    with pytest.raises(ValueError, match="no registration: use it with --method sir"):
        backbones.create("mine")


def test_damaged_weights_and_those_of_an_earlier_version_are_one_sentence(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"hello")
    with pytest.raises(ValueError, match="earlier version is not read; run its `train sir` again"):
        proposal_network(str(tmp_path / "weights.pt"))
    assert (
        main(
            [
                "train",
                "sir",
                "--synthetic",
                "--out",
                str(tmp_path),
                "--steps",
                "1",
                "--progress",
                "none",
                *TINY,
            ]
        )
        == 0
    )
    (tmp_path / "weights.pt").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"weights\.pt is missing or not the file"):
        proposal_network(str(tmp_path))
    manifest = json.loads((tmp_path / "model.json").read_text("utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**manifest, "kind": "adacs"}), "utf-8")
    with pytest.raises(ValueError, match="kind adacs, no proposal network"):
        proposal_network(str(tmp_path))
