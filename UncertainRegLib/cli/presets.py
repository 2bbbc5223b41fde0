"""The settings of the five papers as values of options, and smaller ones for a laptop.

Where a paper says nothing, its authors' published code decides. What is theirs and cannot be set
stands in Docs/papers.md.
"""

from __future__ import annotations

from collections.abc import Sequence

Preset = dict[str, object]  # values by the names of the options, hyphens as underscores

# Gong et al., WACV 2022, section 4.1, the hippocampus: 200 epochs of 208 images; the network is
# that of Balakrishnan et al., TMI 2019, without integration.
GONG: Preset = {
    "shape": (48, 64, 48),
    "spacing": 1.0,
    "widths": "published",
    "integration_steps": 0,
    "downsize": 1,
    "steps": 41_600,
    "batch": 1,
    "rate": 1e-4,
    "window": 5,
    "smoothness": 0.01,
    "norm": "paper",
    "uncertainty_weight": 0.1,
    "dropout": 0.1,
    "share": 0.9,
    "members": 8,
    "cycles": 20,
    "first_cycle": 0,
    "snapshot_rate": 0.1,
}
GONG_LAPTOP: Preset = {
    **GONG,
    "shape": (32, 48, 32),
    "widths": "small",
    "blocks": 2,
    "steps": 400,
    "batch": 2,
    "rate": 1e-3,
    "members": 3,
    "cycles": 6,
    "first_cycle": 2,
    "save_every": 100,
    "validate_every": 100,
}

# Both papers of Zhang et al. on ACDC and CAMUS: 2-D pairs of 128 x 128 pixels, VoxelMorph with
# 7 squarings at half resolution, epochs of 100 steps. Their code divides the squared gradient by
# the number of axes and doubles it: norm "code".
_ZHANG: Preset = {
    "shape": (1, 128, 128),
    "spacing": 1.0,
    "shift": 0,
    "backbone": "voxelmorph",
    "widths": "published",
    "integration_steps": 7,
    "downsize": 2,
    "rate": 1e-4,
    "smoothness": 0.01,
    "norm": "code",
}
# MICCAI 2024: 300 epochs, supplement; batches of 1 are the default of the code.
HETEROSCEDASTIC: Preset = {
    **_ZHANG,
    "loss": "snr",
    "snr": "paper",
    "gamma": 0.5,
    "beta": 0.5,
    "batch": 1,
    "steps": 30_000,
}
# ECCV 2024: 20 epochs of each network alone, then 300; alpha and beta of VoxelMorph on ACDC, tuned
# with the momentum of the code; batches of 8, both ways, are those of its scripts.
ADACS: Preset = {
    **_ZHANG,
    "alpha": 0.02,
    "beta": 1.5,
    "momentum": "code",
    "kappa": 50.0,
    "epoch_steps": 100,
    "motion_steps": 2000,
    "scoring_steps": 2000,
    "both_ways": True,
    "batch": 8,
    "steps": 34_000,
}
_SMALLER: Preset = {
    "shape": (1, 64, 64),
    "widths": "small",
    "integration_steps": 0,
    "downsize": 1,
    "rate": 1e-3,
    "batch": 4,
    "steps": 1500,
    "save_every": 250,
    "validate_every": 250,
}
HETEROSCEDASTIC_LAPTOP: Preset = {**HETEROSCEDASTIC, **_SMALLER}
ADACS_LAPTOP: Preset = {
    **ADACS,
    **_SMALLER,
    "motion_steps": 300,
    "scoring_steps": 200,
    "epoch_steps": 25,
}

# Simpson and Campbell, sections 4.1 and 4.2; N_L and N_k of the training are not given. The shape
# is twice the grid of Z (96 x 72 x 80), for arrays that run as those of the pre-processed OASIS do:
# front to back, up and down, left and right.
SIR: Preset = {
    "shape": (192, 160, 144),
    "spacing": 1.0,
    "variant": "S+LC",
    "objective": "paper",
    "steps": 50_000,
    "mean_steps": 0,
    "decay_steps": 30_000,
    "proposals": 32,
    "keep": 4,
    "temperature": 3.0,
    "spread_average": 0.9,
    "sigma": 0.5,
    "smoothness": 1.0,
    "mean_smoothness": 2.5,
    "bound": 0.0,
    "rate": 2e-3,
    "rank": 25,
    "optimiser": "soap",
    "shifts": (8, 2),
}
# With this library's objective and bound: under the paper's own a short training collapses.
SIR_LAPTOP: Preset = {
    **SIR,
    "shape": (32, 48, 32),
    "objective": "entropy",
    "steps": 700,
    "mean_steps": 500,
    "decay_steps": 200,
    "proposals": 16,
    "smoothness": 4.0,
    "mean_smoothness": 0.0,
    "bound": 2.0,
    "rank": 12,
    "optimiser": "adam",
    "shifts": (2, 1),
    "save_every": 100,
    "validate_every": 100,
}

# Tian, Hu and Iglesias, App. C.1 and C.3: families and amplitudes have names of their own.
TIAN: Preset = {"samples": 50, "perturbation": "tian-deform"}
TIAN_LAPTOP: Preset = {**TIAN, "samples": 8}
TIAN_FAMILIES = ("tian-translation", "tian-shear", "tian-scale", "tian-deform")
TIAN_STUDY: Preset = {
    "samples": 50,
    "families": TIAN_FAMILIES,
    "cases": ("translation", "affine", "elastic2-paper"),
}
TIAN_STUDY_LAPTOP: Preset = {**TIAN_STUDY, "samples": 8, "warps": 1}


def named(name: str, paper: Preset, laptop: Preset) -> dict[str, Preset]:
    """Both sizes of a preset, by name."""
    return {name: paper, f"{name}-laptop": laptop}


PRESETS: dict[str, dict[str, Preset]] = {  # by command, and of it by name
    "run": named("tian", TIAN, TIAN_LAPTOP),
    "known-warp": named("tian", TIAN_STUDY, TIAN_STUDY_LAPTOP),
    **dict.fromkeys(
        ("voxelmorph", "predictive", "bootstrap", "dropout", "snapshot"),
        named("gong", GONG, GONG_LAPTOP),
    ),
    "heteroscedastic": named("heteroscedastic", HETEROSCEDASTIC, HETEROSCEDASTIC_LAPTOP),
    "adacs": named("adacs", ADACS, ADACS_LAPTOP),
    "sir": named("sir", SIR, SIR_LAPTOP),
}


def in_words(name: str, preset: Preset, found: dict[str, object]) -> str:
    """What a preset set, and what was asked for otherwise, in a sentence.

    Args:
        found: the values of all options.
    """
    kept, other = [], []
    for option, value in preset.items():
        same = _text(found[option]) == _text(value)
        (kept if same else other).append(_as_given(option, found[option]))
    own = f"; yours are {', '.join(other)}" if other else ""
    return f"Preset {name}: {', '.join(kept)}{own}."


def _as_given(name: str, value: object) -> str:
    """An option and its value, as they would be written."""
    option = {"cases": "truths"}.get(name, name.replace("_", "-"))
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    return f"--{option} {_text(value)}"


def _text(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(str, value))
    return str(value)
