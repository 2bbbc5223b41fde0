"""Tiny images and model folders for tests of trained networks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from support import ROOT
from support.phantoms import textured
from UncertainRegLib.geometry import Grid, Image, write_image

SHAPE = ["--shape", "16", "16", "16"]
TINY = [*SHAPE, "--blocks", "2", "--shift", "1", "--progress", "none"]


def write_images(folder: Path, count: int = 3) -> tuple[Path, Path]:
    """Textured images with one ball each, and the balls as labels; returns the two folders."""
    images, labels = folder / "images", folder / "labels"
    for each in (images, labels):
        each.mkdir(parents=True)
    grid = Grid.from_spacing((16, 17, 18))
    for seed in range(count):
        image = textured(grid, seed)
        ball = np.linalg.norm(grid.points() - grid.center, axis=-1) < 4 + seed
        write_image(
            Image((image.array + 2 * ball).astype(np.float32), grid), images / f"{seed}.nrrd"
        )
        write_image(Image(ball.astype(np.uint8), grid), labels / f"{seed}.nrrd")
    return images, labels


def write_proposal_network(folder: Path) -> Path:
    """The model folder of an untrained proposal network of structured SIR."""
    from UncertainRegLib.networks.sir_unet import SirUNet, half
    from UncertainRegLib.training.model_folder import save_model

    network = SirUNet("LC", rank=3)
    save_model(
        folder,
        "sir",
        network.settings,
        {"proposal": half(network)},
        (16, 16, 16),
        1.0,
        "percentiles",
        {},
    )
    return folder


# A training that is killed as soon as it has told of so many steps: it kills itself, so that the
# place does not depend on how fast another process looks.
KILLED = """
import os, signal, sys
from UncertainRegLib.__main__ import main

class Told:
    left = int(sys.argv[1])

    def write(self, text):
        self.left -= text.count("\\n")
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def flush(self):
        pass

sys.stdout = Told()
main(["train", *sys.argv[2:], "--progress", "json"])
"""


def train_and_kill(arguments: list[str], steps: int) -> None:
    """``train`` in a process of its own with one CPU thread, killed after so many steps."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(steps), *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == -signal.SIGKILL, "the training ended too early"
