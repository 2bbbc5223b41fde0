"""The pictures of the README, from real runs of the real image pairs.

    python Tools/screenshots.py [FOLDER]

Runs (or finds in FOLDER) the brain and the lung pair, and a cohort of twelve hippocampi. Draws them
with Slicer's own view code, clicks through the real panel of the module in the test host, and opens
the dashboard of the cohort in Chromium.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "Resources" / "Screenshots"
DATA = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
PANEL, GAP = 470, 4  # pixels: width of the panel, between the views


def lung(data: Path, folder: Path) -> list:
    """Options of the lung pair: masks, and landmarks of both images."""
    lung = data / "lung_ct_followup"
    folder.mkdir(parents=True, exist_ok=True)
    with open(lung / "landmarks_lps.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    for name, first in (("fixed", 1), ("moving", 4)):
        lines = ["label,x,y,z", *(",".join([row[0], *row[first : first + 3]]) for row in rows)]
        (folder / f"{name}_points.csv").write_text("\n".join(lines), "utf-8")
    (folder / "names.json").write_text('{"1": "Right lung"}', "utf-8")
    return [
        "--fixed",
        lung / "baseline.mha",
        "--moving",
        lung / "followup.mha",
        "--fixed-mask",
        lung / "baseline_mask.mha",
        "--moving-mask",
        lung / "followup_mask.mha",
        "--fixed-labels",
        lung / "baseline_mask.mha",
        "--moving-labels",
        lung / "followup_mask.mha",
        "--label-names",
        folder / "names.json",
        "--fixed-points",
        folder / "fixed_points.csv",
        "--moving-points",
        folder / "moving_points.csv",
        "--competence",
    ]


def hippocampi(data: Path, folder: Path) -> Path:
    """A list: a hippocampus, and those of twelve other people registered to it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names.json").write_text('{"1": "Anterior part", "2": "Posterior part"}', "utf-8")
    fixed, *moving = sorted(
        file.name for file in (data / "hippocampus_msd" / "images").glob("*.gz")
    )[:13]
    roles = {"": "images", "_labels": "labels"}
    with open(folder / "pairs.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        files = [f"{side}{role}" for role in roles for side in ("fixed", "moving")]
        writer.writerow(["id", *files, "label_names", "samples"])
        for name in moving:
            paths = [
                data.absolute() / "hippocampus_msd" / kind / one
                for kind in roles.values()
                for one in (fixed, name)
            ]
            writer.writerow([name.split(".")[0], *paths, "names.json", 8])
    return folder / "pairs.csv"


def cohort(folder: Path) -> None:
    """Register the hippocampi, judge each, and write the dashboard with the verdicts."""
    from UncertainRegLib.__main__ import main as command

    out = folder / "hippocampi"
    if command(["cohort", str(hippocampi(DATA, folder / "list")), "--out", str(out)]):
        sys.exit(1)
    for pair in sorted((out / "pairs").iterdir()):
        if command(["evaluate", "acceptance", str(pair), "--progress", "none"]):
            sys.exit(1)
    command(["cohort", "report", str(out)])


def dashboard(folder: Path) -> None:
    """The page of the cohort as a browser shows it."""
    from support.browser import browser

    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1360, "height": 860})
        page.goto((folder / "hippocampi" / "index.html").as_uri())
        page.wait_for_selector("html[data-ready=yes] #rows tr[data-id]")
        page.screenshot(path=PICTURES / "cohort.png")


def results(folder: Path) -> None:
    """Run what is missing in ``folder``."""
    from demo import two_brains
    from UncertainRegLib.__main__ import main as command

    for name, options in (("brain", two_brains(DATA)), ("lung", lung(DATA, folder / "points"))):
        out = folder / name
        if not (out / "result.json").is_file() and command(
            ["run", *map(str, options), "--out", str(out)]
        ):
            sys.exit(1)


def overlays(folder: Path) -> None:
    """The map in three planes, and the summary page, of both pairs."""
    from UncertainRegLib.report.summary import write_summary_picture
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.pictures import Panel
    from UncertainRegLib.scene.result import load_result

    for name in ("brain", "lung"):
        with HeadlessScene() as headless:
            panel = Panel(headless)
            panel.save_picture(load_result(folder / name, headless.scene), PICTURES / f"{name}.png")
    write_summary_picture(folder / "lung", PICTURES / "summary.png")


