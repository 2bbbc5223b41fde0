"""What tests of several rooms share: images, results and models that are made, and the Qt host."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
