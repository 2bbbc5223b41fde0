"""The store of trained weights: one folder per user, nothing fetched without consent.

A file arrives by download (resumable) or by import from a file or folder. Its SHA-256 is pinned in
the backbone's facts, or recorded beside the file when it first arrives, and checked at every use.
"""

from __future__ import annotations

import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from ..checksum import sha256_of
from .facts import Weights

CHUNK = 1 << 20
TIMEOUT_S = 30


class WeightsError(ValueError):
    """Weights are missing, damaged or could not be fetched; the message says what to do."""


@dataclass(frozen=True)
class Stored:
    """One file in the store."""

    path: Path
    size_bytes: int
    sha256: str


def store() -> Path:
    """Folder of the store: UNCERTAINREG_WEIGHTS, or one in the user's cache."""
    if os.environ.get("UNCERTAINREG_WEIGHTS"):
        return Path(os.environ["UNCERTAINREG_WEIGHTS"]).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        cache = home / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    return cache / "UncertainReg" / "weights"


def is_stored(weights: Weights) -> bool:
    """True when the file is in the store (its checksum is compared at use)."""
    return (store() / weights.file).is_file()


def checked_path(weights: Weights) -> Path:
    """Path of the stored file, after comparing its checksum.

    Raises:
        WeightsError: not in the store, or the file has changed since it arrived.
    """
    path = store() / weights.file
    if not path.is_file():
        raise WeightsError(f"The weights {weights.file} are not installed: {how_to_get(weights)}")
    expected = weights.sha256 or _recorded(path)
    found = sha256_of(path)
    if expected and found != expected:
        raise WeightsError(
            f"{path} is damaged (its SHA-256 is {found[:12]}…, not "
            f"{expected[:12]}…): clear it and install it again."
        )
    if not expected:
        _record(path, found)
    return path


def how_to_get(weights: Weights, name: str = "NAME") -> str:
    """What a user does to get the weights of backbone ``name``, in one sentence."""
    size = f" ({size_text(weights.size_bytes)})" if weights.size_bytes else ""
    if weights.url:
        return f"run `backbones install {name}`{size}."
    return (
        f"download them from {weights.page}{size}, then run `backbones install {name} --from FILE`."
    )


def consent_question(weights: Weights, title: str) -> str:
    """What is asked before anything is fetched: what, from where, how much, which licence."""
    host = weights.url.split("/")[2]
    size = size_text(weights.size_bytes) if weights.size_bytes else "of unknown size"
    return (
        f"{title} needs trained weights from {host} ({size}, licence {weights.licence}). "
        "Download them now?"
    )


def download(weights: Weights, progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetch the file into the store; call it only with the user's consent.

    An interrupted download continues where it stopped. The usual proxy variables
    (HTTPS_PROXY …) are obeyed.

    Args:
        progress: called with the bytes so far and in all (0 when the server does not say).

    Raises:
        WeightsError: no address, no connection, the server's refusal, an incomplete file, or a
            checksum other than the pinned one.
    """
    if not weights.url:
        raise WeightsError(
            f"{weights.file} cannot be downloaded automatically: {how_to_get(weights)}"
        )
    target = store() / weights.file
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        total = _fetch(weights.url, part, progress)
    except urllib.error.HTTPError as error:
        raise WeightsError(
            f"{weights.url} answered {error.code} ({error.reason}): the file may "
            "have moved; download it by hand and use `backbones install "
            "--from FILE`."
        ) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise WeightsError(
            f"Downloading {weights.url} was interrupted ({reason}): run it again "
            "to continue, or check the network and proxy."
        ) from error
    if total and part.stat().st_size < total:
        raise WeightsError(
            f"Downloading {weights.url} stopped after {size_text(part.stat().st_size)} of "
            f"{size_text(total)}: run it again to continue."
        )
    return _accept(part, target, weights, weights.url)


def install_from(weights: Weights, source: str | Path) -> Path:
    """Copy the file into the store from a file, or from a folder that contains it.

    Raises:
        WeightsError: nothing there, or a checksum other than the pinned one.
    """
    source = Path(source).expanduser()
    if source.is_dir():
        name = Path(weights.file).name
        found = sorted(source.rglob(name))
        if not found:
            raise WeightsError(f"The folder {source} contains no file {name}.")
        # uniGradICON's and multiGradICON's files have one name: the folder tells them apart.
        ours = [path for path in found if Path(weights.file).parent.name in path.parts]
        if len(found) > 1 and len(ours) != 1:
            raise WeightsError(
                f"The folder {source} contains {len(found)} files {name}: name one of them."
            )
        source = (ours or found)[0]
    if not source.is_file():
        raise WeightsError(f"{source} does not exist.")
    target = store() / weights.file
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, part)
    return _accept(part, target, weights, str(source))


def stored() -> list[Stored]:
    """All files in the store."""
    files = [path for path in sorted(store().rglob("*")) if path.is_file()]
    return [
        Stored(path, path.stat().st_size, _recorded(path))
        for path in files
        if path.suffix not in (".sha256", ".part")
    ]


def clear(weights: Weights) -> int:
    """Remove the file, its checksum and a partial download; returns the bytes set free."""
    path = store() / weights.file
    freed = 0
    for file in (path, path.with_name(path.name + ".part"), _sidecar(path)):
        if file.is_file():
            freed += file.stat().st_size
            file.unlink()
    return freed


def size_text(size: int) -> str:
    """A size as people read it."""
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1e6:.0f} MB" if size < 1_000_000_000 else f"{size / 1e9:.1f} GB"


def _fetch(url: str, part: Path, progress: Callable[[int, int], None] | None) -> int:
    """Append the rest of ``url`` to ``part``; returns the full size, 0 when unknown."""
    done = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url)
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        # A new opener each time: the shared one keeps the proxies it saw first.
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing is missing: the part is the whole file
            return done
        raise
    with response:
        if response.status != 206:  # the server sends the file from its beginning
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else 0
        with open(part, "ab" if done else "wb") as file:
            while block := response.read(CHUNK):
                file.write(block)
                done += len(block)
                if progress is not None:
                    progress(done, total)
    return total


def _accept(part: Path, target: Path, weights: Weights, source: str) -> Path:
    found = sha256_of(part)
    if weights.sha256 and found != weights.sha256:
        part.unlink()
        raise WeightsError(
            f"{source} is not the expected file: its SHA-256 is {found[:12]}…, "
            f"not {weights.sha256[:12]}…; nothing was installed."
        )
    part.replace(target)
    _record(target, found)
    return target


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _record(path: Path, sha256: str) -> None:
    _sidecar(path).write_text(f"{sha256}  {path.name}\n", encoding="utf-8")


def _recorded(path: Path) -> str:
    sidecar = _sidecar(path)
    return sidecar.read_text(encoding="utf-8").split()[0] if sidecar.is_file() else ""
