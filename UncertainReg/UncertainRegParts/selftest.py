"""The self-test: the whole numeric path on a small pair whose true registration is known.

It runs the real worker process with demons; no torch, network or main window is needed.
"""

from __future__ import annotations

import os

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from .logic import UncertainRegLogic

SIZE, SPACING = 40, 2.0  # voxels a side, mm
CENTER = np.array([5.0, -12.0, 30.0])  # RAS mm, nothing special
RADII = {"Body": np.array([30.0, 26.0, 24.0]), "Core": np.array([14.0, 10.0, 12.0])}  # mm
SAMPLES = 6


class UncertainRegTest(ScriptedLoadableModuleTest):
    """Each ``test_`` method starts with an empty scene."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_RunShowsWhereTheTruthIs(self):
        """Registration, maps, structures, landmarks and scene against known numbers."""
        self.delayDisplay("Registering a pair with a known displacement")
        logic, parameters = self._logic()
        try:
            self.assertTrue(logic.start(parameters), logic.error)
            self.assertEqual(logic.wait(600), "complete", logic.run.message + logic.run.worker.log)
            self._checkRegistration(logic.run.result, parameters)
            self._checkDisagreement(logic.run.result)
            self._checkExpectedError(logic.run.result)
            self._checkTables(logic.run.result)
            self._checkReading(logic.run.result)
            self._checkOnDemand(logic.run.result)
        finally:
            logic.cleanup()
        self.assertFalse(logic.temporaryFolders)

    def test_CancelLeavesAPartialResultAndNoProcess(self):
        """Cancel after a few samples of many."""
        self.delayDisplay("Cancelling a run")
        logic, parameters = self._logic()
        parameters.samples = 200
        try:
            self.assertTrue(logic.start(parameters), logic.error)
            logic.wait(600, until=lambda run: run.result is not None)
            run = logic.run
            process = run.worker.pid
            run.cancel()
            self.assertEqual(logic.wait(600), "partial", run.message)
            self.assertTrue(2 <= run.finished < 200)
            self.assertIn("uncertainty_mm", run.result.maps)
            if os.name == "posix":
                self.assertRaises(ProcessLookupError, os.kill, process, 0)
        finally:
            logic.cleanup()

    def _logic(self):
        """A logic, and a parameter node with the synthetic inputs."""
        logic = UncertainRegLogic()
        parameters = logic.getParameterNode()
        (
            parameters.fixedVolume,
            parameters.movingVolume,
            parameters.movingSegmentation,
            parameters.movingLandmarks,
        ) = addPair()
        parameters.backbone, parameters.perturbation = "demons", "deform"
        parameters.samples, parameters.seed, parameters.device = SAMPLES, 1, "cpu"
        return logic, parameters

    def _checkRegistration(self, result, parameters):
        """The transform is from the parent, has its roles, and agrees with the truth."""
        node = result.transform
        self.assertIs(node.GetNodeReference("spatialRegistrationFixed"), parameters.fixedVolume)
        self.assertIs(node.GetNodeReference("spatialRegistrationMoving"), parameters.movingVolume)
        self.assertIs(parameters.movingVolume.GetParentTransformNode(), node)
        points = voxelCenters()
        points = points[isInside(points, RADII["Body"])][::7]
        found = np.array([node.GetTransformFromParent().TransformPoint(p) for p in points])
        error = np.linalg.norm(found - points - displacement(points), axis=1)
        before = np.linalg.norm(displacement(points), axis=1)
        self.assertLess(error.mean(), 0.5 * before.mean())
        self.assertLess(error.mean(), 1.0)

    def _checkDisagreement(self, result):
        """In the body the map is positive and a few mm at most; it has the fixed grid."""
        volume = result.maps["uncertainty_mm"]
        array = slicer.util.arrayFromVolume(volume)
        self.assertEqual(array.shape, (SIZE, SIZE, SIZE))
        self.assertEqual(array.dtype, np.float32)
        inside = array[isInside(voxelCenters(), RADII["Body"]).reshape(array.shape)]
        self.assertTrue(np.isfinite(inside).all())
        self.assertGreater(inside.min(), 0.0)
        self.assertTrue(0.05 < np.median(inside) < 5.0)
        self.assertEqual(result.sample_sequence.GetNumberOfDataNodes(), SAMPLES)

    def _checkExpectedError(self, result):
        """The intensities correspond, so there is one; of its bound all say the same."""
        from UncertainRegLib.results.expectation import bound_of
        from UncertainRegLib.results.maps import main_map
        from UncertainRegLib.scene.probe import Probe

        self.assertEqual(main_map(result.maps), "expected_error_mm")
        array = slicer.util.arrayFromVolume(result.maps["expected_error_mm"])
        inside = array[isInside(voxelCenters(), RADII["Body"]).reshape(array.shape)]
        self.assertTrue(np.isfinite(inside).all())
        self.assertGreater(inside.min(), 0.0)
        self.assertLess(np.median(inside), 5.0)
        bound, reading = bound_of(result.expected_error, None), Probe(result).read(CENTER)
        self.assertEqual(bound is None, result.expected_error.refused is not None)
        self.assertEqual(bound is None, result.label_table.GetColumnIndex("bound_mm") < 0)
        if bound is not None:
            expected = bound.factor * reading.values["expected_error_mm"]
            self.assertAlmostEqual(reading.bound_mm, expected, places=4)

    def _checkTables(self, result):
        """Two structures with their volumes, three landmarks near their true places."""
        table = result.label_table.GetTable()
        self.assertEqual(table.GetNumberOfRows(), 2)
        names = [table.GetColumnByName("name").GetValue(row) for row in range(2)]
        self.assertEqual(sorted(names), ["Body", "Core"])
        row = names.index("Core")
        volume = 4.0 / 3.0 * np.pi * RADII["Core"].prod() / 1000.0
        found = table.GetColumnByName("volume_ml").GetValue(row)
        self.assertLess(abs(found - volume), 0.15 * volume)
        points = slicer.util.arrayFromMarkupsControlPoints(result.landmarks)
        self.assertLess(np.linalg.norm(points - fixedLandmarks(), axis=1).max(), 2.5)
        self.assertEqual(result.landmark_table.GetTable().GetNumberOfRows(), 3)

    def _checkReading(self, result):
        """In the middle of the core: its name, a disagreement, an ellipsoid that belongs to it."""
        from UncertainRegLib.posterior.region import prediction_radius
        from UncertainRegLib.scene.probe import Probe

        reading = Probe(result).read(CENTER)
        self.assertTrue(reading.is_known)
        self.assertEqual(reading.labels[0][0], "Core")
        sd = reading.axes_mm / prediction_radius(SAMPLES)
        uncertainty = reading.values["uncertainty_mm"]
        self.assertLess(abs(np.sqrt((sd**2).sum()) - uncertainty), 0.1 * uncertainty + 0.02)

    def _checkOnDemand(self, result):
        """Surfaces lie inside each other, ellipsoids are in the slices, and the main movement moves
        the moving volume."""
        from UncertainRegLib.scene.axes import hide_axes, show_axes
        from UncertainRegLib.scene.display import jump_to, show_moving, slice_nodes
        from UncertainRegLib.scene.log_colors import is_log, set_log
        from UncertainRegLib.scene.surfaces import show_surfaces
        from UncertainRegLib.scene.sweep import add_sweep
        from UncertainRegLib.scene.worst import worst_point

        segmentation = show_surfaces(result, "Core").GetSegmentation()
        widths = []
        for index in range(3):  # then the margins, where a bound may be stated
            bounds = np.zeros(6)
            segmentation.GetNthSegment(index).GetBounds(bounds)
            widths.append(bounds[1] - bounds[0])
        self.assertTrue(widths[0] >= widths[1] >= widths[2] > RADII["Core"][0])
        jump_to(slicer.mrmlScene, worst_point(result))
        if slice_nodes(slicer.mrmlScene):  # there are none without a main window
            ellipsoids = show_axes(result)
            self.assertTrue(ellipsoids.GetPolyData().GetNumberOfPoints() > 0)
            hide_axes(result)
        set_log(result.maps["uncertainty_mm"], True)
        self.assertTrue(is_log(result.maps["uncertainty_mm"]))
        add_sweep(result)
        show_moving(result, "sweep_transform")
        self.assertIs(result.moving.GetParentTransformNode(), result.sweep_transform)
        places = []
        for step in (0, result.sweep_browser.GetNumberOfItems() // 2):
            result.sweep_browser.SetSelectedItemNumber(step)
            transform = result.sweep_transform.GetTransformFromParent()
            places.append(np.array(transform.TransformPoint(CENTER)))
        self.assertGreater(np.linalg.norm(places[0] - places[1]), 0.0)
        show_moving(result, "transform")


def voxelCenters() -> np.ndarray:
    """(SIZE^3, 3) RAS mm, in the order of the voxel arrays."""
    axis = (np.arange(SIZE) - (SIZE - 1) / 2.0) * SPACING
    k, j, i = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack([i, j, k], -1).reshape(-1, 3) + CENTER


def displacement(points: np.ndarray) -> np.ndarray:
    """The true registration, fixed to moving, at (P, 3) points; RAS mm."""
    bump = np.exp(-0.5 * (((points - CENTER - [6.0, 0.0, 0.0]) / 14.0) ** 2).sum(1))
    return bump[:, None] * np.array([4.0, -3.0, 2.0])


def isInside(points: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Which points lie in the ellipsoid around CENTER."""
    return (((points - CENTER) / radii) ** 2).sum(1) < 1.0


