"""Registrations of a pair by other programs, in the files that those write.

Needs antspyx, itk-elastix and picsl-greedy; the images are registered on a grid of 200,000
voxels, as nobody waits for more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

VOXELS = 200_000
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def simpleitk(fixed: sitk.Image, moving: sitk.Image, start: np.ndarray, out: Path) -> list[Path]:
    """Affine and B-spline in one composite transform."""
    affine = sitk.AffineTransform(3)
    affine.SetCenter(_centre(fixed))
    affine.SetTranslation(start.tolist())
    method = _method(100)
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(fixed, moving)
    spline = sitk.BSplineTransformInitializer(fixed, [9, 9, 9])
    method = _method(60)
    method.SetMetricAsMeanSquares()
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(1e-5, numberOfIterations=40, maximumNumberOfFunctionEvaluations=50)
    method.Execute(fixed, moving)
    file = out / "composite.h5"
    sitk.WriteTransform(sitk.CompositeTransform([affine, spline]), str(file))
    return [file]


def ants(fixed: sitk.Image, moving: sitk.Image, start: np.ndarray, out: Path) -> list[Path]:
    """1Warp.nii.gz and 0GenericAffine.mat."""
    import ants as package

    initial = sitk.AffineTransform(3)
    initial.SetTranslation(start.tolist())
    sitk.WriteTransform(initial, str(out / "start.mat"))
    found = package.registration(
        *(package.from_sitk(image) for image in (fixed, moving)),
        type_of_transform="SyN",
        initial_transform=str(out / "start.mat"),
        reg_iterations=(40, 20, 10),
        syn_metric="CC",
        syn_sampling=2,
        outprefix=str(out / "ants_"),
        random_seed=1,
    )
    return [Path(file) for file in found["fwdtransforms"]]


def elastix(fixed: sitk.Image, moving: sitk.Image, start: np.ndarray, out: Path) -> list[Path]:
    """TransformParameters.1.txt, which continues TransformParameters.0.txt."""
    import itk

    parameters = itk.ParameterObject.New()
    for stage in ("affine", "bspline"):
        values = parameters.GetDefaultParameterMap(stage, 4, 20.0)
        values["NumberOfSpatialSamples"] = ["4096"]
        values["Metric"] = ["AdvancedNormalizedCorrelation"]  # the default adds a second one
        values["AutomaticTransformInitialization"] = ["false"]
        values["RandomSeed"] = ["1"]
        parameters.AddParameterMap(values)
    first = {
        "Transform": ["TranslationTransform"],
        "NumberOfParameters": ["3"],
        "TransformParameters": [str(value) for value in start],
        "InitialTransformParameterFileName": ["NoInitialTransform"],
        "HowToCombineTransforms": ["Compose"],
        "FixedImageDimension": ["3"],
        "MovingImageDimension": ["3"],
        "FixedInternalImagePixelType": ["float"],
        "MovingInternalImagePixelType": ["float"],
    }
    lines = [
        f"({name} {' '.join(v if _is_number(v) else chr(34) + v + chr(34) for v in values)})"
        for name, values in first.items()
    ]
    (out / "start.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    method = itk.ElastixRegistrationMethod.New(itk_image(fixed), itk_image(moving))
    method.SetParameterObject(parameters)
    method.SetInitialTransformParameterFileName(str(out / "start.txt"))
    method.SetOutputDirectory(str(out))
    method.SetLogToConsole(False)
    method.UpdateLargestPossibleRegion()
    return [out / "TransformParameters.1.txt"]


def greedy(fixed: sitk.Image, moving: sitk.Image, start: np.ndarray, out: Path) -> list[Path]:
    """warp.nii.gz and the plain matrix affine.mat."""
    from picsl_greedy import Greedy3D

    matrix = np.eye(4)
    matrix[:3, 3] = start
    np.savetxt(out / "start.mat", FLIP @ matrix @ FLIP)
    method = Greedy3D()
    images = {"fixed": fixed, "moving": moving}
    method.execute(
        f"-a -dof 12 -i fixed moving -m NCC 2x2x2 -n 60x40 -ia {out / 'start.mat'} -V 0 -seed 1 "
        f"-o {out / 'affine.mat'}",
        **images,
    )
    method = Greedy3D()
    method.execute(
        f"-i fixed moving -m NCC 2x2x2 -n 100x50x20 -s 2vox 0.5vox -seed 1 -V 0 "
        f"-it {out / 'affine.mat'} -o {out / 'warp.nii.gz'}",
        **images,
    )
    return [out / "warp.nii.gz", out / "affine.mat"]


PROGRAMS = {"greedy": greedy, "ants": ants, "elastix": elastix, "simpleitk": simpleitk}


def made(program: str, pair, out: Path) -> list[Path]:
    """The files of a program for a pair (see `pairs`); made once."""
    folder = out / "files" / pair.name / program
    listed = folder / "files.txt"
    if not listed.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        fixed, moving, start = pair.simple()
        files = PROGRAMS[program](fixed, moving, start, folder)
        listed.write_text("\n".join(map(str, files)), encoding="utf-8")
    return [Path(line) for line in listed.read_text(encoding="utf-8").splitlines()]


def _method(iterations: int) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.2, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.01, iterations)
    method.SetOptimizerScalesFromPhysicalShift()
    return method


def _centre(image: sitk.Image) -> list[float]:
    return image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])


def itk_image(image: sitk.Image):
    """The same image for itk."""
    import itk

    made = itk.image_from_array(sitk.GetArrayFromImage(image))
    made.SetSpacing(image.GetSpacing())
    made.SetOrigin(image.GetOrigin())
    made.SetDirection(itk.matrix_from_array(np.array(image.GetDirection()).reshape(3, 3)))
    return made


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
