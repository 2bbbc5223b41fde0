"""One run: read, register, sample, sum up, write."""

from __future__ import annotations

import contextlib
import os
import shutil
from time import perf_counter

import numpy as np

from .. import backbones
from ..backbones import contrast
from ..backbones.competence import probe
from ..backbones.registry import backbone_class
from ..geometry.arrays import to_numpy
from ..samplers import create_sampler
from ..samplers import method as sampling_method
from . import plausible
from .cancel import CancelFlag, Cancelled
from .inputs import Inputs, read_inputs, some_of
from .job import Job
from .preflight import (
    available_memory_mb,
    choose_device,
    peak_memory_mb,
    predict_memory_mb,
    versions,
)
from .result import ResultFolder
from .summary import INSIDE, Summary

FIRST_SUMMARY = 2  # one sample has no spread: a map of zeros would look certain
SUMMARY_SHARE = 10  # time between snapshots, in units of the time that one takes
PROGRESS_S = 1.0  # between reports of work that is no sample
FEW_SAMPLES = 8  # below them the map is noisy
SUM_UP_S = 4e-7  # a voxel of a sample, one CPU thread
FEW_PROPOSALS = 0.05  # effective share of the weighed proposals below which a warning is due


def run(job: Job, report, preflight_only: bool = False) -> dict:
    """Run a job; returns the content of its ``result.json``.

    A cancelled run returns its partial result. A run that fails after its folder was made leaves
    a result of status "failed" there and raises.

    Args:
        job: what to do.
        report: takes events, see ``jobs.events``.
        preflight_only: stop after the probe registration and leave nothing behind.

    Raises:
        ValueError: the job or one of its files cannot be used.
    """
    started = perf_counter()
    if job.parent_pid and hasattr(os, "setsid"):
        with contextlib.suppress(PermissionError):  # leads its group already
            os.setsid()  # so that the parent can end this process with all its children
    job.check()
    device = choose_device(job.device, backbone_class(job.backbone).facts,
                           sampling_method(job.method))
    backbone = backbones.create(job.backbone, device, **_settings(job))
    sampler = create_sampler(job.method, backbone, job.perturbation, job.parameters)
    perturbs = getattr(sampler, "family", None) is not None
    facts = backbone.facts
    report("stage", text="Reading images")
    inputs = read_inputs(job)
    was_there = os.path.isdir(job.out)
    folder = ResultFolder(job.out, {
        "inputs": inputs.record, "backbone": {"name": job.backbone, "title": facts.title,
                                              "facts": facts.as_dict()},
        "method": job.method,
        "parameters": {"perturbation": job.perturbation if perturbs else None,
                       "settings": job.parameters},
        "seed": job.seed,
        "samples": {"asked": job.samples, "finished": 0, "effective": 0.0, "files": [],
                    "log_weights": [], "status": []},
        "transform": None, "mean_transform": None, "maps": {}, "warped": None,
        "warped_labels": None, "covariance": None, "labels": [], "landmarks": [],
        "modes": [], "best_sample": None, "oracle_sample": None,
        "timings": {}, "peak_memory_mb": None, "device": device, "versions": versions(),
        "warnings": [],
    })
    flag = CancelFlag(folder.path, job.parent_pid)
    flag.listen()
    course = _Run(job, inputs, folder, report, flag, device)
    try:
        course.go(preflight_only)
    except Cancelled:
        course.finish("partial")
    except BaseException as error:
        folder.record.update(status="failed", error=_sentence(error))
        folder.commit()
        raise
    finally:
        flag.file.unlink(missing_ok=True)
        if preflight_only:
            for made in list(folder.path.iterdir()):
                shutil.rmtree(made) if made.is_dir() else made.unlink()
            if not was_there:
                folder.path.rmdir()
    folder.record["timings"]["total_s"] = perf_counter() - started
    if not preflight_only:
        folder.commit()
        report("finished", status=folder.record["status"],
               result=str(folder.path / "result.json"))
    return folder.record


