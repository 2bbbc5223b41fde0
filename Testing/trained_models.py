"""Tiny images and model folders for tests of trained networks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from phantoms import textured

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
        write_image(Image((image.array + 2 * ball).astype(np.float32), grid),
                    images / f"{seed}.nrrd")
        write_image(Image(ball.astype(np.uint8), grid), labels / f"{seed}.nrrd")
    return images, labels


def train_and_kill(arguments: list[str], log: Path, steps: int) -> None:
    """Start ``train`` in a process of its own and kill it once its log tells of so many steps."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "UncertainRegLib", "train", *arguments],
                               cwd=Path(__file__).parents[1], env=env)
    until = time.monotonic() + 120
    while not log.exists() or log.read_text().count("\n") < steps:
        assert process.poll() is None and time.monotonic() < until, "the training ended too early"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
