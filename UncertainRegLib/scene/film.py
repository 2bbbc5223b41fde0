"""A film shown from slices that are kept: what a view drew of a sample is not computed a second time.

Most of a step goes into reslicing the moving image, and its segmentation, through the displacement
field of the sample. While a film plays these slices are kept, and given to the views again where
nothing but the sample has changed since; colours, window and the map in front are applied to them
as ever. They are put right before a view draws, behind MRML's back: no node is made or changed, and
MRML connects its own slices again as soon as anything changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import slicer
import vtk

from .slices import nodes_of_class

MEMORY = 256e6  # bytes of slices kept in all; samples beyond that are resliced each time


@dataclass
class _Slice:
    """A slice that a view is about to draw.

    Attributes:
        reslice: what computes it.
        made_of: of what, besides the sample: nothing is kept for long that changed.
        show: connects two outputs, of a slice and of the stencil of where the volume is, to what
            draws them.
    """

    reslice: vtk.vtkImageReslice
    made_of: tuple
    show: Callable[[vtk.vtkAlgorithmOutput, vtk.vtkAlgorithmOutput], None]


class Film:
    """Keeps the slices of the moving image and segmentation, from now on until ``close``.

    Segmentations shown as surfaces, and all that is not a volume, are drawn as before.

    Attributes:
        browser: of the sequence that is shown.
    """

    def __init__(
        self,
        browser: slicer.vtkMRMLSequenceBrowserNode,
        views: list[tuple[slicer.vtkMRMLSliceLogic, vtk.vtkRenderer]],
    ) -> None:
        """
        Args:
            browser: plays a sequence of displacement fields.
            views: logic and renderer of each slice view.
        """
        self.browser = browser
        self._kept: dict[tuple[vtk.vtkImageReslice, int], tuple[tuple, list]] = {}
        self._size = 0
        self._resliced: dict[vtk.vtkAlgorithm, vtk.vtkImageReslice] = {}  # by what draws them
        self._shown: dict[vtk.vtkImageReslice, _Slice] = {}  # kept slices that a view draws now
        self._new: list[_Slice] = []
        self._observed = []
        for logic, renderer in views:
            for event, answer in (("StartEvent", self._before), ("EndEvent", self._after)):
                tag = renderer.AddObserver(event, partial(answer, logic, renderer))
                self._observed.append((renderer, tag))

    def close(self) -> None:
        """Draw as before, and let go of all slices; calling it twice does no harm."""
        for renderer, tag in self._observed:
            renderer.RemoveObserver(tag)
        for reslice, shown in self._shown.items():
            shown.show(reslice.GetOutputPort(0), reslice.GetOutputPort(1))
        self._observed, self._new, self._size = [], [], 0
        for each in (self._kept, self._resliced, self._shown):
            each.clear()

    def _before(self, logic: slicer.vtkMRMLSliceLogic, renderer: vtk.vtkRenderer, *_event) -> None:
        """A view will draw: give it the slices that are there, and its own for the others."""
        self._new = []
        sample = self.browser.GetSelectedItemNumber()
        for each in self._slices(logic, renderer):
            made_of, producers = self._kept.get((each.reslice, sample), (None, []))
            if made_of == each.made_of:
                each.show(*(producer.GetOutputPort() for producer in producers))
                self._shown[each.reslice] = each
            else:
                each.show(each.reslice.GetOutputPort(0), each.reslice.GetOutputPort(1))
                self._new.append(each)

    def _after(self, *_event) -> None:
        """A view has drawn: keep the slices that were computed for it."""
        sample = self.browser.GetSelectedItemNumber()
        for each in self._new:
            key = each.reslice, sample
            _, before = self._kept.pop(key, (None, []))
            self._size -= sum(map(_bytes, before))
            each.reslice.Update()  # nothing is left to do, unless what draws it was hidden
            image, stencil = vtk.vtkImageData(), vtk.vtkImageStencilData()
            image.ShallowCopy(each.reslice.GetOutput())  # the next slice gets memory of its own
            stencil.DeepCopy(each.reslice.GetStencilOutput())
            producers = [vtk.vtkTrivialProducer(), vtk.vtkTrivialProducer()]
            for producer, data in zip(producers, (image, stencil)):
                producer.SetOutput(data)
            size = sum(map(_bytes, producers))
            if self._size + size <= MEMORY:
                self._kept[key] = each.made_of, producers
                self._size += size
        self._new = []

    def _slices(
        self, logic: slicer.vtkMRMLSliceLogic, renderer: vtk.vtkRenderer
    ) -> Iterator[_Slice]:
        """What a view draws of what the film moves."""
        sequence = self.browser.GetMasterSequenceNode()
        if sequence is None or not self.browser.GetPlayback(sequence):
            return  # the proxy is not at the sample
        proxy = self.browser.GetProxyNode(sequence)
        field = sequence.GetNthDataNode(self.browser.GetSelectedItemNumber())
        field = None if field is None else field.GetTransformFromParent()
        if proxy is None or field is None:
            return
        plane = (logic.GetSliceNode().GetMTime(), field, field.GetMTime())
        yield from self._layers(logic, proxy, plane)
        yield from self._segments(renderer, proxy, plane)

    def _layers(self, logic, proxy, plane: tuple) -> Iterator[_Slice]:
        """Volumes in the layers of a view; those of tensors are left alone."""
        for layer in (logic.GetBackgroundLayer(), logic.GetForegroundLayer()):
            volume, display = layer.GetVolumeNode(), layer.GetVolumeDisplayNode()
            way, image = _way(volume, proxy), volume.GetImageData() if volume is not None else None
            if way is None or image is None or volume.GetClassName() != "vtkMRMLScalarVolumeNode":
                continue
            index, reslice = vtk.vtkMatrix4x4(), layer.GetReslice()
            volume.GetRASToIJKMatrix(index)
            values = image, image.GetMTime(), reslice.GetInterpolationMode()
            made_of = (*plane, way, _numbers(index), *values)
            yield _Slice(reslice, made_of, partial(_show_in_layer, display))

    def _segments(self, renderer, proxy, plane: tuple) -> Iterator[_Slice]:
        """Label maps of segmentations, as outlines or filled; found by what draws them."""
        labels = {}
        for node in nodes_of_class(proxy.GetScene(), "vtkMRMLSegmentationNode"):
            way = _way(node, proxy)
            if way is not None:
                for labelmap in _labelmaps(node):
                    scalars = labelmap.GetPointData().GetScalars()
                    labels[scalars] = (*plane, way, labelmap, labelmap.GetMTime())
        actors = renderer.GetActors2D()
        for number in range(actors.GetNumberOfItems() if labels else 0):
            actor = actors.GetItemAsObject(number)
            mapper = actor.GetMapper() if actor.GetVisibility() else None
            colors = mapper.GetInputAlgorithm() if mapper is not None else None
            if colors is None or not colors.IsA("vtkImageMapToRGBA"):
                continue
            drawn = colors.GetInputAlgorithm()
            drawn = drawn if drawn is not None and drawn.IsA("vtkImageLabelOutline") else colors
            reslice = drawn.GetInputAlgorithm()
            if reslice is not None and reslice.IsA("vtkImageReslice"):
                self._resliced[drawn] = reslice
            else:  # a kept slice
                reslice = self._resliced.get(drawn)
            source = reslice.GetInput() if reslice is not None else None
            scalars = source.GetPointData().GetScalars() if source is not None else None
            if scalars in labels:
                yield _Slice(reslice, labels[scalars], partial(_show_labels, drawn))


def _show_in_layer(display: slicer.vtkMRMLVolumeDisplayNode, image, stencil) -> None:
    display.SetInputImageDataConnection(image)
    display.SetBackgroundImageStencilDataConnection(stencil)


def _show_labels(drawn: vtk.vtkAlgorithm, labels, _stencil) -> None:
    drawn.SetInputConnection(labels)


def _way(node: slicer.vtkMRMLTransformableNode | None, proxy) -> tuple | None:
    """The linear transforms from a node up to the film, and above it; None where it is not under the
    film, or under another deformable transform as well."""
    parent = node.GetParentTransformNode() if node is not None else None
    matrices, is_under = [], False
    while parent is not None:
        matrix = vtk.vtkMatrix4x4()
        if parent is proxy:
            is_under = True
        elif parent.IsLinear():
            parent.GetMatrixTransformToParent(matrix)
        else:
            return None
        matrices.append(_numbers(matrix))
        parent = parent.GetParentTransformNode()
    return tuple(matrices) if is_under else None


def _labelmaps(node: slicer.vtkMRMLSegmentationNode) -> list:
    """The label maps of a segmentation, each with segments that do not overlap."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentation = node.GetSegmentation()
    count = segmentation.GetNumberOfLayers(name) if segmentation is not None else 0
    return [segmentation.GetLayerDataObject(layer, name) for layer in range(count)]


def _numbers(matrix: vtk.vtkMatrix4x4) -> tuple[float, ...]:
    return tuple(matrix.GetElement(row, column) for row in range(4) for column in range(4))


def _bytes(producer: vtk.vtkTrivialProducer) -> int:
    return 1024 * producer.GetOutputDataObject(0).GetActualMemorySize()
