"""The geometry gate: a known landmark lands within 0.1 mm by three routes, on every kind of grid.

Route 1 is the field's own arithmetic, route 2 the MRML grid transform (from parent), route 3 the
warped image; SimpleITK's displacement field transform is the judge of all.
"""

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import GRID_PAIRS, blob, centroid, smooth_field
from UncertainRegLib.geometry import invert_at, read_image, read_labels, warp
from UncertainRegLib.geometry.image import set_geometry


@pytest.fixture(params=[*GRID_PAIRS])
def pair(request):
    fixed, moving = GRID_PAIRS[request.param]
    field = smooth_field(fixed)
    landmark = fixed.center + np.array([2.0, -3.0, 1.5])  # in the fixed space
    vectors = sitk.GetImageFromArray(field.vectors.astype(np.float64), isVector=True)
    judge = sitk.DisplacementFieldTransform(set_geometry(vectors, fixed))
    return fixed, moving, field, landmark, np.array(judge.TransformPoint(landmark.tolist()))


def test_route_1_field(pair):
    _, _, field, landmark, expected = pair
    assert np.linalg.norm(field.map(landmark) - expected) < 1e-3


def test_route_2_mrml(pair):
    pytest.importorskip("slicer")
    from UncertainRegLib.scene.transform import grid_transform

    _, _, field, landmark, expected = pair
    transform = grid_transform(field)
    ras = transform.TransformPoint(*(landmark * [-1, -1, 1]))
    assert np.linalg.norm(np.array(ras) * [-1, -1, 1] - expected) < 0.01


def test_route_3_warped_image(pair):
    fixed, moving, field, landmark, expected = pair
    # A blob at the moving position must appear at the landmark in the fixed space. The warp
    # distorts the blob a little: its centroid is predicted by warping on a fine grid.
    image = blob(moving, expected, width=3.0)
    seen = centroid(warp(image, field))
    points = fixed.points(np.zeros(0))
    at_moving = points + field.vectors
    exact = np.exp(-0.5 * ((at_moving - expected) ** 2).sum(-1) / 3.0**2)
    truth = (points * exact[..., None]).sum((0, 1, 2)) / exact.sum()
    assert np.linalg.norm(seen - truth) < 0.1
    found, _ = invert_at(field, expected[None].astype(np.float32), tolerance_mm=1e-3)
    assert np.linalg.norm(found[0] - landmark) < 0.1


def test_real_oblique_volume_agrees_with_its_source(shared_data):
    """The 1x1x3 mm oblique volume shows the same anatomy at the same place as subject A."""
    source = read_image(shared_data / "brain_t1_inter" / "subA_t1.nii.gz")
    oblique = read_image(shared_data / "oblique_aniso_synth" / "subA_oblique_1x1x3.nii.gz")
    ours = source.resample(oblique.grid, outside=0).array
    assert np.corrcoef(ours.ravel(), oblique.array.ravel())[0, 1] > 0.97
    labels = read_labels(shared_data / "brain_t1_inter" / "subA_seg13.nii.gz")
    tilted = read_labels(shared_data / "oblique_aniso_synth" / "subA_oblique_1x1x3_seg13.nii.gz")
    for value in (1, 3):
        a = labels.grid.to_world(np.argwhere(labels.array == value)[:, ::-1]).mean(0)
        b = tilted.grid.to_world(np.argwhere(tilted.array == value)[:, ::-1]).mean(0)
        assert np.linalg.norm(a - b) < 0.3
