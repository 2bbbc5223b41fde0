"""Perceptual colour maps that need no plotting library.

They follow the inferno and viridis maps of matplotlib (CC0), at 33 points between which the 256
colours are interpolated; inferno without its near-black end, which would hide the anatomy. The
diverging map runs from blue over light grey to orange and is safe for the colour-blind; that of a
share runs the other way, so that little of what is good is conspicuous.
"""

from __future__ import annotations

import numpy as np

_POINTS = {
    "inferno": """1e0c45 290b55 360961 420a68 4c0c6b 57106e 62146e 6d186e 781c6d 82206c 8d2369
        982766 a32c61 ae305c b73557 c13a50 cb4149 d44842 dd513a e35933 ea632a ef6e21 f47918 f8850f
        fa9008 fb9d07 fcaa0f fbb81d fac62d f7d13d f4df53 f1ec6d f3f68a""",
    "viridis": """440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d
        2f6b8e 2c728e 297a8e 26828e 23898e 21918c 1f988b 1fa088 22a785 28ae80 32b67a 3fbc73 4ec36b
        5ec962 70cf57 84d44b 98d83e addc30 c2df23 d8e219 ece51b fde725""",
    "diverging": "0b3c7a 2f74c0 86b6e3 ededed f2b37a d2751c 7f3b00",
    "share": "7f3b00 d2751c f2b37a ededed 86b6e3 2f74c0 0b3c7a",
}


def colors(name: str) -> np.ndarray:
    """(256, 3) uint8 RGB of 'inferno', 'viridis', 'diverging' or 'share'."""
    points = np.array([list(bytes.fromhex(code)) for code in _POINTS[name].split()], dtype=float)
    at = np.linspace(0, len(points) - 1, 256)
    channels = [np.interp(at, np.arange(len(points)), channel) for channel in points.T]
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)
