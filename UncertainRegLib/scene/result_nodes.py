"""The nodes of one run, by the part of the result that they show."""

from __future__ import annotations

from dataclasses import dataclass, field

import slicer

from ..results.acceptance import Acceptance
from ..results.calibration import Calibration
from ..results.decision import Decision
from ..results.expectation import Expectation
from ..results.given import Given
from ..results.improvement import BeforeAfter
from ..results.record import Competence, Dose, Samples

FILMS = ("sample", "sweep", "growth")  # each has a sequence, a browser and a proxy transform


@dataclass
class ResultNodes:
    """The nodes of one run; a part that the result does not have is None.

    Attributes:
        scene: where they are.
        run: identifier of the run, the same before and after saving the scene.
        transform: the registration; from parent = fixed to moving, mm.
        mean_transform: mean over the samples.
        maps: name in result.json -> volume on the grid of the fixed image.
        sample_sequence, sample_browser, sample_transform: the samples; the transform always holds
            the selected one.
        sweep_sequence, sweep_browser, sweep_transform: the main movement, if it was asked for.
        growth_sequence, growth_browser, growth_transform: the registration from 0 to 100 %, if it
            was asked for.
        modes: (weight, sample number) of groups of samples, heaviest first.
        best_sample: number of the sample to show first, None if unknown.
        oracle_sample: number of the sample nearest to the truth, None where there is none.
        competence, sampling: entries of result.json about the run as a whole: does the backbone
            follow known shifts, and "samples" without its lists.
        before_after: entry of result.json: what the registration improved.
        strays: samples far from the others: number -> distance in mm; leaves_out_strays: whether
            maps, tables and sample weights are those without them (`result.leave_out_strays`).
        label_table, landmark_table: tables with units.
        landmarks, ellipsoids: mean points and ellipsoids of the samples in the fixed space.
        surfaces: where 5, 50 and 95 % of the samples put a structure, if they were asked for.
        unknown: lines where nothing is known about the patient, None where all is.
        pins: readings that the user pinned.
        fixed, moving, moving_segmentation, moving_points: the inputs.
        validation_table: numbers of the validation, if there was one; its plots: ``plots.charts``.
        given: entry of result.json about a transform that was made elsewhere and is judged, or None.
        acceptance_table, acceptance: rows of the verdict, and the verdict without them; None where
            nothing was judged. decisions: what was decided, the latest last.
        dose_table, dose_chart, dose: a dose seen through the samples: rows, histogram of a structure,
            and the entry without its rows; None without any.
        calibration: the "calibration" entry of result.json, None if there is none.
        folder: the result folder that the nodes were filled from; it may be gone.
        warnings: one sentence for each part that could not be shown.
    """

    scene: slicer.vtkMRMLScene = field(repr=False)
    run: str
    transform: slicer.vtkMRMLTransformNode | None = None
    mean_transform: slicer.vtkMRMLTransformNode | None = None
    maps: dict[str, slicer.vtkMRMLScalarVolumeNode] = field(default_factory=dict)
    sample_sequence: slicer.vtkMRMLSequenceNode | None = None
    sample_browser: slicer.vtkMRMLSequenceBrowserNode | None = None
    sample_transform: slicer.vtkMRMLTransformNode | None = None
    sweep_sequence: slicer.vtkMRMLSequenceNode | None = None
    sweep_browser: slicer.vtkMRMLSequenceBrowserNode | None = None
    sweep_transform: slicer.vtkMRMLTransformNode | None = None
    growth_sequence: slicer.vtkMRMLSequenceNode | None = None
    growth_browser: slicer.vtkMRMLSequenceBrowserNode | None = None
    growth_transform: slicer.vtkMRMLTransformNode | None = None
    modes: list[tuple[float, int]] = field(default_factory=list)
    best_sample: int | None = None
    oracle_sample: int | None = None
    competence: Competence | None = None
    sampling: Samples = field(default_factory=Samples)
    before_after: BeforeAfter | None = None
    strays: dict[int, float] = field(default_factory=dict)
    leaves_out_strays: bool = False
    label_table: slicer.vtkMRMLTableNode | None = None
    landmark_table: slicer.vtkMRMLTableNode | None = None
    landmarks: slicer.vtkMRMLMarkupsFiducialNode | None = None
    ellipsoids: slicer.vtkMRMLModelNode | None = None
    surfaces: slicer.vtkMRMLSegmentationNode | None = None
    unknown: slicer.vtkMRMLLabelMapVolumeNode | None = None
    pins: slicer.vtkMRMLMarkupsFiducialNode | None = None
    fixed: slicer.vtkMRMLScalarVolumeNode | None = None
    moving: slicer.vtkMRMLScalarVolumeNode | None = None
    moving_segmentation: slicer.vtkMRMLSegmentationNode | None = None
    moving_points: slicer.vtkMRMLMarkupsNode | None = None
    validation_table: slicer.vtkMRMLTableNode | None = None
    given: Given | None = None
    acceptance_table: slicer.vtkMRMLTableNode | None = None
    acceptance: Acceptance | None = None
    dose_table: slicer.vtkMRMLTableNode | None = None
    dose_chart: slicer.vtkMRMLPlotChartNode | None = None
    dose: Dose | None = None
    decisions: list[Decision] = field(default_factory=list)
    calibration: Calibration | None = None
    expected_error: Expectation | None = None
    folder: str = ""
    warnings: list[str] = field(default_factory=list)

    def browsers(self) -> list[slicer.vtkMRMLSequenceBrowserNode]:
        """Those of all films that are there."""
        found = (getattr(self, f"{film}_browser") for film in FILMS)
        return [browser for browser in found if browser is not None]

    def proxies(self) -> list[slicer.vtkMRMLTransformNode]:
        """What moves with all films that are there."""
        found = (getattr(self, f"{film}_transform") for film in FILMS)
        return [transform for transform in found if transform is not None]

    def all_nodes(self) -> list[slicer.vtkMRMLNode]:
        """Every node named above."""
        values = [*vars(self).values(), *self.maps.values()]
        return [value for value in values if isinstance(value, slicer.vtkMRMLNode)]