def displays(folder: Path) -> None:
    """Three ways of looking at the brain pair, side by side."""
    import numpy as np
    from PIL import Image

    from UncertainRegLib.scene import display
    from UncertainRegLib.scene.headless import HeadlessScene
    from UncertainRegLib.scene.mixed import Mixer
    from UncertainRegLib.scene.outlines import outlining
    from UncertainRegLib.scene.result import load_result
    from UncertainRegLib.scene.steps import finished
    from UncertainRegLib.scene.views import SliceView
    from UncertainRegLib.scene.worst import worst_places

    with HeadlessScene() as headless:
        red, yellow, green = (
            SliceView(headless, name, (460, 460)) for name in ("Red", "Yellow", "Green")
        )
        result = load_result(folder / "brain", headless.scene)
        result.moving_segmentation.GetDisplayNode().SetVisibility(False)
        headless.fit_slices(460, 460)
        display.jump_to(headless.scene, worst_places(result)[0], centered=False)
        both = Mixer(result).fill(result, "checkerboard")
        for view in display.slice_views(headless.scene):
            view.SetBackgroundVolumeID(both.GetID())
        pictures = [yellow.pixels()]
        display.show_map(result, "jacobian", 0.7, grey=True)
        pictures.append(red.pixels())
        for view in display.slice_views(headless.scene):
            view.SetForegroundVolumeID(None)
        finished(outlining(result, "hippocampus"))
        table = result.label_table.GetTable()
        names = table.GetColumnByName("name")
        row = [names.GetValue(n) for n in range(table.GetNumberOfRows())].index("hippocampus")
        columns = [table.GetColumnByName(f"worst_voxel_lps_{axis}") for axis in "ras"]
        display.jump_to(headless.scene, [column.GetValue(row) for column in columns])
        green.node.SetFieldOfView(90, 90, 1)
        pictures.append(green.pixels())
    Image.fromarray(np.hstack(pictures)).save(PICTURES / "displays.png", optimize=True)


