"""Does the uncertainty map rank the true error? (Tian et al., 5.2 and App. C.3)

A real image A is deformed by a known phi into B = A∘phi, the pair is registered, and the map u of
every perturbation family is compared with ‖phi_hat − phi‖ inside a region of interest. Beside it
stands a baseline that costs one registration: the smoothed local image residual.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np

from .. import backbones
from ..geometry import DisplacementField, Image, jacobian_determinant, warp_labels
from ..geometry.arrays import to_numpy
from ..metrics.calibration import conformal_factor
from ..metrics.correlation import pearson, spearman
from ..metrics.sparsification import risk
from ..samplers import create_sampler
from .disagreement import disagreement, image_residual
from .rows import Rows, summary, table
from .simulate import body, deformed, draw_truth, error_mm, seen

KEY = ("image", "backbone", "truth", "warp", "map", "samples", "seed")
GROUP = ("image", "backbone", "truth", "map")
RESIDUAL = "image residual"
BINS = 20
COLUMNS = {
    "mean_error": "mean error", "aurc": "AURC", "naurc": "nAURC", "spearman": "Spearman",
    "pearson": "Pearson", "p95_error": "p95 error", "oracle_aurc": "oracle AURC",
    "repeatability": "repeatability", "factor95": "q95",
}


@dataclass
class KnownWarp:
    """Settings of a study on one image.

    Attributes:
        image: the image, or a restriction of it (numpy).
        name: what its rows are called.
        out: folder for rows.csv, bins.csv and table.txt.
        labels: segmentation of the image; its foreground is the region of interest. None takes
            the body (`simulate.body`).
        backbone, backbone_settings: registration method, as in a job.
        families: perturbation families.
        truths: names or field files, see `simulate.draw_truth`.
        samples: registrations a map.
        warps: known deformations of every kind; a field file counts once.
        seed: of everything random.
    """

    image: Image
    name: str
    out: Path
    labels: Image | None = None
    backbone: str = "demons"
    backbone_settings: dict = field(default_factory=dict)
    families: tuple[str, ...] = ("translation", "scale", "deform")
    truths: tuple[str, ...] = ("elastic", "affine", "translation")
    samples: int = 16
    warps: int = 3
    seed: int = 1
    device: str = "cpu"

    def cases(self) -> list[tuple[str, int]]:
        """(truth, warp number) of every case."""
        return [(truth, warp) for truth in self.truths
                for warp in range(1 if Path(truth).suffix else self.warps)]

    def title(self) -> str:
        """The backbone with its settings, as rows say it."""
        settings = json.dumps(self.backbone_settings) if self.backbone_settings else ""
        return f"{self.backbone} {settings}".strip()


def run(study: KnownWarp, advance: Callable[[str], None] = lambda text: None) -> Rows:
    """Compute what is missing of a study, row by row.

    Args:
        study: what to do.
        advance: called after every registration with the name of the case.

    Returns:
        All rows of ``out``/rows.csv, those of earlier runs included.

    Raises:
        ValueError: a setting or a file cannot be used.
    """
    study.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(study.out / "rows.csv", KEY)
    bins = Rows(study.out / "bins.csv", (*KEY, "bin"))
    backbone = backbones.create(study.backbone, study.device, **study.backbone_settings)
    for truth, about, maps in missing(study, rows):
        _case(study, backbone, truth, about, maps, rows, bins, advance)
    (study.out / "table.txt").write_text(in_words(rows) + "\n", encoding="utf-8")
    return rows


def missing(study: KnownWarp, rows: Rows) -> list[tuple[str, dict, list[str]]]:
    """Cases that have no row yet: the truth, the columns that name the case, and its maps."""
    todo = []
    for truth, warp in study.cases():
        about = {"image": study.name, "backbone": study.title(),
                 "truth": Path(truth).stem if Path(truth).suffix else truth, "warp": warp,
                 "samples": study.samples, "seed": study.seed}
        maps = [name for name in (RESIDUAL, *study.families)
                if {**about, "map": name} not in rows]
        if maps:
            todo.append((truth, about, maps))
    return todo


def registrations(study: KnownWarp) -> int:
    """How many registrations a study still has to do."""
    todo = missing(study, Rows(study.out / "rows.csv", KEY))
    return sum(1 + study.samples * len(set(maps) - {RESIDUAL}) for _, _, maps in todo)


def _case(study, backbone, truth, about, maps, rows, bins, advance) -> None:
    """One known deformation: register once, then one map a family."""
    seed = [study.seed, about["warp"], zlib.crc32(about["truth"].encode())]
    known = draw_truth(truth, study.image.grid, np.random.default_rng(seed))
    fixed_image = deformed(study.image, known)
    fixed, moving = backbone.prepare(fixed_image, study.image)
    begun = perf_counter()
    registration = backbone.register(fixed, moving)
    seconds = perf_counter() - begun
    advance(f"{about['truth']} {about['warp']}")
    error = error_mm(registration, known)
    region = _region(study, fixed_image, known, registration)
    for name in maps:
        begun = perf_counter()
        row = {**about, "map": name}
        if name == RESIDUAL:
            score = image_residual(fixed, moving, registration)
            here, extra, mean_error = region, "", ""
        else:
            sampler = create_sampler("equivariance", backbone, name, {})
            generator = np.random.default_rng([*seed, zlib.crc32(name.encode())])
            found = disagreement(
                sampler, fixed, moving, study.samples, generator,
                lambda name=name: advance(f"{about['truth']} {about['warp']}, {name}"))
            score, here = found.uncertainty_mm, region & found.inside
            extra = spearman(*found.halves, here)
            mean_error = float(error_mm(found.mean, known)[here].mean())
            seconds = perf_counter() - begun
        jacobian = to_numpy(jacobian_determinant(registration))
        rows.add({
            **{key: row[key] for key in KEY}, **scores(score, error, here),
            "repeatability": extra, "mean_field_error": mean_error,
            "true_displacement": float(np.linalg.norm(
                known.resample(registration.grid).vectors, axis=-1)[region].mean()),
            "folding": float((jacobian[region] <= 0).mean()),
            "validity": float(here.sum() / region.sum()), "voxels": int(here.sum()),
            "seconds": seconds})
        for bin_row in binned(score, error, here):
            bins.add({**{key: row[key] for key in KEY}, **bin_row})


def _region(study, fixed_image: Image, known: DisplacementField, registration) -> np.ndarray:
    """Booleans on the working grid: the region of interest where the truth can be seen."""
    grid = registration.grid
    if study.labels is None:
        region = body(fixed_image.resample(grid))
    else:
        region = warp_labels(study.labels, known.resample(grid)).array > 0
    region &= seen(known.resample(grid), study.image.grid)
    if not region.any():
        raise ValueError(f"{study.name}: no voxel of the region of interest is left; give labels "
                         "of this image.")
    return region


def scores(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """How a map ranks the true error (mm) inside ``mask``; all arrays (Z, Y, X)."""
    areas = risk(uncertainty, error, mask)
    return {
        "spearman": spearman(uncertainty, error, mask),
        "pearson": pearson(uncertainty, error, mask),
        "aurc": areas.aurc, "oracle_aurc": areas.oracle, "naurc": areas.normalised,
        "mean_error": areas.mean_error, "p95_error": float(np.percentile(error[mask], 95)),
        "factor95": conformal_factor(uncertainty, error, mask),
    }


def binned(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray) -> list[dict]:
    """Mean error in bins of equal count, from certain to uncertain (Tian et al., Fig. 8)."""
    u, e = uncertainty[mask], error[mask]
    order = np.argsort(u)
    return [{"bin": number, "uncertainty": float(u[part].mean()), "error": float(e[part].mean())}
            for number, part in enumerate(np.array_split(order, BINS))]


def in_words(rows: Rows) -> str:
    """The summary table, and in how many cells the map beats the mean error and the baseline."""
    entries = summary(rows.all, GROUP, tuple(COLUMNS))
    baseline = {tuple(e[name] for name in GROUP[:-1]): e["naurc"]
                for e in entries if e["map"] == RESIDUAL}
    maps = [e for e in entries if e["map"] != RESIDUAL]
    worse = [e for e in maps if not e["aurc"] < e["mean_error"]]
    behind = [e for e in maps if tuple(e[n] for n in GROUP[:-1]) in baseline
              and e["naurc"] > baseline[tuple(e[n] for n in GROUP[:-1])]]

    def named(cells: list[dict]) -> str:
        return "; ".join(", ".join(e[name] for name in GROUP) for e in cells) or "none"

    return "\n".join([
        table(entries, GROUP, COLUMNS), "",
        f"AURC below the mean error in {len(maps) - len(worse)} of {len(maps)} cells; not in: "
        f"{named(worse)}.",
        f"nAURC better than the image residual's in {len(maps) - len(behind)} of {len(maps)} "
        f"cells; not in: {named(behind)}.",
        "Errors in mm; intervals: 95 % bootstrap over cases; repeatability: Spearman of two maps "
        "of half the samples each; q95: factor that makes 95 % of errors lie within q u."])