class _Run:
    """The state of a run between its steps."""

    def __init__(self, job: Job, inputs: Inputs, folder: ResultFolder, report, flag: CancelFlag,
                 device: str) -> None:
        self.job, self.inputs, self.folder = job, inputs, folder
        self.report, self.flag, self.device = report, flag, device
        self.summary: Summary | None = None
        self.timings = folder.record["timings"]
        self.sampling_since = self.progress_at = 0.0

    def go(self, preflight_only: bool) -> None:
        sampler, fixed, moving, registration = self._probe()
        for text in contrast.warnings(sampler.backbone, fixed, moving, registration):
            self._warn(text)
        if self.job.competence:
            self._check_competence(sampler.backbone, fixed, moving, registration)
        if preflight_only:
            return
        self.summary = Summary(self.inputs, registration,
                               getattr(sampler, "draws_per_perturbation", 1) > 1)
        self._predict_maps(sampler.backbone, fixed, moving)
        self.folder.write_registration(self.summary)
        self._warn_early(sampler)
        generator = np.random.default_rng(self.job.seed)
        begun = last_summary = self.sampling_since = perf_counter()
        summary_cost = 0.0
        asked = min(self.job.samples, getattr(sampler, "at_most", self.job.samples))
        self.folder.record["samples"]["asked"] = asked
        self.flag.check()
        for index, sample in enumerate(sampler.sample(fixed, moving, asked, generator)):
            kept = self.summary.add(sample)
            self.folder.write_sample(index, kept, sample)
            finished, now = index + 1, perf_counter()
            eta = (now - self.sampling_since) / finished * (asked - finished)
            self.report("sample", finished=finished, asked=asked, eta_s=round(eta, 1))
            due = now - last_summary > max(1.0, SUMMARY_SHARE * summary_cost)
            if FIRST_SUMMARY <= finished < asked and due:
                self.folder.write_summary(self.summary, final=False)
                last_summary = perf_counter()
                summary_cost = last_summary - now
                self.report("snapshot", result=str(self.folder.path / "result.json"))
            if finished < asked:
                self.flag.check()
        self.timings["samples_s"] = perf_counter() - begun
        self.finish("complete")

    def finish(self, status: str) -> None:
        """Write what there is under ``status``."""
        record = self.folder.record
        record["status"] = status  # on disk with the files, in one step
        if self.summary is not None and (self.summary.count >= FIRST_SUMMARY
                                         or (self.summary.count and self.summary.predicted)):
            self.report("stage", text="Writing maps and tables")
            started = perf_counter()
            self._warn_late()
            self.folder.write_summary(self.summary, final=True)
            lost = [row["name"] for row in record["labels"] if row["voxels"] == 0]
            if lost:
                self._warn("These structures are not in the registered image, so their numbers "
                           f"mean nothing: {some_of(lost)}.")
            self.timings["summary_s"] = perf_counter() - started
        else:
            self._warn("Stopped before two samples were finished: there is no map of "
                       "disagreement.")
        record["peak_memory_mb"] = peak_memory_mb()
        self.folder.commit()

    def _probe(self):
        """Prepare and register the unperturbed pair; on lack of memory, step down and repeat."""
        settings = _settings(self.job)
        while True:
            try:
                backbone = backbones.create(self.job.backbone, self.device, **settings)
                sampler = create_sampler(self.job.method, backbone, self.job.perturbation,
                                         self.job.parameters, self.device, self._progress)
                self.report("stage", text=f"Registering with {backbone.facts.title}")
                started = perf_counter()
                fixed, moving = backbone.prepare(self.inputs.fixed, self.inputs.moving)
                self.timings["prepare_s"] = perf_counter() - started
                self.flag.check()
                started = perf_counter()
                registration = backbone.register(fixed, moving)
                break
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                settings = self._step_down(backbone, settings)
        seconds = self.timings["register_s"] = perf_counter() - started
        voxels = int(np.prod(registration.grid.shape))
        seconds_more = (sampler.expected_seconds(self.job.samples, seconds)
                        + SUM_UP_S * voxels * self.job.samples)
        memory = predict_memory_mb(self.inputs, voxels)
        memory = max(memory, peak_memory_mb() or 0.0) + getattr(sampler, "memory_mb", 0)
        self.folder.record["preflight"] = {
            "device": self.device, "memory_mb": memory,
            "minutes": (seconds + seconds_more) / 60}
        self.report("preflight", **self.folder.record["preflight"])
        free = available_memory_mb()
        if free is not None and memory > free + (peak_memory_mb() or 0.0):
            self._warn(f"The run may need {memory:.0f} MB of memory, {free:.0f} MB are free.")
        return sampler, fixed, moving, registration

    def _predict_maps(self, backbone, fixed, moving) -> None:
        """Maps that a trained model makes itself, whatever the method."""
        if hasattr(backbone, "maps"):
            self.summary.predicted = backbone.maps(fixed, moving)

    def _progress(self, text: str, done: int, total: int) -> None:
        """Tell of work before the first sample, and stop it when asked to."""
        self.flag.check()
        self.sampling_since = perf_counter()
        if done == total or self.sampling_since - self.progress_at > PROGRESS_S:
            self.progress_at = self.sampling_since
            self.report("stage", text=f"{text}: {done} of {total}")

    def _check_competence(self, backbone, fixed, moving, registration) -> None:
        """Where a backbone does not follow a shift, its agreement says nothing (it is then
        confidently wrong)."""
        self.report("stage", text="Checking that the method follows known shifts")
        found = probe(backbone, fixed, moving, registration=registration)
        self.folder.record["competence"] = {
            "followed": {str(mm): part for mm, part in found.followed.items()},
            "warnings": list(found.warnings)}
        self.report("competence", followed=self.folder.record["competence"]["followed"])
        for text in found.warnings:
            self._warn(text)

    def _step_down(self, backbone, settings: dict) -> dict:
        """The next step of the ladder: half the working voxels, then the CPU."""
        voxels = getattr(backbone, "voxels", 0)
        if voxels > 100_000:
            self._warn(f"Out of memory on {self.device}: the working grid was halved to "
                       f"{voxels // 2} voxels.")
            return {**settings, "voxels": voxels // 2}
        if self.device != "cpu":
            self.device = self.folder.record["device"] = "cpu"
            self._warn("Out of memory on the GPU: the run goes on on the CPU.")
            return settings
        raise MemoryError("There is not enough memory for this pair; crop or resample the images.")

    def _warn_early(self, sampler) -> None:
        family = getattr(getattr(sampler, "family", None), "name", None)
        facts = sampler.backbone.facts
        if family in facts.equivariant_to:
            self._warn(f"{facts.title} is equivariant to {family} by construction: its "
                       "disagreement is near zero whatever its error. Choose another family.")
        if facts.needs_affine:
            self._warn(f"{facts.title} expects affinely aligned images.")
        folding = self.summary.folding()
        if folding > 0:
            self._warn(f"The registration folds in {_percent(folding)} % of its voxels.")
        for text in self.inputs.warnings():
            self._warn(text)

    def _warn_late(self) -> None:
        outside = float(to_numpy(self.summary.validity.value < INSIDE).mean())
        if outside > 0.05:
            self._warn(f"{100 * outside:.0f} % of the fixed image lie outside the moving image in "
                       "most samples: the map says nothing there.")
        samples = self.folder.record["samples"]
        if samples.get("ess_tempered", np.inf) < FEW_PROPOSALS * samples.get("proposals", 0):
            self._warn(f"Only {samples['ess_tempered']:.1f} of {samples['proposals']} proposals "
                       "carry the weight: the samples are nearly copies of each other. Weigh more "
                       "proposals, or temper to a larger ess_fraction.")
        for text in plausible.warnings(self.summary):
            self._warn(text)
        effective = self.summary.effective()
        if effective < min(4, self.summary.count / 2):
            self._warn(f"The {self.summary.count} samples are only {effective:.1f} different "
                       "registrations (effective number): weigh more proposals.")
        if self.summary.count >= FEW_SAMPLES:
            apart, spread = self.summary.offset_and_spread_mm()
            if apart > spread > 0:
                self._warn(f"The samples surround a place {apart:.1f} mm (median) off the "
                           f"registration and differ by {spread:.1f} mm alone: look at their mean, "
                           "too.")
        elif self.summary.count >= FIRST_SUMMARY:
            self._warn(f"Only {self.summary.count} samples: the map is noisy; use 16 or more.")

    def _warn(self, text: str) -> None:
        self.folder.record["warnings"].append(text)
        self.report("warning", text=text)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.01 else f"{100 * share:.2g}"


def _settings(job: Job) -> dict:
    return dict(job.parameters.get("backbone", {}))


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in ("out of memory", "bad_alloc", "failed to alloc"))


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:500] if text else type(error).__name__
