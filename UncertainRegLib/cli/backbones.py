"""The commands ``backbones list | install | verify | clear``."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from ..backbones import weights as store
from ..backbones.facts import Facts
from ..backbones.models import MANIFEST, install_model, install_network, models, read_model
from ..backbones.registry import BackboneError, backbone_class, create, known, listing
from ..checksum import sha256_of
from ..plugins import not_installed
from .exit_codes import CANCELLED, COMPLETE, FAILED
from .options import add_json, print_json, warn


def add_command(commands) -> None:
    """Add ``backbones`` and its actions to the command line (argparse sub-parsers)."""
    top = commands.add_parser("backbones", help="registration methods: list, install, verify")
    actions = top.add_subparsers(required=True, metavar="action")

    def action(name: str, function, text: str):
        parser = actions.add_parser(name, help=text)
        parser.set_defaults(command=function)
        return parser

    add_json(action("list", list_backbones, "all methods, their licences, and what they need"))
    install = action("install", install_backbone, "fetch or import trained weights")
    install.add_argument("name", help="as in the list")
    install.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="FILE_OR_FOLDER",
        help="import a file from this computer; a folder from `train`, or the manifest (.json) of "
        "a network of your own, becomes a backbone of this name",
    )
    install.add_argument("--yes", action="store_true", help="consent to the download")
    verify = action("verify", verify_backbone, "check a method, or a network of your own")
    verify.add_argument("name", help="as in the list, or the manifest (.json) of a network")
    verify.add_argument("--image", default="", help="an image it was made for")
    verify.add_argument("--weights", default="", help="file of weights, instead of the store's")
    verify.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    clear = action("clear", clear_weights, "remove trained weights from the store")
    clear.add_argument("name", help="as in the list")


def list_backbones(options, report=None) -> int:
    """Print every backbone: name, title, state, licences; then the store.

    With ``--json``: an array, each entry with the fields of `Entry` and its facts.
    """
    if options.json:
        print_json([{**asdict(entry), "facts": entry.facts.as_dict()} for entry in listing()])
        return COMPLETE
    for entry in listing():
        state = "ready" if entry.available else f"not installed: {entry.to_install}"
        print(f"{entry.name:18} {entry.title:40} {state}")
        print(f"{'':18} {_in_words(entry.facts)}")
        if entry.facts.advice:
            print(f"{'':18} {entry.facts.advice}")
    files = store.stored()
    total = store.size_text(sum(item.size_bytes for item in files))
    print(f"Weights: {store.store()} ({len(files)} files, {total})")
    for item in files:
        print(
            f"  {item.path.relative_to(store.store())}  {store.size_text(item.size_bytes)}  "
            f"sha256 {item.sha256[:12] or 'not recorded'}"
        )
    print(
        "A network of your own: --backbone MANIFEST.json, checked by `backbones verify`; a model "
        "you trained: --backbone FOLDER; `backbones install NAME --from MANIFEST.json` or `--from "
        "FOLDER` lists it here and in the panel."
    )
    return COMPLETE


def _in_words(facts: Facts) -> str:
    parts = [facts.anatomy, facts.modality, f"code {facts.code_licence}"]
    if facts.weights is not None:
        parts.append(f"weights {facts.weights.licence}")
    if facts.stochastic:
        parts.append("stochastic")
    if facts.methods:
        parts.append(f"for --method {' or '.join(facts.methods)}")
    return "; ".join(parts)


def install_backbone(options, report=None) -> int:
    """Put the weights of a backbone into the store, by download or from a file or folder.

    The folder of a model that was trained here, or the manifest of a network of one's own, becomes
    a backbone of the given name.
    """
    is_network = options.source.endswith(".json")
    if options.name in known():
        if is_network or (Path(options.source) / MANIFEST).is_file():
            raise BackboneError(
                f"{options.name} comes with UncertainReg; choose another name for {options.source}."
            )
    elif options.source:
        replaced = options.name in models()
        install = install_network if is_network else install_model
        path = install(options.source, options.name)
        use = f"as --backbone {options.name}, or in the panel of 3D Slicer"
        if is_network:
            use += f"; `backbones verify {options.name}` checks it"
        elif read_model(path)["kind"] == "sir":
            settings = json.dumps({"method": {"weights": options.name}})
            use = f"with --method sir --parameters '{settings}'"
        said = f"{path}, in place of the former one" if replaced else str(path)
        print(f"Installed {said}. Use it {use}.")
        return COMPLETE
    facts = backbone_class(options.name).facts
    if facts.weights is None:
        missing = not_installed(facts.packages)
        print(
            f"{facts.title} needs no trained weights"
            + (f", but: pip install {' '.join(missing)}" if missing else ".")
        )
        return COMPLETE
    if options.source:
        path = store.install_from(facts.weights, options.source)
    else:
        if not facts.weights.url:
            raise BackboneError(f"{facts.title}: {store.how_to_get(facts.weights, facts.name)}")
        if not options.yes and not _consent(store.consent_question(facts.weights, facts.title)):
            print("Nothing was downloaded.")
            return CANCELLED
        path = store.download(facts.weights, _progress)
    print(f"Installed {path} ({store.size_text(path.stat().st_size)}, sha256 {sha256_of(path)}).")
    return COMPLETE


def _consent(question: str) -> bool:
    if not sys.stdin.isatty():
        raise BackboneError(
            f"{question} Add --yes to consent, or --from FILE to import them without network."
        )
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        whole = f" of {store.size_text(total)}" if total else ""
        print(f"\r{store.size_text(done)}{whole} ", end="", file=sys.stderr, flush=True)


def verify_backbone(options, report=None) -> int:
    """Print every check of a backbone in words; exit code 1 when one fails."""
    from ..backbones.checks import verify
    from ..geometry import read_image

    if options.device == "cuda":
        _need_cuda()
    parameters = {"weights": options.weights} if options.weights else {}
    backbone = create(options.name, options.device, **parameters)
    image = read_image(options.image, warn) if options.image else None
    failed = []
    progress = _Registrations()
    for check in verify(backbone, image, progress=progress):
        progress.clear()
        state = {True: "ok", False: "FAILED", None: "note"}[check.passed]
        print(f"{state:7} {check.name}: {check.text}", flush=True)
        failed += [check.name] * (check.passed is False)
    if failed:
        print(f"{options.name} does not pass: {', '.join(failed)}.", file=sys.stderr)
    return FAILED if failed else COMPLETE


def _need_cuda() -> None:
    """Say in a sentence that there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        raise BackboneError("This torch finds no CUDA device; use --device cpu.")


