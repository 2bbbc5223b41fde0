"""A network of one's own: every mistake in its manifest or its file gets one clear sentence."""

import json
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.__main__ import main  # noqa: E402
from UncertainRegLib.backbones import create  # noqa: E402
from UncertainRegLib.backbones.registry import BackboneError, backbone_class  # noqa: E402
from UncertainRegLib.geometry import Grid, Image  # noqa: E402
from UncertainRegLib.jobs.warnings import of_method  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
GRID = Grid.from_spacing((12, 16, 8), (2, 2, 2))
IMAGE = Image(np.random.default_rng(1).random(GRID.shape).astype(np.float32), GRID)


class Answer(torch.nn.Module):
    """A network that answers in many ways."""

    def __init__(self, kind: str = "zeros"):
        super().__init__()
        self.kind = kind

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """(1, 3, Z, Y, X), mostly."""
        zeros = torch.cat([fixed, fixed, fixed], 1) * 0
        if self.kind == "nan":
            zeros[0, 0, 2, 2, 2] = float("nan")
        if self.kind == "scales its inputs":
            fixed.mul_(2)
            moving.sub_(1)
        if self.kind == "one channel":
            return fixed
        if self.kind == "whole numbers":
            return zeros.to(torch.int64)
        if self.kind == "double":
            return zeros.double()
        if self.kind == "elsewhere":
            return zeros.to("meta")
        if self.kind == "raises":
            raise ValueError("sizes must be multiples of 16")
        if self.kind == "fails":
            return torch.cat([zeros, zeros[:, :, 1:]], 1)
        return zeros


class Several(torch.nn.Module):
    """A network of several outputs, of which one is none."""

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor):
        """Three outputs."""
        return fixed, torch.cat([fixed, fixed, fixed], 1) * 0, [1.0]


class Named(torch.nn.Module):
    """A network whose outputs have names."""

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> dict[str, torch.Tensor]:
        """One output."""
        return {"flow": fixed}


@pytest.fixture
def own(tmp_path):
    """Makes the manifest of a network and returns its path."""

    def make(module=None, **keys):
        if module is not None:
            torch.jit.script(module).save(tmp_path / "network.pt")
        manifest = {"name": "own", "network": "network.pt", "spacing_mm": 2.0}
        manifest = {key: value for key, value in (manifest | keys).items() if value != "left out"}
        (tmp_path / "own.json").write_text(json.dumps(manifest), "utf-8")
        return str(tmp_path / "own.json")

    return make


MISTAKES = {
    "has the unknown key 'unit'": {"unit": "mm"},
    "must state 'name'": {"name": ""},
    "must state 'network'": {"network": "left out"},
    "'name' is 3; it must be a text": {"name": 3},
    "'network' is \\[1\\]; it must be the path": {"network": [1]},
    "does not exist; state 'network' relative": {"network": "other.pt"},
    "'units' is \"pixels\"; it must be one of voxels, mm, half-extents": {"units": "pixels"},
    "'axes' is \"LLA\"; it must be null or three letters": {"axes": "LLA"},
    "'axes' is \"\"; it must be null or three letters": {"axes": ""},
    "'axes' is 3; it must be": {"axes": 3},
    "must state 'shape' or 'spacing_mm'": {"spacing_mm": None},
    "'shape' is \\[3, 4\\]; it must be null or three whole": {"shape": [3, 4]},
    "'shape' is \\[\\]; it must be": {"shape": []},
    "'shape' is \\[8.0, 8, 8\\]; it must be": {"shape": [8.0, 8, 8]},
    "'shape' is \\[true, 8, 8\\]; it must be": {"shape": [True, 8, 8]},
    "'shape' \\[8, 8, 9\\] that is not of multiples of 8": {"shape": [8, 8, 9], "multiple": 8},
    "'shape' .* of more than 1024\\^3 voxels": {"shape": [4096, 4096, 4096]},
    "'spacing_mm' is 0; it must be": {"spacing_mm": 0},
    "'spacing_mm' is NaN; it must be": {"spacing_mm": float("nan")},
    "'spacing_mm' is \\[1, 1, 1\\]; it must be": {"spacing_mm": [1, 1, 1]},
    "'multiple' is 0; it must be a whole number from 1": {"multiple": 0},
    "'multiple' is \"16\"; it must be": {"multiple": "16"},
    "'intensity' is \"z-score\"; it must be": {"intensity": "z-score"},
    "'intensity' is \\[255, 0\\]; it must be": {"intensity": [255, 0]},
    "'intensity' is \\[0, null\\]; it must be": {"intensity": [0, None]},
    "'intensity' is {}; it must be": {"intensity": {}},
    "'inputs' is \\[\"moving\"\\]; it must be": {"inputs": ["moving"]},
    "'joined' is \"yes\"; it must be true or false": {"joined": "yes"},
    "'needs_affine' is \"false\"; it must be true or false": {"needs_affine": "false"},
    "'stochastic' is 1; it must be true or false": {"stochastic": 1},
    "'output' is -1; it must be a whole number from 0": {"output": -1},
    "'channels' is \"xyz\"; it must be one of array, reversed": {"channels": "xyz"},
    "'outside' is \"zero\"; it must be null or a number": {"outside": "zero"},
    "'licence' is null; it must be a text": {"licence": None},
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_in_a_manifest_are_named(own, words):
    with pytest.raises(ValueError, match=rf"The manifest .*own\.json:? .*{words}"):
        backbone_class(own(Answer(), **MISTAKES[words]))


def test_a_manifest_that_is_no_manifest_is_named(own, tmp_path):
    path = own(Answer())
    for text, words in {
        "{": "is not valid JSON",
        "": "is not valid JSON",
        "[]": "a JSON object",
        '{"name": "a", "name": "b"}': "the key 'name' is there twice",
    }.items():
        (tmp_path / "own.json").write_text(text, "utf-8")
        with pytest.raises(ValueError, match=words):
            backbone_class(path)
    (tmp_path / "own.json").write_bytes(b"\xff\xfe{\x00}\x00")
    with pytest.raises(ValueError, match="is not valid JSON"):
        backbone_class(path)
    for name in ("none.json", "folder.json"):
        (tmp_path / "folder.json").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match=f"{name} cannot be read"):
            backbone_class(str(tmp_path / name))


