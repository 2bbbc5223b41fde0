"""B-spline registration of elastix (Klein et al., TMI 2010), through the itk-elastix package."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from .facts import Facts
from .prepare import prepared


@dataclass(frozen=True)
class Elastix(Backbone):
    """elastix's default affine stage, then its default B-spline stage.

    Attributes:
        affine: run the affine stage first.
        control_mm: control-point spacing of the finest level.
        iterations: of stochastic gradient descent at each level.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    control_mm: float = 15.0
    iterations: int = 250
    voxels: int = 1_000_000

    place = 13
    facts = Facts(
        name="elastix",
        title="elastix B-spline",
        modality="any, also different ones",
        packages={"itk": "itk-elastix"},
        working_grid="the fixed field of view, about a million voxels",
    )

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities normalised to [0, 1]."""
        return prepared(fixed, moving, self.voxels, self.affine)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        import itk

        if not hasattr(itk, "ElastixRegistrationMethod"):
            raise ValueError(
                "elastix needs the Python package itk-elastix: pip install itk-elastix."
            )
        parameters = itk.ParameterObject.New()
        for stage in (["affine"] if self.affine else []) + ["bspline"]:
            values = parameters.GetDefaultParameterMap(stage, 3, self.control_mm)
            values["MaximumNumberOfIterations"] = [str(self.iterations)]
            values["WriteResultImage"] = ["false"]
            parameters.AddParameterMap(values)
        target = _to_itk(fixed)
        _, found = itk.elastix_registration_method(
            target, _to_itk(moving), parameter_object=parameters, log_to_console=False
        )
        with tempfile.TemporaryDirectory() as folder:  # it always writes a file of its field
            vectors = np.array(
                itk.transformix_deformation_field(target, found, output_directory=folder)
            )
        return DisplacementField(vectors.astype(np.float32), fixed.grid)


def _to_itk(image: Image):
    """itk.Image with the same values and geometry (LPS)."""
    import itk

    made = itk.image_from_array(np.ascontiguousarray(image.array, dtype=np.float32))
    made.SetSpacing(image.grid.spacing.tolist())
    made.SetOrigin(image.grid.origin.tolist())
    made.SetDirection(itk.matrix_from_array(image.grid.direction))
    return made
