"""The expected error of a run, and whether a bound may be made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..expected_error.cues import anatomy_of, cues_of_images, cues_of_samples, logs, means
from ..expected_error.model import ErrorModel, shipped
from ..geometry import DisplacementField, Grid, Image
from ..results.expectation import Expectation

BEYOND = 1.25  # times the largest mean error that the model was fitted to: there it is a guess


@dataclass(frozen=True)
class ExpectedError:
    """The expected error of one registration, on its working grid.

    Attributes:
        across_mm: (Z, Y, X) of its component across a boundary.
        length_mm: (Z, Y, X) of its length.
        grid: of both.
        said: the entry "expected_error" of ``result.json``.
    """

    across_mm: np.ndarray
    length_mm: np.ndarray
    grid: Grid
    said: Expectation


class Expecting:
    """Finds the expected error of a registration while its samples arrive.

    Args:
        fixed, moving: as returned by ``backbone.prepare``, numpy.
        registration: the unperturbed one, numpy.
        doubts: sentences that forbid a bound, see ``backbones.competence``.
        model: None takes the one that comes with the library.
    """

    def __init__(
        self,
        fixed: Image,
        moving: Image,
        registration: DisplacementField,
        doubts: tuple[str, ...] = (),
        model: ErrorModel | None = None,
    ) -> None:
        self.registration, self.doubts = registration, doubts
        self.model = shipped() if model is None else model
        self._anatomy = anatomy_of(fixed, registration.grid)
        self._of_images = cues_of_images(fixed, moving, registration)

    def found(self, uncertainty_mm: np.ndarray, of_samples: Grid) -> ExpectedError:
        """The expected error by the disagreement of the samples, on their grid: importance
        resampling has another one than the registration."""
        grid = self.registration.grid
        if of_samples != grid:
            uncertainty_mm = Image(uncertainty_mm, of_samples).resample(grid).array
        cues = logs(self._of_images | cues_of_samples(uncertainty_mm, grid.voxel_mm))
        across = self.model.across_mm(cues, means(cues, self._anatomy), grid.voxel_mm)
        size = float(across[self._anatomy].mean())
        factors = self.model.factors
        said = Expectation(
            boundary_factor=factors.boundary,
            point_factor=factors.point,
            volume_factor=factors.volume,
            centroid_factor=factors.centroid,
            mean_mm=float(self.model.longer) * size,
            fitted_on=self.model.fitted_on,
            refused=self._refusal(size),
            longer=float(self.model.longer),
        )
        return ExpectedError(across, self.model.length_mm(across), grid, said)

    def _refusal(self, mean_mm: float) -> str | None:
        """Why no bound may be stated, or None."""
        if self.doubts:
            return " ".join(self.doubts)
        largest = self.model.range_voxels[1] * self.registration.grid.voxel_mm
        if mean_mm > BEYOND * largest:
            return (
                f"The error expected across boundaries, {mean_mm:.1f} mm on average, is beyond "
                f"the {largest:.1f} mm at this resolution of the pairs that the bound was found on."
            )
        return None
