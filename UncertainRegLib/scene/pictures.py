"""Pictures of a result: three planes through its worst spot, and the samples as an animation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..results.atomic import replace_picture
from ..results.maps import main_map
from . import display
from .headless import SLICES, HeadlessScene
from .legend import refresh_legends
from .result_nodes import ResultNodes
from .views import SliceView, ThreeDView
from .worst import worst_point

_GAP = 4  # pixels between the panels


class Panel:
    """The three slices side by side, and a 3D view where there are landmarks.

    Make it before the result is loaded (see ``views``).

    Raises:
        NoOpenGLError: this machine cannot draw.
    """

    def __init__(self, headless: HeadlessScene, size: int = 480) -> None:
        self.headless = headless
        self.size = size
        self.slices = [SliceView(headless, name, (size, size)) for name in SLICES]
        self.threed = ThreeDView(headless, (size, size))
        for view in self.slices:
            view.node.SetRulerType(view.node.RulerTypeThin)
            view.node.SetOrientationMarkerType(view.node.OrientationMarkerTypeAxes)

    def save_picture(
        self,
        result: ResultNodes,
        path: str | Path,
        name: str | None = None,
        point=None,
        opacity: float = 0.6,
    ) -> None:
        """Write a PNG: fixed image, map with legend, outlines, landmarks, crosshair at ``point``.

        Args:
            name: which map; by default the one that the result is first judged by.
            point: RAS mm; the worst spot of the result by default.
        """
        name = name or main_map(result.maps) or ""
        display.show_map(result, name, opacity)
        self._go_to(result, point)
        _save([_join(self._panels(result))], path)

    def save_animation(self, result: ResultNodes, path: str | Path, point=None) -> None:
        """Write a GIF: the moving image as each sample registers it, with its outlines.

        Raises:
            ValueError: the result has no samples or no moving image.
        """
        if result.moving is None or result.sample_sequence is None:
            raise ValueError("An animation needs the moving image and samples in the scene.")
        composites = [view.logic.GetSliceCompositeNode() for view in self.slices]
        before = [(c.GetBackgroundVolumeID(), c.GetForegroundVolumeID()) for c in composites]
        self._set_layers(result, [(result.moving.GetID(), None)] * len(composites))
        self._go_to(result, point)
        frames = []
        for index in range(result.sample_sequence.GetNumberOfDataNodes()):
            display.show_sample(result, index)
            frames.append(_join([view.pixels() for view in self.slices]))
        display.show_moving(result, "transform")
        self._set_layers(result, before)
        _save(frames, path)

    def _set_layers(self, result: ResultNodes, layers: list[tuple]) -> None:
        for view, (background, foreground) in zip(self.slices, layers):
            view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(background)
            view.logic.GetSliceCompositeNode().SetForegroundVolumeID(foreground)
        refresh_legends(result.scene)

    def _go_to(self, result: ResultNodes, point) -> None:
        point = worst_point(result) if point is None else point
        self.headless.fit_slices(self.size, self.size)
        display.jump_to(result.scene, point, centered=False)
        crosshair = result.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        crosshair.SetCrosshairRAS(list(map(float, point)))
        crosshair.SetCrosshairMode(crosshair.ShowSmallBasic)
        crosshair.SetCrosshairThickness(crosshair.Medium)
        crosshair.SetCrosshairColor(0.0, 1.0, 1.0)

    def _panels(self, result: ResultNodes) -> list[np.ndarray]:
        panels = [view.pixels() for view in self.slices]
        if result.ellipsoids is not None:
            coronal = self.headless.slices["Green"]  # shows where in the body they are
            coronal.GetSliceNode().SetSliceVisible(True)
            coronal.GetSliceModelNode().GetDisplayNode().SetOpacity(0.5)
            self.threed.look_from((0.9, 1.6, 0.5))
            panels.append(self.threed.pixels())
            coronal.GetSliceNode().SetSliceVisible(False)
        return panels


def _join(panels: list[np.ndarray]) -> np.ndarray:
    gap = np.full((panels[0].shape[0], _GAP, 3), 90, np.uint8)
    parts = [part for panel in panels for part in (panel, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _save(frames: list[np.ndarray], path: str | Path) -> None:
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in frames]
    film = {"save_all": True, "append_images": others, "duration": 250, "loop": 0} if others else {}
    replace_picture(path, first, **film)
