"""Does the uncertainty map rank the true error? (Tian et al., 5.2 and App. C.3)

A real image A is deformed by a known phi into B = A∘phi, the pair is registered, and the map u of
every perturbation family is compared with ‖phi_hat − phi‖ inside a region of interest. Beside it
stands a baseline that costs one registration: the smoothed local image residual. Three variants of
every map come from the same samples: smoothed like the residual; the spread about the registration
itself, which is what is shown, instead of about the mean of the samples; and the expected error,
which the samples are one cue of. Whole distributions are judged, too (columns nll and miscalibration of
rows.csv): the true displacement under the Gaussian of mean and covariance of the samples.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy import ndimage

from ..contracts import Each, OnRegistration, one_by_one
from ..geometry import DisplacementField, Image, jacobian_determinant, read_image, write_field
from ..geometry.arrays import to_numpy
from ..jobs.expectation import Expecting
from ..metrics.calibration import conformal_factor, miscalibration_area
from ..metrics.correlation import pearson, spearman
from ..metrics.gaussian import ellipsoid_level, mahalanobis_squared, negative_log_likelihood
from ..metrics.sparsification import risk
from .disagreement import RESIDUAL_SIGMA, Disagreement, image_residual
from .rows import Rows, summary, table
from .simulate import deformed, draw_truth, error_mm, registration_truth
from .study import GROUP, KEY, RESIDUAL, ImageStudy, Unit
from .variant import ABOUT, EXPECTED, SMOOTHED, variant

BINS = 20
COLUMNS = {
    "mean_error": "mean error",
    "aurc": "AURC",
    "naurc": "nAURC",
    "spearman": "Spearman",
    "pearson": "Pearson",
    "p95_error": "p95 error",
    "oracle_aurc": "oracle AURC",
    "repeatability": "repeatability",
    "factor95": "q95",
}


@dataclass
class KnownWarp(ImageStudy):
    """The study; its cases are names of truths or field files, see `simulate.draw_truth`."""

    command, place = "known-warp", 1
    question = "does disagreement rank the true error, where that is known?"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """The image and its truths."""
        cls.add_image_arguments(
            parser,
            "truths",
            ("elastic", "affine", "translation"),
            "translation, affine, elastic, elastic2, elastic-paper and elastic2-paper (half as "
            "large again), registration (with --truth-moving), or files of displacement fields",
        )
        parser.add_argument(
            "--truth-moving",
            default="",
            metavar="FILE",
            help="another real image: what is found between the two, without its affine part, is "
            "the truth named registration",
        )
        parser.add_argument(
            "--truth-by",
            default="demons",
            metavar="NAME",
            help="the registration method that finds it, another than is judged; ants in the "
            "paper [demons]",
        )
        parser.add_argument(
            "--truth-affine", action="store_true", help="with its affine part, as in the paper"
        )
        cls.add_repeats(parser)

    @classmethod
    def cases_of(
        cls, options: Namespace, image: Image, say: Callable[[str], None]
    ) -> tuple[str, ...]:
        """The truths; "registration" is estimated, and a bad file refused before hours are
        spent."""
        cases = tuple(
            _registration(options, image, say) if case == "registration" else _absolute(case)
            for case in options.cases
        )
        for file in (case for case in cases if Path(case).suffix):
            draw_truth(file, image.grid, None, say)
        return cases

    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """Compute what is missing, row by row.

        Returns:
            All rows of rows.csv, those of earlier runs included; bins.csv and table.txt lie beside.

        Raises:
            ValueError: a setting or a file cannot be used.
        """
        rows, bins = self.rows(), self._bins()

        def keep(found: tuple[dict, list[dict]]) -> None:
            row, its_bins = found
            if row in rows:  # a study that was interrupted here
                return
            key = {column: row[column] for column in KEY}
            for one in its_bins:
                if {**key, **one} not in bins:
                    bins.add({**key, **one})
            # Last, and of the variants the map itself: its row says that all is done.
            rows.add(row)

        each(self, self.missing(rows), keep, advance)
        return self.finish(rows)

    def compute(self, unit: Unit, advance: OnRegistration) -> Iterator[tuple[dict, list[dict]]]:
        """One known deformation: register once, then one map a family; its rows with their bins."""
        case, pair, maps = unit
        backbone = self.made_backbone()
        truth = draw_truth(case, self.image.grid, self.generator(pair))
        fixed_image = deformed(self.image, truth)
        begun = perf_counter()
        registered = self.register(backbone, pair, fixed_image, self.image)
        if registered is None:
            return
        fixed, moving, registration = registered
        seconds = perf_counter() - begun
        advance(f"{pair['case']} {pair['number']}")
        truth = truth.resample(registration.grid)
        region = self.region(fixed_image, truth)
        error = error_mm(registration, truth)
        jacobian = to_numpy(jacobian_determinant(registration))
        about = {
            "true_displacement": float(np.linalg.norm(truth.vectors, axis=-1)[region].mean()),
            "folding": float((jacobian[region] <= 0).mean()),
        }
        expecting = Expecting(fixed.to_numpy(), moving.to_numpy(), registration.to_numpy())
        for name in maps:
            begun = perf_counter()
            if name == RESIDUAL:
                scored = {name: (image_residual(fixed, moving, registration), "")}
                here, mean_error, gaussian = region, "", {"nll": "", "miscalibration": ""}
            else:
                found = self.disagreement(backbone, pair, name, (fixed, moving), advance)
                if found is None:
                    continue
                here = region & found.inside
                scored = variants(name, found, registration, here, expecting)
                mean_error = float(error_mm(found.mean, truth)[here].mean())
                gaussian = gaussian_scores(found, truth, here)
                seconds = perf_counter() - begun
            for title, (score, repeatability) in scored.items():
                row = {
                    **{column: {**pair, "map": title}[column] for column in KEY},
                    **scores(score, error, here),
                    "repeatability": repeatability,
                    "mean_field_error": mean_error,
                    **gaussian,
                    **about,
                    "validity": float(here.sum() / region.sum()),
                    "voxels": int(here.sum()),
                    "seconds": seconds,
                }
                yield row, binned(score, error, here)

    def _bins(self) -> Rows:
        return Rows(self.out / "bins.csv", (*KEY, "bin"))

    @staticmethod
    def table(rows: Rows) -> str:
        """The summary table, and in how many cells the map beats the mean error and the
        baseline."""
        return _in_words(rows)

    def pictures(self, rows: Rows) -> list[Path]:
        """A page an image and backbone, where matplotlib is installed."""
        from .figures import available, known_warp_figures

        return known_warp_figures(rows, self._bins(), self.out) if available() else []


def _absolute(case: str) -> str:
    """A file in whatever folder a worker is; any other case as it is."""
    return str(Path(case).absolute()) if Path(case).suffix else case


def _registration(options: Namespace, image: Image, say: Callable[[str], None]) -> str:
    """The file of the truth "registration"; it is estimated once a study."""
    if not options.truth_moving:
        raise ValueError("The truth 'registration' needs another real image: give --truth-moving.")
    name = "registration"
    if options.truth_by != "demons":
        name += f"-{options.truth_by}"
    if options.truth_affine:
        name += "-affine"
    file = Path(options.out).absolute() / f"{name}.nrrd"
    if options.truth_by == options.backbone:
        say(
            f"The truth {name} is made by {options.backbone}, which is also judged: its own errors "
            "are missing in it."
        )
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        moving = read_image(options.truth_moving, say)
        made = registration_truth(image, moving, options.truth_by, options.truth_affine)
        write_field(made, file)
    return str(file)


def variants(
    name: str,
    found: Disagreement,
    registration: DisplacementField,
    mask: np.ndarray,
    expecting: Expecting,
) -> dict[str, tuple[np.ndarray, float | str]]:
    """Maps of the same samples by name, the plain one last, with their repeatability.

    Args:
        name: the perturbation family.
        found: its samples summed up.
        registration: the unperturbed one.
        mask: where the maps of independent halves of the samples are compared (Spearman).
        expecting: of that registration.
    """

    def smooth(u: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(u, RESIDUAL_SIGMA)

    gap = found.mean.vectors - registration.to_numpy().vectors
    about = np.sqrt(found.uncertainty_mm**2 + (gap**2).sum(axis=-1))
    halves = [expecting.found(u, found.mean.grid).length_mm for u in found.halves]
    expected = expecting.found(found.uncertainty_mm, found.mean.grid).length_mm
    return {
        name + EXPECTED: (expected, spearman(*halves, mask)),
        name + SMOOTHED: (smooth(found.uncertainty_mm), spearman(*map(smooth, found.halves), mask)),
        name + ABOUT: (about, ""),
        name: (found.uncertainty_mm, spearman(*found.halves, mask)),
    }


def scores(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """How a map ranks the true error (mm) inside ``mask``; all arrays (Z, Y, X)."""
    areas = risk(uncertainty, error, mask)
    return {
        "spearman": spearman(uncertainty, error, mask),
        "pearson": pearson(uncertainty, error, mask),
        "aurc": areas.aurc,
        "oracle_aurc": areas.oracle,
        "naurc": areas.normalised,
        "mean_error": areas.mean_error,
        "p95_error": float(np.percentile(error[mask], 95)),
        "factor95": conformal_factor(uncertainty, error, mask),
    }


def gaussian_scores(
    found: Disagreement, truth: DisplacementField, mask: np.ndarray
) -> dict[str, float]:
    """How well the true displacements inside ``mask`` fit N(mean, covariance) of the samples.

    Args:
        truth: on the grid of the samples.

    Returns:
        nll: mean negative log-likelihood of a displacement, nats; miscalibration: area between the
        observed and the nominal coverage of the ellipsoids. Few samples make even true ones
        miscalibrated: compare at the same number.
    """
    error = (truth.vectors - found.mean.vectors)[mask]
    covariance = found.covariance[mask]
    level = ellipsoid_level(mahalanobis_squared(error, covariance))
    return {
        "nll": negative_log_likelihood(error, covariance),
        "miscalibration": miscalibration_area(level),
    }


def binned(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray) -> list[dict]:
    """Mean error in bins of equal count, from certain to uncertain (Tian et al., Fig. 8)."""
    u, e = uncertainty[mask], error[mask]
    order = np.argsort(u)
    return [
        {"bin": number, "uncertainty": float(u[part].mean()), "error": float(e[part].mean())}
        for number, part in enumerate(np.array_split(order, BINS))
    ]


def _in_words(rows: Rows) -> str:
    entries = summary(rows.all, GROUP, tuple(COLUMNS))
    baseline = {
        tuple(e[name] for name in GROUP[:-1]): e["naurc"] for e in entries if e["map"] == RESIDUAL
    }
    maps = [e for e in entries if e["map"] != RESIDUAL]

    def named(cells: list[dict]) -> str:
        return "; ".join(", ".join(e[name] for name in GROUP) for e in cells) or "none"

    lines = [table(entries, GROUP, COLUMNS), ""]
    for ending in ("", SMOOTHED, ABOUT, EXPECTED):
        mine = [e for e in maps if variant(e["map"]) == ending]
        worse = [e for e in mine if not e["aurc"] < e["mean_error"]]
        behind = [
            e
            for e in mine
            if e["naurc"] > baseline.get(tuple(e[n] for n in GROUP[:-1]), float("inf"))
        ]
        lines += [
            f"Maps{ending}: AURC below the mean error in {len(mine) - len(worse)} of {len(mine)} "
            f"cells; not in: {named(worse)}.",
            f"Maps{ending}: nAURC better than the image residual's in {len(mine) - len(behind)} "
            f"of {len(mine)} cells; not in: {named(behind)}.",
        ]
    return "\n".join(
        [
            *lines,
            "Errors in mm; intervals: 95 % bootstrap over pairs; repeatability: Spearman of two maps "
            "of half the samples each; q95: factor that makes 95 % of errors lie within q u.",
        ]
    )
