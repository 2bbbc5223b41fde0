"""Figures of a known-warp study, after Figures 5, 6 and 8 of Tian et al. (needs matplotlib)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from .rows import Rows, summary
from .study import GROUP, RESIDUAL
from .variant import variant


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def known_warp_figures(rows: Rows, bins: Rows, folder: Path) -> list[Path]:
    """Write one page for each image and backbone: correlations, AURC, binned errors.

    Args:
        rows, bins: ``rows.csv`` and ``bins.csv`` of a study.
        folder: where the PNG files go.

    Returns:
        The files written.
    """
    from matplotlib.figure import Figure  # no pyplot: no window, no global state

    columns = ("spearman", "pearson", "aurc", "oracle_aurc", "mean_error")
    plain = [[row for row in one.all if not variant(row["map"])] for one in (rows, bins)]
    entries = summary(plain[0], GROUP, columns)
    curves = summary(plain[1], (*GROUP, "bin"), ("uncertainty", "error"))
    files = []
    for page in dict.fromkeys((e["image"], e["backbone"]) for e in entries):
        chosen = [e for e in entries if (e["image"], e["backbone"]) == page]
        cases = list(dict.fromkeys(e["case"] for e in chosen))
        figure = Figure(figsize=(12, 3.4 * len(cases)), layout="constrained")
        figure.suptitle(f"{page[0]}, {page[1]}")
        grid = figure.subplots(len(cases), 3, squeeze=False)
        for axes, case in zip(grid, cases):
            cells = [e for e in chosen if e["case"] == case]
            _correlations(axes[0], cells, case)
            _areas(axes[1], cells)
            _bins(
                axes[2],
                [c for c in curves if (c["image"], c["backbone"], c["case"]) == (*page, case)],
            )
        name = "".join(c if c.isalnum() else "-" for c in f"{page[0]}-{page[1]}").strip("-")
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=120)
    return files


def _correlations(axes, cells: list[dict], case: str) -> None:
    """Bars of both correlations, one pair a map, with their intervals over pairs."""
    for place, name in enumerate(("spearman", "pearson")):
        values = [cell[name] for cell in cells]
        spread = [
            (0.0, 0.0)
            if cell[f"{name}_interval"] is None
            else (
                max(0.0, v - cell[f"{name}_interval"][0]),
                max(0.0, cell[f"{name}_interval"][1] - v),
            )
            for cell, v in zip(cells, values)
        ]
        bars = list(zip(*spread)) if any(map(any, spread)) else None
        axes.bar(
            [k + 0.4 * place - 0.2 for k in range(len(cells))],
            values,
            0.4,
            yerr=bars,
            capsize=3,
            label=name.capitalize(),
        )
    _name(axes, cells)
    axes.set(
        ylabel="correlation of u with the error",
        title=f"true deformation: {case}",
        ylim=(min(0, axes.get_ylim()[0]), 1),
    )
    axes.legend(loc="upper left")


def _areas(axes, cells: list[dict]) -> None:
    """AURC of each map between the oracle's and the mean error."""
    for name, marker, label in (
        ("mean_error", "_", "mean error"),
        ("aurc", "o", "AURC"),
        ("oracle_aurc", "_", "oracle AURC"),
    ):
        size = 160 if marker == "_" else 40
        axes.scatter(
            range(len(cells)), [cell[name] for cell in cells], size, marker=marker, label=label
        )
    _name(axes, cells)
    axes.set(ylabel="mm", ylim=(0, None))
    axes.legend(loc="lower left")


def _bins(axes, curves: list[dict]) -> None:
    """Mean error of voxels in bins from certain to uncertain."""
    for name in dict.fromkeys(c["map"] for c in curves):
        line = [c["error"] for c in curves if c["map"] == name]
        axes.plot(
            [(k + 0.5) / len(line) for k in range(len(line))],
            line,
            "--" if name == RESIDUAL else "-",
            label=name,
        )
    axes.set(
        xlabel="fraction of voxels, certain to uncertain", ylabel="mean error (mm)", ylim=(0, None)
    )
    axes.legend()


def _name(axes, cells: list[dict]) -> None:
    axes.set_xticks(range(len(cells)), [cell["map"] for cell in cells], rotation=20)
