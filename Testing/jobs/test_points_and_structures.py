"""Landmarks and segmentations as files hold them: each gives the right numbers, a sentence, or
is refused in one."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import textured
from UncertainRegLib.geometry import (
    Grid,
    Image,
    Segmentation,
    read_points,
    read_segmentation,
    write_image,
    write_segmentation,
)
from UncertainRegLib.geometry.landmarks import read_landmarks, write_points
from UncertainRegLib.jobs import Job
from UncertainRegLib.jobs.inputs import read_inputs, read_label_names, read_structures
from UncertainRegLib.jobs.pairs import pair_points

A, B = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]  # LPS mm
FLIPPED = "a,-1,-2,3\nb,-4,-5,6\n"  # the same in RAS
LPS = "a,1,2,3\nb,4,5,6\n"
SLICER = "label,{},defined,selected,visible,locked,description\n"
FCSV = "# Markups fiducial file version = 4.11\n"
FCSV_A, FCSV_B = "1,1,2,3,0,0,0,1,1,1,0,a,,", "2,4,5,6,0,0,0,1,1,1,0,b,,"


def fcsv(head, status=("", "")):
    return head + f"{FCSV_A}{status[0]}\n{FCSV_B}{status[1]}\n"


def mrk(a=None, b=None, **markup):
    points = [{"label": "a", "position": A} | (a or {}), {"label": "b", "position": B} | (b or {})]
    return json.dumps({"markups": [{"type": "Fiducial", "controlPoints": points, **markup}]})


# name -> file name, its text, what is said ("" for nothing), and the points by name
READ = {
    "plain": ("p.csv", LPS, "", {"a": A, "b": B}),
    "with the usual heading": ("p.csv", "label,x,y,z\n" + LPS, "", {"a": A, "b": B}),
    "spaces and empty lines": ("p.csv", "\n label , x , y , z \n a , 1 , 2 , 3 \n\n", "", {"a": A}),
    "a byte order mark": ("p.csv", "\ufefflabel,x,y,z\na,1,2,3\n", "", {"a": A}),
    "numbers as names": ("p.csv", "1,1.5,2,3\n2,4,5,6\n", "", {"1": [1.5, 2, 3], "2": B}),
    "a remark": ("p.csv", "# from the planning room\n" + LPS, "", {"a": A, "b": B}),
    "z,y,x": ("p.csv", "label,z,y,x\na,3,2,1\n", "", {"a": A}),
    "x,y,z,label": ("p.csv", "x,y,z,label\n1,2,3,a\n", "", {"a": A}),
    "r,a,s": ("p.csv", "label,r,a,s\n" + FLIPPED, "", {"a": A, "b": B}),
    "R,A,S": ("p.csv", "Label,R,A,S\n" + FLIPPED, "", {"a": A, "b": B}),
    "l,p,s": ("p.csv", "label,l,p,s\n" + LPS, "", {"a": A, "b": B}),
    "s,a,r": ("p.csv", "label,s,a,r\na,3,-2,-1\n", "", {"a": A}),
    "x_ras": ("p.csv", "label,x_ras,y_ras,z_ras\n" + FLIPPED, "", {"a": A, "b": B}),
    "x (mm)": ("p.csv", "label,x (mm),y (mm),z (mm)\n" + LPS, "", {"a": A, "b": B}),
    "x [cm]": ("p.csv", "label,x [cm],y [cm],z [cm]\na,.1,.2,.3\n", "is in cm", {"a": A}),
    "numpy's heading": ("p.csv", "# label,r,a,s\n" + FLIPPED, "", {"a": A, "b": B}),
    "no names": ("p.csv", "x,y,z\n1,2,3\n4,5,6\n", "numbered in their order", {"1": A, "2": B}),
    "another column": ("p.csv", "name,x,y,z,side\na,1,2,3,left\n", "not used: side", {"a": A}),
    "Slicer's export in RAS": (
        "p.csv",
        SLICER.format("r,a,s") + '"a",-1,-2,3,1,1,1,0,""\n',
        "",
        {"a": A},
    ),
    "Slicer's export, one undefined": (
        "p.csv",
        SLICER.format("l,p,s") + "a,1,2,3,1,1,1,0,\nb,4,5,6,0,1,1,0,\n",
        "no position and are left out: b",
        {"a": A},
    ),
    "an empty position": ("p.csv", "a,1,2,3\nb,,,\n", "left out: b", {"a": A}),
    "the first position empty": ("p.csv", "label,x,y,z\nb,,,\na,1,2,3\n", "left out: b", {"a": A}),
    "nan": ("p.csv", "a,1,2,3\nb,nan,nan,nan\n", "left out: b", {"a": A}),
    "a name with comma and line end": ("p.csv", '"a,\nleft",1,2,3\n', "", {"a,\nleft": A}),
    ".fcsv": ("p.fcsv", fcsv(FCSV + "# CoordinateSystem = LPS\n"), "", {"a": A, "b": B}),
    ".fcsv, system 1": ("p.fcsv", fcsv(FCSV + "# CoordinateSystem = 1\n"), "", {"a": A, "b": B}),
    ".fcsv, system 0": (
        "p.fcsv",
        fcsv(FCSV + "# CoordinateSystem = 0\n"),
        "",
        {"a": [-1, -2, 3], "b": [-4, -5, 6]},
    ),
    ".fcsv, RAS": (
        "p.fcsv",
        fcsv(FCSV + "# CoordinateSystem = RAS\n"),
        "",
        {"a": [-1, -2, 3], "b": [-4, -5, 6]},
    ),
    ".fcsv, version without system": ("p.fcsv", fcsv(FCSV), "", {"a": A, "b": B}),
    ".fcsv of old, no version": (
        "p.fcsv",
        "# Fiducial List file /x\n# columns = label,x,y,z,sel,vis\na,-1,-2,3,1,1\n",
        "",
        {"a": A},
    ),
    ".fcsv, never placed": ("p.fcsv", fcsv(FCSV, (",2,0", ",0,0")), "left out: b", {"a": A}),
    ".fcsv, missing": ("p.fcsv", fcsv(FCSV, (",3,0", ",2,0")), "left out: a", {"b": B}),
    ".fcsv, a preview": ("p.fcsv", fcsv(FCSV, (",2,0", ",1,0")), "left out: b", {"a": A}),
    ".fcsv by another name": ("p.csv", fcsv(FCSV), "", {"a": A, "b": B}),
    ".mrk.json": ("p.mrk.json", mrk(coordinateSystem="LPS"), "", {"a": A, "b": B}),
    ".mrk.json without a system": ("p.mrk.json", mrk(), "", {"a": A, "b": B}),
    ".mrk.json, RAS": (
        "p.mrk.json",
        mrk({"position": [-1, -2, 3]}, {"position": [-4, -5, 6]}, coordinateSystem="RAS"),
        "",
        {"a": A, "b": B},
    ),
    ".mrk.json, system 0": (
        "p.mrk.json",
        mrk({"position": [-1, -2, 3]}, {"position": [-4, -5, 6]}, coordinateSystem=0),
        "",
        {"a": A, "b": B},
    ),
    '.mrk.json, system "1"': ("p.mrk.json", mrk(coordinateSystem="1"), "", {"a": A, "b": B}),
    ".mrk.json, um": (
        "p.mrk.json",
        mrk({"position": [1e3, 2e3, 3e3]}, {"position": ""}, coordinateUnits="um"),
        "is in um",
        {"a": A},
    ),
    ".mrk.json, a coded unit": (
        "p.mrk.json",
        mrk(coordinateUnits=["mm", "UCUM", "millimeter"]),
        "",
        {"a": A, "b": B},
    ),
    ".mrk.json, empty position": (
        "p.mrk.json",
        mrk({"position": "", "positionStatus": "undefined"}),
        "left out: a",
        {"b": B},
    ),
    ".mrk.json, no position": ("p.mrk.json", mrk(b={"position": None}), "left out: b", {"a": A}),
    ".mrk.json, undefined": (
        "p.mrk.json",
        mrk(b={"positionStatus": "undefined"}),
        "left out: b",
        {"a": A},
    ),
    ".mrk.json, missing": (
        "p.mrk.json",
        mrk(b={"positionStatus": "missing"}),
        "left out: b",
        {"a": A},
    ),
    ".mrk.json, a line": ("p.mrk.json", mrk(type="Line"), "type Line", {"a": A, "b": B}),
}

# name -> file name, its text, words of the refusal
REFUSED = {
    "nothing in it": ("p.csv", "", "no landmark"),
    "a heading alone": ("p.csv", "label,x,y,z\n", "no landmark"),
    "nothing placed": ("p.csv", "a,,,\n", "no landmark that has a position"),
    "voxel indices": ("p.csv", "label,i,j,k\na,1,2,3\n", "voxel indices, not millimetres"),
    "columns of no known name": ("p.csv", "label,u,v,w\na,1,2,3\n", "which three columns"),
    "headings of two systems": ("p.csv", "label,r,a,s,l,p\na,1,2,3,4,5\n", "which three columns"),
    "a system that contradicts": ("p.csv", "label,r_lps,a_lps,s_lps\na,1,2,3\n", "contradicts"),
    "two units": ("p.csv", "label,x mm,y mm,z cm\na,1,2,3\n", "contradicts itself"),
    "x twice": ("p.csv", "label,x,y,z,x\na,1,2,3,4\n", "names a coordinate twice"),
    "too few columns": ("p.csv", "a,1,2\n", "“a,1,2” does not have the four columns"),
    "semicolons": ("p.csv", "a;1;2;3\n", "does not have the four columns"),
    "decimal commas": ("p.csv", "a,1,5,2,5,3,5\n", "does not have the four columns"),
    "a row too short": ("p.csv", "label,x,y,z\na,1,2,3\nb,4,5\n", "columns of its heading"),
    "a letter for a digit": ("p.csv", "a,1,2,3\nb,4,5,6O\n", "6O"),
    "names in the last column": ("p.csv", "18.0,2,3,1\n", "begins with a number"),
    "an underscore for a point": ("p.csv", "a,1_5,2_5,3_5\n", "three numbers"),
    "no numbers": ("p.mrk.json", mrk({"position": [True, False, True]}), "three numbers"),
    "no text": ("p.csv", b"\xff\xfe\x00\x01", "cannot be read"),
    "half a position": ("p.mrk.json", mrk({"position": [1, 2]}), "not a position of three numbers"),
    "an unknown system": ("p.mrk.json", mrk(coordinateSystem="IJK"), "coordinate system IJK"),
    "an unknown unit": ("p.mrk.json", mrk(coordinateUnits="furlong"), "unknown unit furlong"),
    "no markups": ("p.mrk.json", "{}", 'no list "markups"'),
    "broken JSON": ("p.mrk.json", mrk()[:-3], "cannot be read as landmarks"),
    ".fcsv, unknown system": ("p.fcsv", fcsv(FCSV + "# CoordinateSystem = 2\n"), "system 2"),
    ".fcsv, other columns": ("p.fcsv", fcsv(FCSV + "# columns = id,r,a,s\n"), "not id,x,y,z"),
    "a folder": (".", "", "no such file"),
}


def written(tmp_path, name, text):
    path = tmp_path / name
    if name != ".":
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("case", READ)
def test_read(tmp_path, case):
    name, text, sentence, expected = READ[case]
    said = []
    labels, points = read_points(written(tmp_path, name, text), said.append)
    assert labels == list(expected)
    assert points == pytest.approx(np.array(list(expected.values())))
    assert (sentence in " ".join(said)) if sentence else not said
    assert all(text.startswith(f"{name}: ") and text.endswith(".") for text in said)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path, case):
    name, text, words = REFUSED[case]
    path = written(tmp_path, name, text)
    with pytest.raises(ValueError) as error:
        read_points(path)
    assert words in str(error.value) and str(error.value).startswith(f"{path}: ")


def test_written_points_come_back(tmp_path):
    names, points = ["a, left", "Ö\nb"], np.array([A, [np.nan] * 3])
    write_points(names, points, tmp_path / "p.csv")
    labels, found = read_landmarks(tmp_path / "p.csv")
    assert labels == names and np.array_equal(found, points, equal_nan=True)


def points_of(names):
    """The n-th landmark at n, n, n mm; none for a name in brackets."""
    return (
        [name.strip("()") for name in names],
        np.array(
            [[np.nan if name.startswith("(") else number] * 3 for number, name in enumerate(names)],
            float,
        ),
    )


# moving names, fixed names -> the number of the fixed landmark for each moving one, and a sentence
PAIRED = {
    "the same names": ("a b c", "a b c", [0, 1, 2], ""),
    "another order": ("a b c", "c a b", [1, 2, 0], ""),
    "Slicer's own names": ("F-1 F-2", "F_1-1 F_1-2", [0, 1], "F-1 with F_1-1, F-2 with F_1-2"),
    "in order, one not placed": ("F-1 (F-2) F-3", "G-1 G-2 (G-3)", [0, 1, None], "F-1 with G-1"),
    "one only on the moving image": ("a b c", "a c", [0, None, 1], "error is not known: b"),
    "one only on the fixed image": ("a b", "a x b", [0, 2], "left out: x"),
    "one not placed on the fixed image": ("a b", "a (b)", [0, None], ""),
}
UNPAIRED = {
    "a name twice on the moving image": ("a a b", "a b c", "moving: .* more than one .* 'a'"),
    "a name twice on the fixed image": ("a b c", "a b b", "fixed: .* more than one .* 'b'"),
    "no common name, other length": ("F-1 F-2 F-3", "G-1 G-2", r"2 landmarks \(G-1, G-2\), moving"),
    "none placed in both": ("a (b)", "(a) b", "has a position both there and in moving"),
}


@pytest.mark.parametrize("case", PAIRED)
def test_paired(case):
    moving, fixed, order, sentence = PAIRED[case]
    said = []
    found = pair_points(
        points_of(moving.split()), points_of(fixed.split()), ("moving", "fixed"), said.append
    )
    assert [None if np.isnan(p[0]) else int(p[0]) for p in found] == order
    assert (sentence in " ".join(said)) if sentence else not said


@pytest.mark.parametrize("case", UNPAIRED)
def test_unpaired(case):
    moving, fixed, words = UNPAIRED[case]
    with pytest.raises(ValueError, match=words):
        pair_points(points_of(moving.split()), points_of(fixed.split()), ("moving", "fixed"), print)


GRID = Grid.from_spacing((10, 10, 12))
BOXES = {"Liver": (1, 8), "Lesion": (3, 5), "Kidney": (8, 10), "Wall": (0, 10)}  # along each axis


def segmentation(text):
    """A segmentation as in "Liver=1 Kidney=5 | Lesion=2": name and label, a bar between layers.

    A name after "?" is not written into the file.
    """
    layers, names = [], {}
    for part in text.split("|"):
        array = np.zeros(GRID.shape, np.int64)
        for entry in part.split():
            name, label = entry.split("=")
            low, high = BOXES[name.strip("?")]
            array[low:high, low:high, low:high] = int(label)
            if not name.startswith("?"):
                names[int(label)] = name
        layers.append(Image(array, GRID))
    return Segmentation(tuple(layers), names)


def structures(tmp_path, moving, fixed, label_names=None):
    """What a run makes of two segmentations: voxels by name of each, and what was said."""
    files, said = [], []
    for name, text in (("moving", moving), ("fixed", fixed)):
        files.append(str(tmp_path / f"{name}.seg.nrrd"))
        write_segmentation(segmentation(text), files[-1])
    ours, theirs = read_structures(*files, label_names or {}, said.append)
    assert len(ours.layers) == len(theirs.layers)
    voxels = {}
    for a, b, labels in zip(ours.layers, theirs.layers, ours.labels_of_layers):
        for label in labels:
            voxels[ours.name(label)] = (
                int((a.array == label).sum()),
                int((b.array == label).sum()),
            )
    return voxels, " ".join(said)


L, X, K, W = 7**3, 2**3, 2**3, 10**3  # voxels of the liver, the lesion, the kidney, the wall
# moving, fixed, given names -> voxels of each structure on the moving and fixed image, a sentence
STRUCTURES = {
    "alike": ("Liver=1 Kidney=2", "Liver=1 Kidney=2", {}, {"Liver": (L, L), "Kidney": (K, K)}, ""),
    "names and labels contradict": (
        "Liver=1 Kidney=2",
        "Kidney=1 Liver=2",
        {},
        {"Liver": (L, L), "Kidney": (K, K)},
        "labels on the moving and the fixed image differ: Kidney (2 and 1), Liver (1 and 2)",
    ),
    "a label that only one has": (
        "Liver=1 Kidney=5",
        "Kidney=9",
        {},
        {"Liver": (L, 0), "Kidney": (K, K)},
        "not on the fixed image and are not judged: Liver",
    ),
    "one only on the fixed image": (
        "Liver=1",
        "Kidney=1 Liver=3",
        {},
        {"Liver": (L, L)},
        "only on the fixed image and are left out: Kidney",
    ),
    "no names": ("?Liver=1 ?Kidney=2", "?Liver=1 ?Kidney=2", {}, {"1": (L, L), "2": (K, K)}, ""),
    "names on one side": (
        "Liver=1 Kidney=2",
        "?Liver=1 ?Kidney=2",
        {},
        {"Liver": (L, L), "Kidney": (K, K)},
        "were paired by label",
    ),
    "names given for labels": (
        "?Liver=1 ?Kidney=2",
        "?Liver=1 ?Kidney=2",
        {"1": "Leber"},
        {"Leber": (L, L), "2": (K, K)},
        "",
    ),
    "one name given twice": (
        "?Liver=1 ?Kidney=2",
        "?Liver=1 ?Kidney=2",
        {"1": "Leber", "2": "Leber"},
        {"Leber": (L, L), "Leber (2)": (K, K)},
        "occur more than once; the later ones are called Leber (2)",
    ),
    "names given for one side": (
        "?Liver=1 ?Kidney=2",
        "Liver=2 Kidney=1",
        {"1": "Liver", "2": "Kidney"},
        {"Liver": (L, L), "Kidney": (K, K)},
        "fixed image differ: ",
    ),
    "given names against those of the file": (
        "Liver=1",
        "Liver=1",
        {"1": "Leber"},
        None,
        "no structure",
    ),
    "the labels of an atlas": (
        "Liver=614454277 Kidney=2",
        "Liver=614454277 Kidney=2",
        {},
        {"Liver": (L, L), "Kidney": (K, K)},
        "",
    ),
    "a lesion in the liver": (
        "Liver=1 Kidney=3 | Lesion=2",
        "Liver=1 Kidney=3 | Lesion=2",
        {},
        {"Liver": (L, L), "Lesion": (X, X), "Kidney": (K, K)},
        "",
    ),
    "layers in another order": (
        "Liver=1 | Lesion=2",
        "Lesion=1 | Liver=2",
        {},
        {"Liver": (L, L), "Lesion": (X, X)},
        "labels on the moving",
    ),
    "an overlap on the moving image only": (
        "Liver=1 | Lesion=2",
        "Lesion=2 Kidney=1",
        {},
        {"Liver": (L, 0), "Lesion": (X, X)},
        "not judged: Liver",
    ),
    "an overlap on the fixed image only": (
        "Lesion=1 Kidney=2",
        "Lesion=1 | Kidney=2 | Wall=3",
        {},
        {"Lesion": (X, X), "Kidney": (K, K)},
        "left out: Wall",
    ),
    "an overlap that the moving image has not": (
        "Liver=1 Kidney=2",
        "Wall=4 | Liver=1 | Kidney=2",
        {},
        {"Liver": (L, L), "Kidney": (K, K)},
        "left out: Wall",
    ),
    "nothing in common by name": (
        "Liver=1",
        "Kidney=1",
        {},
        None,
        r"no structure \(Kidney\) has the name of one",
    ),
    "nothing in common by label": (
        "?Liver=1",
        "?Liver=2",
        {},
        None,
        r"no structure \(2\) has the label of one",
    ),
}


@pytest.mark.parametrize("case", STRUCTURES)
def test_structures(tmp_path, case):
    moving, fixed, given, expected, sentence = STRUCTURES[case]
    if expected is None:
        with pytest.raises(ValueError, match=sentence):
            structures(tmp_path, moving, fixed, given)
        return
    voxels, said = structures(tmp_path, moving, fixed, given)
    assert voxels == expected
    assert (sentence in said) if sentence else not said


def test_true_structures_that_overlap_part_company_on_the_moving_image(tmp_path):
    """Beside each other on the moving image, one in the other on the fixed one."""
    moving = segmentation("Kidney=1 Liver=2")
    write_segmentation(moving, tmp_path / "m.seg.nrrd")
    inner = np.zeros(GRID.shape, np.int64)
    inner[2:4, 2:4, 2:4] = 1
    true = Segmentation(
        (segmentation("Liver=2").layers[0], Image(inner, GRID)), {2: "Liver", 1: "Kidney"}
    )
    write_segmentation(true, tmp_path / "f.seg.nrrd")
    ours, theirs = read_structures(
        str(tmp_path / "m.seg.nrrd"), str(tmp_path / "f.seg.nrrd"), {}, print
    )
    assert sorted(ours.labels_of_layers) == sorted(theirs.labels_of_layers) == [[1], [2]]
    for one, kidney in ((ours, K), (theirs, 8)):
        assert sorted(np.count_nonzero(layer.array) for layer in one.layers) == [kidney, L]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full(GRID.shape, 2**31, np.int64), "labels go up to 2147483647"),
        (np.arange(1200).reshape(GRID.shape) * 3, None),
        (np.full(GRID.shape, -1), "negative labels"),
        (np.full(GRID.shape, 0.5), "fractional values"),
        (np.zeros(GRID.shape), "no labelled voxel"),
    ],
)
def test_label_maps(tmp_path, array, words):
    write_image(Image(array, GRID), tmp_path / "l.nrrd")
    if words is None:
        assert read_segmentation(tmp_path / "l.nrrd").labels == sorted(set(array.flat) - {0})
        return
    with pytest.raises(ValueError, match=words):
        read_segmentation(tmp_path / "l.nrrd")


def seg_nrrd(path, **entries):
    """Liver (1) and kidney (2) in a file with entries of its header as given."""
    image = sitk.GetImageFromArray(segmentation("Liver=1 Kidney=2").layers[0].array)
    for key, value in entries.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path))
    return path


def test_segments_need_not_be_numbered_without_a_gap(tmp_path):
    names = {"Segment0_Name": "Liver", "Segment0_LabelValue": "1"}
    names |= {"Segment10_Name": "Kidney", "Segment10_LabelValue": "2"}
    found = read_segmentation(seg_nrrd(tmp_path / "l.seg.nrrd", **names))
    assert found.names == {1: "Liver", 2: "Kidney"}


def test_a_label_that_is_no_number_is_named(tmp_path):
    path = seg_nrrd(tmp_path / "l.seg.nrrd", Segment0_LabelValue="one")
    with pytest.raises(ValueError, match=r"l\.seg\.nrrd: the label .* of its Segment0 is no whole"):
        read_segmentation(path)


def test_a_colour_that_cannot_be_read_is_left_out(tmp_path):
    said = []
    red = {"Segment0_LabelValue": "1", "Segment0_Color": "red"}
    assert not read_segmentation(seg_nrrd(tmp_path / "l.seg.nrrd", **red), said.append).colors
    assert said == ["l.seg.nrrd: the colour of its Segment0 cannot be read and is left out."]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"1": "Liver", "1": "Spleen"}', "'1' is there twice"),
        ('{"1": "Liver", "01": "Spleen"}', "'1' is there twice"),
        ('{"1": null}', "label 1 is None"),
        ('{"1": {"name": " "}}', "label 1 is ' '"),
    ],
)
def test_names_of_labels_that_say_too_much_or_nothing(tmp_path, text, words):
    (tmp_path / "names.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=words):
        read_label_names(str(tmp_path / "names.json"))


def inputs_of(tmp_path, **arrays):
    """A pair of one image, and label maps or masks of its voxels from a first one (z, y, x) on."""
    image = textured(Grid.from_spacing((16, 16, 16)), seed=2)
    write_image(image, tmp_path / "image.nrrd")
    files = {"fixed": "image.nrrd", "moving": "image.nrrd"}
    for role, (array, *first) in arrays.items():
        grid = Grid.from_spacing(array.shape, origin=(*first, 0, 0)[2::-1])
        write_image(Image(array, grid), tmp_path / f"{role}.nrrd")
        files[role] = f"{role}.nrrd"
    return read_inputs(Job(out="out", **{role: str(tmp_path / f) for role, f in files.items()}))


BALL = np.zeros((16, 16, 16), np.uint8)
BALL[4:12, 4:12, 4:12], BALL[5:7, 5:7, 5:7] = 1, 2


@pytest.mark.parametrize(
    ("first", "end", "cut"),
    [(0, 16, ""), (3, 13, ""), (0, 9, "1"), (6, 12, "1, 2"), (6, 10, "1, 2")],
)
def test_structures_that_their_file_cuts_off_are_named(tmp_path, first, end, cut):
    """A Dice of 1 was 0.63, without a word."""
    part = (BALL[first:end], first)
    notes = inputs_of(tmp_path, moving_labels=(BALL, 0), fixed_labels=part).notes
    assert len(notes) == bool(cut)
    assert all("fixed_labels.nrrd: ends within" in note for note in notes)
    assert all(f"cuts these structures off: {cut}." in note for note in notes)


def test_a_file_that_was_cropped_to_its_structures_cuts_nothing_off(tmp_path):
    tight = BALL[4:12, 4:12, 4:12]
    assert not inputs_of(tmp_path, moving_labels=(tight, 4, 4, 4)).notes


def test_a_structure_at_the_edge_of_its_image_is_not_cut_off_by_its_file(tmp_path):
    assert not inputs_of(tmp_path, moving_labels=(np.ones((16, 16, 16), np.uint8), 0)).notes


def test_a_mask_of_few_voxels_is_refused(tmp_path):
    """One voxel sent the affine 6 mm astray without a word."""
    inputs_of(tmp_path, fixed_mask=(BALL, 0))
    with pytest.raises(ValueError, match=r"marks only 8 voxels of .*; mark 64 or more"):
        inputs_of(tmp_path, fixed_mask=((BALL == 2).astype(np.uint8), 0))
