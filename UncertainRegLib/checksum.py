"""SHA-256 of files: of inputs for the record, of weights before they are used."""

from __future__ import annotations

import hashlib
from pathlib import Path

BLOCK_BYTES = 1 << 20


def sha256_of(*files: str | Path) -> str:
    """SHA-256 of the content of files, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
