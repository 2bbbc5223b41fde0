"""2-D images, and single volumes of a series: where their values lie, and what is refused."""

import numpy as np
import pytest
import SimpleITK as sitk

from UncertainRegLib.geometry import read_image, read_labels
from UncertainRegLib.geometry.errors import InputError

RAMP = np.arange(20 * 24, dtype=np.float32).reshape(20, 24)  # (Y, X)


def written(path, array, spacing, origin=None):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin or [0.0] * len(spacing))
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("name", ["i.nii.gz", "i.mha", "i.nrrd", "i.nii"])
def test_a_2d_image_is_a_volume_of_one_slice(tmp_path, name):
    file = written(tmp_path / name, RAMP, (0.5, 0.75), (3.0, 4.0))
    image = read_image(file, flat=True)
    assert np.array_equal(image.array, RAMP[None])
    assert np.allclose(image.grid.spacing[:2], (0.5, 0.75))
    if name != "i.nrrd":  # one in 2-D names no anatomical space
        assert np.allclose(image.grid.to_world(np.array([4.0, 8.0, 0.0]))[:2], (5.0, 10.0))
    with pytest.raises(InputError, match="2 dimensions"):
        read_image(file)


def test_a_picture_and_its_labels(tmp_path):
    grey = (RAMP / 2).astype(np.uint8)
    file = written(tmp_path / "i.png", grey, (1.0, 1.0))
    said = []
    image = read_image(file, said.append, flat=True)
    assert np.array_equal(image.array, grey[None].astype(np.float32))
    assert len(said) == 1 and "has no orientation" in said[0] and "1 x 1 x 1 mm" in said[0]
    mask = np.zeros((20, 24), np.uint8)
    mask[4:8, 5:9] = 2
    labels = read_labels(written(tmp_path / "l.png", mask, (1.0, 1.0)), flat=True)
    assert np.array_equal(labels.array, mask[None])
    colour = sitk.GetImageFromArray(np.stack([grey] * 3, -1), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "c.png"))
    with pytest.raises(InputError, match="colour image"):
        read_image(tmp_path / "c.png", flat=True)
    with pytest.raises(InputError, match="only 2x24 pixels"):
        read_image(written(tmp_path / "thin.mha", RAMP.T[:, :2].copy(), (1.0, 1.0)), flat=True)


def test_few_slices_are_welcome_only_where_asked(tmp_path):
    file = written(tmp_path / "i.mha", np.stack([RAMP, RAMP + 1]), (1.0, 1.0, 8.0))
    assert read_image(file, flat=True).array.shape == (2, 20, 24)
    with pytest.raises(InputError, match="at least 4 voxels"):
        read_image(file)


@pytest.mark.parametrize("name", ["s.nii.gz", "s.mha", "s.nrrd"])
def test_one_volume_of_a_series(tmp_path, name):
    volumes = np.stack([np.stack([RAMP + 1000 * t + 10 * z for z in range(5)]) for t in range(3)])
    series = sitk.JoinSeries([sitk.GetImageFromArray(v) for v in volumes])
    series.SetSpacing((1.5, 2.0, 4.0, 1.0))
    sitk.WriteImage(series, str(tmp_path / name))
    image = read_image(tmp_path / name, frame=2)
    assert np.array_equal(image.array, volumes[2])
    assert np.allclose(image.grid.spacing, (1.5, 2.0, 4.0))
    for frame in (3, -1):
        with pytest.raises(InputError, match="has the frames 0 to 2"):
            read_image(tmp_path / name, frame=frame)
    with pytest.raises(InputError, match="4 dimensions"):
        read_image(tmp_path / name)


def test_one_volume_of_a_sequence_of_slicer(tmp_path):
    """Its volumes are the values of each voxel."""
    volumes = np.stack([np.stack([RAMP + 1000 * t] * 5) for t in range(4)], -1)
    image = sitk.GetImageFromArray(volumes, isVector=True)
    sitk.WriteImage(image, str(tmp_path / "s.seq.nrrd"))
    assert np.array_equal(read_image(tmp_path / "s.seq.nrrd", frame=3).array, volumes[..., 3])


def test_a_single_volume_has_no_frames(tmp_path):
    file = written(tmp_path / "i.mha", np.stack([RAMP] * 5), (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="no series"):
        read_image(file, frame=0)