def test_a_byte_order_mark_is_no_mistake(own, tmp_path):
    text = (tmp_path / "own.json").read_text("utf-8") if own(Answer()) else ""
    (tmp_path / "own.json").write_text(text, encoding="utf-8-sig")
    assert backbone_class(str(tmp_path / "own.json")).facts.name == "own"


@pytest.mark.parametrize("name", ["network.pt", "weights.pth", "network.onnx"])
def test_a_network_without_its_manifest_is_told_what_is_missing(name):
    with pytest.raises(BackboneError, match="give its manifest"):
        backbone_class(name)


class Payload:
    """A pickle that would run code when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def write_zip(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")


def cut_off(path):
    torch.jit.script(Answer()).save(path)
    path.write_bytes(path.read_bytes()[:-200])


def without_constants(path):
    torch.jit.script(Answer()).save(path)
    with zipfile.ZipFile(path) as whole:
        content = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, b"" if name.endswith("data.pkl") else data)


WEIGHTS = "holds weights only .* export that: torch.jit.script"
FILES = {
    "state dict": (
        lambda path: torch.save(Several().state_dict() | {"w": torch.ones(3)}, path),
        WEIGHTS,
    ),
    "state dict of old torch": (
        lambda path: torch.save({"w": torch.ones(3)}, path, _use_new_zipfile_serialization=False),
        WEIGHTS,
    ),
    "pickled module": (lambda path: torch.save(torch.nn.Linear(2, 2), path), WEIGHTS),
    "pickle that runs code": (
        lambda path: torch.save(Payload(path.with_name("ran")), path),
        WEIGHTS,
    ),
    "safetensors": (
        lambda path: path.write_bytes((2).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}'),
        WEIGHTS.replace(" .*", ".*"),
    ),
    "ONNX": (
        lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0"),
        "looks like an ONNX file",
    ),
    "Keras": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(60)), "an HDF5 file"),
    "nothing": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_bytes(b"nothing"), "is no TorchScript file"),
    "a web page": (lambda path: path.write_bytes(b"<!DOCTYPE html><html>"), "is a web page"),
    "a pointer": (
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        "a pointer of Git LFS",
    ),
    "a zip of something": (
        lambda path: write_zip(path, "a/readme.txt", "b.txt"),
        "a zip file without a network's program",
    ),
    "an empty zip": (write_zip, "a zip file without a network's program"),
    "an exported program": (
        lambda path: write_zip(path, "network/archive_format", "network/models/model.json"),
        "a program of torch.export",
    ),
    "half a file": (cut_off, "a zip file that was cut off"),
    "a damaged file": (without_constants, "cannot be loaded by torch"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("suffix", ["pt", "pth", "pt2"])
def test_a_file_that_is_no_torchscript_is_named(own, tmp_path, capsys, kind, suffix):
    make, words = FILES[kind]
    make(tmp_path / f"network.{suffix}")
    path = own(network=f"network.{suffix}")
    with pytest.raises(ValueError, match=rf"network\.{suffix} .*{words}"):
        create(path).prepare(IMAGE, IMAGE)
    assert main(["backbones", "verify", path]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and said.count("\n") == 1 and "miniz" not in said
    assert not (tmp_path / "ran").exists()


def test_the_published_weights_of_a_real_network_are_named(own, shared_data):
    file = next((shared_data / "weights" / "clapirn").glob("*.pth"))
    with pytest.raises(ValueError, match=WEIGHTS):
        create(own(network=str(file))).prepare(IMAGE, IMAGE)


ANSWERS = {
    r"not finite \(NaN or infinite\) in 0\.0651 % of the voxels": (Answer("nan"), {}),
    r"of shape \(1, 1, 12, 16, 8\); it must be \(1, 3, 12, 16, 8\)": (Answer("one channel"), {}),
    "of torch.int64; it must be of floating point": (Answer("whole numbers"), {}),
    "on meta, for images on cpu": (Answer("elsewhere"), {}),
    "fails when it is called .* sizes must be multiples of 16": (Answer("raises"), {}),
    "fails when it is called .* Sizes of tensors must match": (Answer("fails"), {}),
    "called with one tensor .* missing value for argument": (Answer(), {"joined": True}),
    "returns one output, so 'output' 1": (Answer(), {"output": 1}),
    "returns 3 outputs, so 'output' 3": (Several(), {"output": 3}),
    "returns a list as its displacement": (Several(), {"output": 2}),
    "returns a dict as its displacement": (Named(), {}),
}


@pytest.mark.parametrize("words", ANSWERS)
def test_an_answer_that_is_no_displacement_is_named(own, capsys, words):
    network, keys = ANSWERS[words]
    backbone = create(own(network, **keys))
    with pytest.raises((ValueError, RuntimeError), match=f"The network of own .*{words}") as told:
        backbone.register(*backbone.prepare(IMAGE, IMAGE))
    assert "\n" not in str(told.value)


def test_answers_of_other_outputs_and_float_types_are_taken(own):
    for network, keys in ((Several(), {"output": 1}), (Answer("double"), {})):
        backbone = create(own(network, **keys))
        assert not backbone.register(*backbone.prepare(IMAGE, IMAGE)).vectors.any()


def test_a_network_that_changes_its_inputs_changes_no_later_registration(own):
    backbone = create(own(Answer("scales its inputs")))
    images = backbone.prepare(IMAGE, IMAGE)
    before = [image.array.clone() for image in images]
    backbone.register(*images)
    assert all(torch.equal(image.array, kept) for image, kept in zip(images, before))


def test_lack_of_memory_keeps_its_words(own, monkeypatch):
    """The run goes on with less, if it can, when it reads them."""

    def network(*images):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    backbone = create(own(Answer()))
    images = backbone.prepare(IMAGE, IMAGE)
    backbone.network = network
    with pytest.raises(RuntimeError, match="out of memory"):
        backbone.register(*images)


def test_intensities_beyond_the_window_are_noted_or_refused(own):
    backbone = create(own(Answer(), intensity=[0, 1]))
    backbone.prepare(IMAGE, IMAGE)
    assert backbone.notes == []
    bright = Image(2 * IMAGE.array, GRID)
    backbone.prepare(IMAGE, bright)
    assert [note[:40] for note in backbone.notes] == ["50% of the moving image are above 'inten"]
    with pytest.raises(ValueError, match=r"The fixed image .* has no contrast within 'intensity'"):
        backbone.prepare(Image(IMAGE.array + 5, GRID), IMAGE)
    wide = create(own(Answer(), intensity=[0, 255]))
    wide.prepare(IMAGE, IMAGE)
    assert "next to no contrast" in wide.notes[0]


def test_a_grid_of_too_many_voxels_is_refused(own):
    with pytest.raises(ValueError, match=r"'spacing_mm' 0\.001 of the manifest .* more than 1024"):
        create(own(Answer(), spacing_mm=0.001)).prepare(IMAGE, IMAGE)


def test_the_affine_step_is_a_setting_and_asked_of_the_user_only_where_it_is_off(own):
    path = own(Answer(), needs_affine=True)
    assert create(path).affine and of_method(create(path), "deform") == []
    assert of_method(create(path, affine=False), "deform") == [
        "own expects affinely aligned images."
    ]
    assert not create(own(Answer())).affine


def test_what_was_decided_about_the_images_is_warned_of(own):
    backbone = create(own(Answer(), intensity=[0, 255]))
    backbone.prepare(IMAGE, IMAGE)
    assert of_method(backbone, "deform") == backbone.notes and len(backbone.notes) == 2
