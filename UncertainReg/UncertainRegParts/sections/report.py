"""What is taken along: the report as a page, and its summary as a picture."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..controls import askForPath, connectAll


class ReportSection:
    """The two buttons below the results; both read the result folder, not the scene."""

    def __init__(self, panel) -> None:
        self.panel = panel
        connectAll(
            (panel.ui.reportButton, "clicked(bool)", self._onReport),
            (panel.ui.pictureButton, "clicked(bool)", self._onPicture),
        )

    def _onReport(self) -> None:
        from UncertainRegLib.report.html import write_report

        self._write(write_report, "report.html", _("Web page (*.html)"))

    def _onPicture(self) -> None:
        from UncertainRegLib.report.summary import write_summary_picture

        self._write(write_summary_picture, "summary.png", _("Picture (*.png)"))

    def _write(self, write, name: str, kind: str) -> None:
        """Ask for the file, write it, and open it."""
        from UncertainRegLib.results.schema import FILE

        folder = Path(self.panel.result.folder)
        if not (folder / FILE).is_file():
            slicer.util.errorDisplay(
                _(
                    "The files of this result are gone, and the scene alone does not hold all that a "
                    "report needs. Press Apply again; “Keep results in” under “Advanced” keeps the "
                    "files."
                )
            )
            return
        isTemporary = Path(slicer.app.temporaryPath) in folder.parents  # deleted at the end
        path = askForPath(str((Path.home() if isTemporary else folder) / name), kind)
        if not path:
            return
        try:
            with slicer.util.WaitCursor():
                write(folder, path)
        except (ValueError, OSError, RuntimeError) as error:
            logging.exception("UncertainReg: the report cannot be written")
            slicer.util.errorDisplay(
                _("{file} cannot be written: {reason}").format(
                    file=Path(path).name,
                    reason=str(error).replace(f"{folder}{os.sep}", "").replace(path, _("the file")),
                )
            )
            return
        if not slicer.app.testingEnabled():
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(path))