class Screen:
    """The module beside four views, as in the application; the panel is the real one."""

    def __init__(self, size: int = 560) -> None:
        import slicer

        from support import qt_host
        from UncertainRegLib.scene.headless import SLICES
        from UncertainRegLib.scene.views import SliceView, ThreeDView

        self.host, self.size = qt_host.start(), size
        module = self.host.load_module(ROOT / "UncertainReg" / "UncertainReg.py")
        self.widget = self.host.make_widget(module.UncertainRegWidget)
        self.widget.firstMinute.close()  # who follows the tutorial has seen it
        self.headless = slicer._host_scene
        self.views = [
            SliceView(self.headless, name, (size, size)) for name in ("Red", "Yellow", "Green")
        ]
        self.threed = ThreeDView(self.headless, (size, size))
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
        for name, orientation in SLICES.items():
            self.headless.slices[name].GetSliceNode().SetOrientation(orientation)

    def load(self, folder: Path):
        """Show a result folder as if its run had just ended; returns its nodes."""
        import slicer

        from UncertainRegLib.scene.result import load_result

        nodes = load_result(folder, slicer.mrmlScene)
        ui = self.widget.ui
        ui.fixedSelector.setCurrentNode(nodes.fixed)
        ui.movingSelector.setCurrentNode(nodes.moving)
        ui.segmentationSelector.setCurrentNode(nodes.moving_segmentation)
        if nodes.moving_points is not None:
            ui.landmarksSelector.setCurrentNode(nodes.moving_points)
        self.headless.fit_slices(self.size, self.size)
        self.widget.results.refresh(nodes.run, showMap=True)
        return self.widget.results.result

    def open(self, *names: str) -> None:
        """Leave only these sections of the panel open."""
        ui = self.widget.ui
        for section in (
            "inputs",
            "method",
            "advanced",
            "results",
            "probe",
            "structures",
            "landmarks",
            "samples",
            "validate",
            "acceptance",
            "dose",
            "cohort",
        ):
            getattr(ui, f"{section}CollapsibleButton").collapsed = section not in names
        self.widget.results.refresh()

    def grab(self, path: Path, height: int = 10, width: int = PANEL) -> None:
        """The panel alone."""
        parent = self.widget.parent
        self.host.process_events()
        for _ in range(2):  # labels wrap differently once the width is known
            parent.resize(width, max(height, parent.sizeHint.height()))
            self.host.process_events()
        parent.grab().save(str(path))

    def save(self, path: Path) -> None:
        """The panel, and beside it the views where the crosshair is."""
        import slicer
        from PIL import Image

        height = 2 * self.size + GAP
        self.grab(path, height)
        panel = Image.open(path).convert("RGB")
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        crosshair.SetCrosshairMode(crosshair.ShowSmallBasic)
        crosshair.SetCrosshairColor(0.0, 1.0, 1.0)
        pictures = [view.pixels() for view in self.views]
        self.threed.look_from((0.6, 1.5, 0.6))
        self.threed.renderer.GetActiveCamera().Zoom(0.75)
        pictures.insert(1, self.threed.pixels())
        page = Image.new(
            "RGB", (panel.width + 2 * (self.size + GAP), max(panel.height, height)), (20, 20, 26)
        )
        page.paste(panel, (0, 0))
        for number, picture in enumerate(pictures):
            page.paste(
                Image.fromarray(picture),
                (
                    panel.width + GAP + (number % 2) * (self.size + GAP),
                    (number // 2) * (self.size + GAP),
                ),
            )
        page.save(path, optimize=True)

    def close(self) -> None:
        """Let the module go, and fail on anything PythonQt would have printed."""
        import slicer

        slicer.mrmlScene.Clear()
        self.host.unload(self.widget)
        self.host.check()


def click(table, name: str) -> None:
    """Click the row of that name."""
    row = [table.item(row, 0).text() for row in range(table.rowCount)].index(name)
    table.selectRow(row)
    table.scrollToItem(table.item(row, 0))
    table.cellClicked.emit(row, 0)


def brain_screens(folder: Path) -> None:
    """What the tutorial shows: the panel before Apply; a structure and its safety margin."""
    screen = Screen()
    ui = screen.widget.ui
    screen.load(folder / "brain")
    screen.open("inputs", "method")
    ui.resultsCollapsibleButton.visible = False
    screen.grab(PICTURES / "module.png")
    screen.open("results", "structures")
    click(ui.structuresTable, "hippocampus")
    ui.onlyStructureCheckBox.checked = True
    ui.surfacesCheckBox.checked = True
    screen.widget.results.maps.chooseMain()
    screen.save(PICTURES / "module_structures.png")
    screen.close()


def lung_screens(folder: Path) -> None:
    """Landmarks with their ellipsoids, and those of the samples in the slices."""
    screen = Screen()
    ui = screen.widget.ui
    nodes = screen.load(folder / "lung")
    screen.open("results", "probe", "landmarks")
    click(ui.landmarksTable, "6")
    ui.axesCheckBox.checked = True
    nodes.landmarks.GetDisplayNode().SetPointLabelsVisibility(False)
    nodes.moving_segmentation.GetDisplayNode().SetVisibility3D(False)
    screen.save(PICTURES / "module_landmarks.png")
    screen.close()


def cohort_screens(folder: Path) -> None:
    """The cohort in a wide panel, and the pair of its first row beside it."""
    from PIL import Image

    screen = Screen()
    ui, results = screen.widget.ui, screen.widget.results
    for name in ("inputs", "method", "advanced", "results"):
        getattr(ui, f"{name}CollapsibleButton").visible = False
    os.chdir(folder)  # so that no path of this machine is in the picture
    screen.open("cohort")
    ui.cohortPathLineEdit.currentPath = "hippocampi"
    while results.cohort.isActive:
        screen.host.process_events()
    ui.cohortTable.selectRow(0)
    ui.cohortTable.cellClicked.emit(0, 0)
    while results.cohort.isActive:
        screen.host.process_events()
    screen.headless.fit_slices(screen.size, screen.size)
    for name in ("inputs", "method", "advanced", "results"):
        getattr(ui, f"{name}CollapsibleButton").visible = False
    file = PICTURES / "module_cohort.png"
    screen.grab(file, screen.size, width=800)
    panel, view = Image.open(file).convert("RGB"), Image.fromarray(screen.views[0].pixels())
    page = Image.new("RGB", (panel.width + GAP + view.width, panel.height), (20, 20, 26))
    page.paste(panel, (0, 0))
    page.paste(view, (panel.width + GAP, 0))
    page.save(file, optimize=True)
    screen.close()


SCREENS = {"brain": brain_screens, "lung": lung_screens, "cohort": cohort_screens}

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing"), str(ROOT / "Examples")]
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    if len(sys.argv) > 2:  # an application starts only once in a process
        SCREENS[sys.argv[2]](where)
        sys.exit()
    PICTURES.mkdir(parents=True, exist_ok=True)
    results(where)
    overlays(where)
    displays(where)
    cohort(where)
    dashboard(where)
    for pair in SCREENS:
        subprocess.run([sys.executable, __file__, str(where), pair], check=True)