def movingIntensity(points: np.ndarray) -> np.ndarray:
    """The moving image at (P, 3) points: two ellipsoids with soft edges and a texture."""
    result = np.zeros(len(points))
    for radii, value in zip(RADII.values(), (60.0, 40.0), strict=True):
        distance = np.sqrt((((points - CENTER) / radii) ** 2).sum(1)) - 1.0
        result += value / (1.0 + np.exp(distance * radii.min() / 1.5))
    texture = np.sin(points @ np.array([0.5, 0.1, -0.2])) * np.cos(points @ [-0.1, 0.4, 0.35])
    return result * (1.0 + 0.2 * texture)


def movingLandmarks() -> np.ndarray:
    """(3, 3) RAS mm."""
    return CENTER + np.array([[14.0, 0.0, 0.0], [0.0, 10.0, 0.0], [-8.0, 0.0, 12.0]])


def fixedLandmarks() -> np.ndarray:
    """Where the landmarks truly are in the fixed image, (3, 3) RAS mm."""
    points = movingLandmarks()
    for _ in range(50):
        points = movingLandmarks() - displacement(points)
    return points


def addPair():
    """Fixed and moving volume, moving segmentation and moving landmarks, in the scene."""
    scene, points = slicer.mrmlScene, voxelCenters()
    ijkToRas = np.diag([SPACING, SPACING, SPACING, 1.0])
    ijkToRas[:3, 3] = points[0]

    def volume(values, name, kind="vtkMRMLScalarVolumeNode"):
        array = values.reshape(SIZE, SIZE, SIZE)
        return slicer.util.addVolumeFromArray(
            array, ijkToRAS=slicer.util.vtkMatrixFromArray(ijkToRas), name=name, nodeClassName=kind
        )

    fixed = volume(movingIntensity(points + displacement(points)).astype(np.float32), "Fixed")
    moving = volume(movingIntensity(points).astype(np.float32), "Moving")
    labels = sum(isInside(points, radii).astype(np.uint8) for radii in RADII.values())
    labelmap = volume(labels, "Labels", "vtkMRMLLabelMapVolumeNode")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Structures")
    logic = slicer.modules.segmentations.logic()
    logic.ImportLabelmapToSegmentationNode(labelmap, segmentation)
    scene.RemoveNode(labelmap)
    for index, name in enumerate(RADII):
        segmentation.GetSegmentation().GetNthSegment(index).SetName(name)
    landmarks = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Landmarks")
    slicer.util.updateMarkupsControlPointsFromArray(landmarks, movingLandmarks())
    return fixed, moving, segmentation, landmarks