class _Registrations:
    """Tells how many registrations the checks still take, and how long."""

    def __init__(self) -> None:
        self.since, self.line = perf_counter(), ""

    def __call__(self, done: int, at_most: int) -> None:
        """Take the number of registrations so far."""
        seconds = (perf_counter() - self.since) / done
        self.clear()
        if sys.stderr.isatty():
            self.line = f"registration {done} of at most {at_most}"
            print(
                f"{self.line}, about {seconds * (at_most - done):.0f} s left",
                end="",
                file=sys.stderr,
                flush=True,
            )
        elif done == 1:
            print(
                f"At most {at_most} registrations of about {seconds:.1f} s.",
                file=sys.stderr,
                flush=True,
            )

    def clear(self) -> None:
        """Make room for a line of results."""
        if self.line:
            print(f"\r{' ' * 79}\r", end="", file=sys.stderr, flush=True)
            self.line = ""


def clear_weights(options, report=None) -> int:
    """Remove the weights of a backbone from the store."""
    if options.name in models():
        shutil.rmtree(store.store() / "models" / options.name)
        print(f"The model {options.name} was removed.")
        return COMPLETE
    weights = backbone_class(options.name).facts.weights
    freed = 0 if weights is None else store.clear(weights)
    print(f"{store.size_text(freed)} freed.")
    folder = store.store() / Path(weights.file).parent if weights else None
    if folder is not None and folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder)
    return COMPLETE
