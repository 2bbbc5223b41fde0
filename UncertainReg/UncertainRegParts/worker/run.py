"""One run: nodes to files, worker process, result folder to nodes."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..stepper import Stepper
from .inputs import namesOf, writeInputs
from .task import Task, duration

# Known from the second sample on; the others, like the expected error, are read when the run is over.
LIVE_MAPS = ("uncertainty_mm",)


class Run(Task):
    """A registration with its uncertainty, from pressing Apply to the nodes in the scene.

    Attributes:
        message: what to tell the user now, one sentence.
        warnings: sentences from the worker and the scene.
        result: the nodes (``UncertainRegLib.scene.ResultNodes``), None before the first sample.
        resultIsNew: the nodes changed; whoever shows them sets it back.
        unfit, fitting: why the registration method is not made for the two images, one sentence,
            and the name of one that is and can be had here; each may be empty.
    """

    def __init__(
        self, folder: Path, nodes: dict, settings: dict, onChanged: Callable[[], None]
    ) -> None:
        """
        Args:
            folder: where inputs, job file and results go.
            nodes: the arguments of ``writeInputs``.
            settings: further entries of the job, e.g. backbone, samples, seed.
            onChanged: called whenever an attribute changed.
        """
        super().__init__(onChanged)
        self.message, self.result, self.asked = _("Writing the images."), None, settings["samples"]
        self.warnings: list[str] = []
        self.resultIsNew = False
        self.unfit = self.fitting = ""
        self._lost: list = []  # input nodes that were deleted meanwhile
        self._folder, self._nodes, self._settings = folder, nodes, settings
        self._started, self._nextLoad = time.monotonic(), 0.0
        self._stepper, self._then = Stepper(), None  # of the loading that is going on

    def isOf(self, parameters) -> bool:
        """Are the volumes and the registration method those of this run?"""
        nodes, settings = self._nodes, self._settings
        return (nodes["fixed"], nodes["moving"], settings["backbone"]) == (
            parameters.fixedVolume,
            parameters.movingVolume,
            parameters.backbone,
        )

    def start(self) -> None:
        """Write the inputs and start the worker.

        Raises:
            InputsError, RuntimeError, OSError: with the sentence to show.
        """
        self.out = self._folder / "result"
        job = writeInputs(**self._nodes, folder=self._folder / "inputs")
        names = namesOf(job, self._nodes)
        self.names = {f"{self._folder}{os.sep}": ""}
        for role, name in names.items():
            files = job[role] if isinstance(job[role], list) else [job[role]]
            self.names |= dict.fromkeys(files, f"“{name}”")
        job["names"] = names
        # The worker watches this process: it also stops when Slicer crashes.
        job |= self._settings | {"out": str(self.out), "parent_pid": os.getpid()}
        jobFile = self._folder / "job.json"
        jobFile.write_text(json.dumps(job, indent=2), encoding="utf-8")
        self._startWorker(["run", "--job", str(jobFile)], self.out)
        self._say(_("Starting."))

    def cancel(self) -> None:
        """Stop soon and keep the finished samples."""
        if self.state == "running":
            self.message = _("Cancelling: the finished samples are kept.")
        super().cancel()

    def kill(self) -> None:
        """Stop at once, also the reading of the result."""
        self._stepper.delete()
        super().kill()

    def _say(self, message: str) -> None:
        self.message = message
        self._onChanged()

    def _onEvent(self, event: dict) -> None:
        super()._onEvent(event)
        kind = event.get("event")
        if kind == "preflight":
            device = _("processor") if event["device"] == "cpu" else _("graphics card")
            self._say(
                _("On the {device}: about {time} and {memory:.1f} GB of memory.").format(
                    device=device,
                    time=duration(60 * event["minutes"]),
                    memory=event["memory_mb"] / 1000,
                )
            )
        elif kind == "stage" and self.state == "running":
            self._say(self.told(event["text"]))
        elif (
            kind == "snapshot" and not self._stepper.isActive and time.monotonic() >= self._nextLoad
        ):
            self._load(LIVE_MAPS, lambda isThere: self._onChanged())
        elif kind == "warning" and "fitting" in event:
            self.unfit, self.fitting = self.told(event["text"]), event["fitting"]
            self._onChanged()
        elif kind == "warning":
            self.warnings.append(self.told(event["text"]))
            self._onChanged()

    def _onEnd(self, exitCode: int) -> None:
        self._exitCode, self._cancelled = exitCode, self.state == "cancelling"
        self.state = "loading"
        if self._stepper.isActive:  # a snapshot is being read
            self._then = lambda isThere: self._loadFirst()
        else:
            self._loadFirst()

    def _loadFirst(self) -> None:
        """The map that is shown first, before all that nobody looks at yet."""
        from UncertainRegLib.results.maps import in_order

        record = self._record()
        names = in_order(record.maps) if record else []  # first the one that is shown first
        if not names:
            self._endWithoutResult()
            return
        self.finished = record.samples.finished
        self._load(names[:1], self._loadRest)

    def _loadRest(self, isThere: bool) -> None:
        if not isThere:
            self._endWithoutResult()
            return
        self._say(_("Reading the maps."))
        self._load(None, self._end)

    def _end(self, isThere: bool) -> None:
        """All is read, or cannot be."""
        from UncertainRegLib.cli.exit_codes import COMPLETE

        record = self._record()
        if not isThere:
            self._fail()
        elif record and record.status == "complete" and self._exitCode == COMPLETE:
            self._stepper.delete()
            self.state = "complete"
            self._say(
                _("{count} samples in {time}.").format(
                    count=self.asked, time=duration(time.monotonic() - self._started)
                )
            )
        elif self._cancelled:
            self._stepper.delete()
            self.state = "partial"
            self._say(
                _("Partial result: {finished} of {asked} samples.").format(
                    finished=self.finished, asked=self.asked
                )
            )
        else:
            self._fail()

    def _endWithoutResult(self) -> None:
        if self._cancelled:  # one sample alone has no disagreement
            self._stepper.delete()
            self.state = "cancelled"
            self._say(_("Cancelled before two samples were finished."))
        else:
            self._fail()

    def _fail(self) -> None:
        self._stepper.delete()
        self.state = "failed"
        self._say(
            self.error
            or _("The computation ended unexpectedly (exit code {code}); see the details.").format(
                code=self._exitCode
            )
        )

    def _record(self):
        """What the result says (``results.record.Record``); None if there is none."""
        from UncertainRegLib.results.reader import ResultError, read_record
        from UncertainRegLib.results.schema import FILE

        try:
            return read_record(self.out)
        except ResultError as error:
            if (self.out / FILE).exists():
                self.error = self.error or self.told(str(error))
            return None

    def _load(self, mapNames, then: Callable[[bool], None]) -> None:
        """Bring the result folder into the scene, in small steps so that the application goes on
        meanwhile; ``then`` hears at the end whether that went well."""
        from UncertainRegLib.scene.result import loading, updating

        nodes = self._nodes
        for node in nodes.values():
            if node is not None and node.GetScene() is None and node not in self._lost:
                self._lost.append(node)
                self.warnings.append(
                    _("“{name}” was deleted during the run; what it showed is read again.").format(
                        name=node.GetName()
                    )
                )
        if self.result is None:
            given = {
                "fixed": nodes["fixed"],
                "moving": nodes["moving"],
                "moving_segmentation": nodes["segmentation"],
                "moving_points": nodes["landmarks"],
            }
            steps = loading(self.out, slicer.mrmlScene, given, mapNames)
        else:
            steps = updating(self.result, self.out, mapNames)
        self._then = then
        self._stepper.start(steps, lambda *end: self._attempt(self._onLoaded, *end))

    def _onLoaded(self, result, error: Exception | None) -> None:
        if error is None:
            self.result, self.resultIsNew = result, True
            said = map(self.told, self.result.warnings)
            self.warnings += [text for text in said if text not in self.warnings]
            # At most once a second, and never more than a fifth of the user's time.
            self._nextLoad = time.monotonic() + max(1.0, 4 * self._stepper.busy)
        else:  # whatever it is: the run still has to end
            logging.error("UncertainReg: the result cannot be shown", exc_info=error)
            self.error = self.error or _("The result cannot be shown: {reason}").format(
                reason=self.told(str(error))
            )
        then, self._then = self._then, None  # a method of this run, which would hold it
        then(error is None)
