"""Where can a deformable image registration be trusted, in millimetres."""

__version__ = "0.1.0"
