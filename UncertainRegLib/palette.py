"""Perceptual colour maps that need no plotting library. All are safe for the colour-blind.

Inferno, magma, plasma and viridis follow matplotlib's (CC0), and cividis that of Nuñez, Anderton
and Renslow (PLoS ONE 2018), at points between which the 256 colours are interpolated; inferno,
magma and grey without their near-black end, which would hide the anatomy. The two for signed values
are light grey in the middle: diverging runs from blue to orange, the other from purple to green.
That of a share is diverging the other way, so that little of what is good is conspicuous.
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
    "plasma": """0d0887 220690 310597 3f049c 4c02a1 5901a5 6600a7 7201a8 7e03a8 8a09a5 9511a1
        a01a9c aa2395 b32c8e bc3587 c43e7f cc4778 d35171 da5a6a e06363 e66c5c eb7655 f0804e f58b47
        f89540 fba139 fdac33 feb82c fdc527 fcd225 f8df25 f4ed27 f0f921""",
    "magma": """3b0f70 451077 51127c 5a167e 641a80 6e1e81 782281 832681 8c2981 962c80 a1307e ab337c
        b73779 c03a76 ca3e72 d5446d de4968 e75263 ed5a5f f2645c f7705c f97b5d fc8961 fd9467 fe9f6d
        feac76 feb77e fec488 fecf92 fdda9c fde7a9 fcf2b4 fcfdbf""",
    "cividis": """00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476
        aba072 bcae6c cdbb63 dec958 f0d846 fee838""",
    "grey": "2a2a2a ffffff",
    "diverging": "0b3c7a 2f74c0 86b6e3 ededed f2b37a d2751c 7f3b00",
    "purple-green": "4b1d6b 8a5ba8 c4a8d6 ededed a9d3a5 4f9a55 14532a",
    "share": "7f3b00 d2751c f2b37a ededed 86b6e3 2f74c0 0b3c7a",
}

SEQUENTIAL = ("inferno", "viridis", "cividis", "plasma", "magma", "grey")
SIGNED = ("diverging", "purple-green")


def colors(name: str) -> np.ndarray:
    """(256, 3) uint8 RGB of a colour map of this name."""
    points = np.array([list(bytes.fromhex(code)) for code in _POINTS[name].split()], dtype=float)
    at = np.linspace(0, len(points) - 1, 256)
    channels = [np.interp(at, np.arange(len(points)), channel) for channel in points.T]
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)


def css_gradient(name: str) -> str:
    """The colours of a map from left to right, as the background of an element of a page."""
    ramp = ",".join(f"rgb({r},{g},{b})" for r, g, b in colors(name)[::51])
    return f"linear-gradient(90deg,{ramp})"
