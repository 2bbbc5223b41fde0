"""One run: read, register, sample, sum up, write."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import asdict, replace
from time import perf_counter

import numpy as np

from .. import backbones, samplers
from ..backbones import contrast, suited
from ..backbones.competence import probe
from ..backbones.failures import check_finite, out_of_memory, sentence
from ..backbones.models import checksum_of
from ..backbones.registry import backbone_class
from ..environment import available_memory_mb, choose_device, peak_memory_mb, versions
from ..expected_error.model import checked, shipped
from ..geometry import DisplacementField, Grid, folding_fraction
from ..geometry.transform_file import GivenTransform
from ..memory import keep_freed_memory
from ..metrics.consistency import inverse_consistency
from ..randomness import numpy_generator
from ..results.schema import new_record
from . import plausible, warnings
from .cancel import CancelFlag, Cancelled
from .expectation import Expecting
from .given import NOT_CHECKED, stands
from .inputs import Inputs, read_inputs
from .job import Job
from .ladder import Step
from .landmarks import lost_samples
from .misreadings import suspicions
from .preflight import predict_memory_mb, predict_seconds
from .products import not_computed, not_seen
from .summary import FEWEST, Summary
from .writer import RunWriter

FIRST_SUMMARY = 2  # one sample has no spread: a map of zeros would look certain
SUMMARY_SHARE = 10  # time between snapshots, in units of the time that one takes
PROGRESS_S = 1.0  # between reports of work that is no sample


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
    keep_freed_memory()
    needed = {*backbone_class(job.backbone).facts.packages, *samplers.entry(job.method).packages}
    device = choose_device(job.device, "torch" in needed)
    backbone = backbones.create(job.backbone, device, **_settings(job))
    sampler = samplers.create_sampler(job.method, backbone, job.perturbation, job.parameters)
    perturbs = sampler.family is not None
    facts = backbone.facts
    report("stage", text="Reading images")
    inputs = read_inputs(job)
    was_there = os.path.isdir(job.out)
    folder = RunWriter(
        job.out,
        new_record(
            inputs=inputs.record,
            backbone={"name": job.backbone, "title": facts.title, "facts": facts.as_dict()},
            method=job.method,
            parameters={
                "perturbation": job.perturbation if perturbs else None,
                "settings": job.parameters,
            },
            seed=job.seed,
            asked=job.samples,
            device=device,
            versions=versions(),
            job=job.settings() | {"model_sha256": checksum_of(job.backbone)},
        ),
    )
    flag = CancelFlag(folder.path, job.parent_pid)
    flag.listen()
    course = _Run(job, inputs, folder, report, flag)
    try:
        course.go(preflight_only)
    except Cancelled:
        course.finish("partial")
    except BaseException as error:
        folder.update(status="failed", error=sentence(error))
        with contextlib.suppress(OSError):  # a full disk: what stands there stays
            folder.commit()
        raise
    finally:
        flag.file.unlink(missing_ok=True)
        if preflight_only:
            for made in list(folder.path.iterdir()):
                shutil.rmtree(made) if made.is_dir() else made.unlink()
            if not was_there:
                folder.path.rmdir()
    folder.timings["total_s"] = perf_counter() - started
    if not preflight_only:
        folder.commit()
        report("finished", status=folder.view.status, result=str(folder.file))
    return folder.record


class _Run:
    """The state of a run between its steps."""

    def __init__(
        self, job: Job, inputs: Inputs, folder: RunWriter, report, flag: CancelFlag
    ) -> None:
        self.job, self.inputs, self.folder = job, inputs, folder
        self.report, self.flag = report, flag
        self.summary: Summary | None = None
        self.timings = folder.timings
        self.sampling_since = self.progress_at = 0.0
        self.is_astray = False
        self.is_told: bool | None = None  # that the method is not made for these images

    def go(self, preflight_only: bool) -> None:
        sampler, fixed, moving, own = self._probe()
        signs = contrast.signs(fixed, moving, own)
        differ = signs.words
        if not self.is_told and not suited.suits(sampler.backbone, signs):
            self._warn(*contrast.warnings(sampler.backbone, differ))
        if self.job.competence:
            self._check_competence(sampler.backbone, fixed, moving, own)
        if preflight_only:
            return
        registration = own if self.inputs.given is None else self.inputs.given.field
        parts = sampler.parts if sampler.draws_per_perturbation > 1 else None
        self.summary = Summary(self.inputs, registration, parts)
        self._predict_maps(sampler.backbone, fixed, moving)
        if self.inputs.given is not None:
            self._try_given(own.to_numpy())
        self._check_inverse(sampler.backbone)
        generator = numpy_generator(self.job.seed, "samples")
        asked = min(self.job.samples, sampler.at_most or self.job.samples)
        self.folder.update_samples(asked=asked)
        self.flag.check()
        begun = self.sampling_since = perf_counter()
        with contextlib.closing(sampler.sample(fixed, moving, asked, generator)) as samples:
            # the first ones may be in work by now: what else there is to do takes no longer for it
            self._expect(fixed, moving, registration.resample(own.grid), differ)
            self.folder.update(before_after=self.summary.before_after)
            self.folder.write_registration(self.summary)
            self._warn_early(sampler, own.grid)
            self._add_up(samples, asked)
        self.timings["samples_s"] = perf_counter() - begun
        self.finish("complete")

    def _add_up(self, samples, asked: int) -> None:
        """Take in the samples as they arrive; now and then write what they say so far."""
        last_summary = perf_counter()
        summary_cost = 0.0
        for index, sample in enumerate(samples):
            kept = self.summary.add(sample)
            self._warn_of_sample(index, sample)
            self.folder.write_sample(index, kept, sample)
            finished, now = index + 1, perf_counter()
            agreement = self.summary.agreement()
            eta = (now - self.sampling_since) / finished * (asked - finished)
            self.report(
                "sample",
                finished=finished,
                asked=asked,
                eta_s=round(eta, 1),
                agreement=None if agreement is None else round(agreement, 3),
            )
            if self._is_steady(agreement, finished):
                break
            due = now - last_summary > max(1.0, SUMMARY_SHARE * summary_cost)
            if FIRST_SUMMARY <= finished < asked and due:
                self.folder.write_summary(self.summary, final=False)
                last_summary = perf_counter()
                summary_cost = last_summary - now
                self.report("snapshot", result=str(self.folder.file))
            if finished < asked:
                self.flag.check()

    def _is_steady(self, agreement: float | None, finished: int) -> bool:
        """Would as many other samples make the same map, as far as the job asks for?"""
        if not self.job.agreement or agreement is None or agreement < self.job.agreement:
            return False
        self.folder.update_samples(asked=finished)
        return True

    def _compare_contrasts(self, backbone) -> bool:
        """Say before anything is registered that the method is not made for these two images.

        Whoever shows the sentence also hears which method is, and can be had here.
        """
        if not backbone.one_contrast:
            return False
        self.report("stage", text="Comparing the intensities of the two images")
        found = suited.beforehand(*self.inputs.small)
        self.flag.check()
        if suited.suits(backbone, found):
            return False
        text, better = suited.sentence(backbone, found), suited.suited(found)[0]
        self.folder.warn(text)
        self.report("warning", text=text, fitting=better.name if better.available else "")
        return True

    def finish(self, status: str) -> None:
        """Write what there is under ``status``."""
        self.folder.update(status=status)  # on disk with the files, in one step
        if self.summary is not None and (
            self.summary.stream.count >= FIRST_SUMMARY
            or (self.summary.stream.count and self.summary.predicted)
        ):
            self.report("stage", text="Writing maps and tables")
            started = perf_counter()
            self._warn_late()
            self._leave_out_strays()
            self._place_given()
            self.folder.write_summary(self.summary, final=True)
            self._warn(*warnings.of_lost(self.folder.view.labels))
            self.timings["summary_s"] = perf_counter() - started
        else:
            self._warn("Stopped before two samples were finished: there is no map of disagreement.")
        self.folder.update(peak_memory_mb=peak_memory_mb())
        self.folder.commit()

    def _probe(self):
        """Prepare and register the unperturbed pair; on lack of memory, step down and repeat."""
        step = Step(self.folder.view.device, _settings(self.job))
        backbone = backbone_class(self.job.backbone)  # until one is made: it may be too large
        while True:
            try:
                backbone = backbones.create(self.job.backbone, step.device, **step.settings)
                sampler = samplers.create_sampler(
                    self.job.method,
                    backbone,
                    self.job.perturbation,
                    self.job.parameters,
                    step.device,
                    self._progress,
                )
                if self.is_told is None:
                    self.is_told = self._compare_contrasts(backbone)
                self.report("stage", text=f"Registering with {backbone.facts.title}")
                started = perf_counter()
                fixed, moving = backbone.prepare(self.inputs.fixed, self.inputs.moving)
                self.timings["prepare_s"] = perf_counter() - started
                self.flag.check()
                started = perf_counter()
                registration = backbone.register(fixed, moving)
                check_finite(registration)
                break
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                step, told = step.down(step.settings.get("voxels", backbone.voxels))
                self.folder.update(device=step.device)
                self._warn(told)
        seconds = self.timings["register_s"] = perf_counter() - started
        voxels = int(np.prod(registration.grid.shape))
        memory = predict_memory_mb(
            self.inputs.fixed.grid.shape, self.inputs.moving.grid.shape, voxels
        )
        memory = max(memory, peak_memory_mb() or 0.0) + sampler.memory_mb
        memory += sampler.beside_mb(voxels)
        needed = {
            "device": step.device,
            "memory_mb": memory,
            "minutes": predict_seconds(sampler, self.job.samples, seconds, voxels) / 60,
        }
        self.folder.update(preflight=needed)
        self.report("preflight", **needed)
        self._warn(*warnings.of_memory(memory, available_memory_mb(), peak_memory_mb() or 0.0))
        return sampler, fixed, moving, registration

    def _predict_maps(self, backbone, fixed, moving) -> None:
        """Maps that a trained model makes itself, whatever the method, and its warped labels."""
        segmentation = self.inputs.moving_labels
        one = segmentation is not None and len(segmentation.layers) == 1
        labels = segmentation.layers[0] if one else None
        self.summary.predicted = backbone.maps(fixed, moving, labels)
        if labels is None or self.inputs.given is not None:
            return
        self.summary.refined = backbone.refined_labels(fixed, moving, labels)
        if self.summary.refined is not None:
            self.folder.update(labels_refined=True)
            self._warn(
                "The warped structures are those that the network itself corrects after warping; "
                "the samples, their volumes and intervals are of structures that are only warped."
            )

    def _expect(self, fixed, moving, registration, differ: str) -> None:
        """Find the expected error from now on, unless the intensities cannot tell."""
        fixed, moving, registration = (one.to_numpy() for one in (fixed, moving, registration))
        if differ:
            self._warn(
                f"There is no map of the expected error: it is judged by intensities, and the "
                f"registered images {differ}."
            )
            return
        if self.inputs.given is not None and self.folder.view.given.suspicions:
            self._warn(
                "There is no map of the expected error: it is learned from registrations that fit "
                "their images, and the transform that was given does not."
            )
            return
        competence = self.folder.view.competence
        doubts = () if competence is None else tuple(competence.warnings)
        job, model = self.job, shipped()
        mine = checked(
            job.backbone, job.perturbation if job.method == "equivariance" else job.method
        )
        if self.inputs.given is not None:
            doubts += (NOT_CHECKED,)
        elif mine not in model.checked_with:
            doubts += (
                f"Bounds have been checked with {', '.join(model.checked_with)}, and not with "
                f"{mine}.",
            )
        self.summary.expecting = Expecting(fixed, moving, registration, doubts)

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
        followed = {str(mm): part for mm, part in found.followed.items()}
        self.folder.update(competence={"followed": followed, "warnings": list(found.warnings)})
        self.report("competence", followed=followed)
        self._warn(*found.warnings)

    def _try_given(self, own: DisplacementField) -> None:
        """Say what is wrong with the given transform, as far as trying it on the pair tells."""
        self.report("stage", text="Trying the given transform on the pair")
        found = suspicions(self.inputs, own)
        self.folder.update(given=self.inputs.given.entry(found))
        self._warn(*found)

    def _place_given(self) -> None:
        """Say how the given transform stands among all samples."""
        summary = self.summary
        if summary.given is not None and summary.stream.has_spread:
            _, numbers = stands(summary.given, summary.stream, self.inputs.fixed)
            self.folder.update(given=asdict(replace(self.folder.view.given, **numbers)))

    def _check_inverse(self, backbone) -> None:
        """How far from the start does the way there and back end?"""
        back = self.inputs.inverse
        if self.job.inverse_consistency:
            self.report("stage", text="Registering the other way round")
            step = Step(self.folder.view.device, _settings(self.job))
            other = backbones.create(self.job.backbone, step.device, **step.settings)
            field = other.register(*other.prepare(self.inputs.moving, self.inputs.fixed))
            check_finite(field)
            back = GivenTransform((field.to_numpy(),), (f"{backbone.facts.title}, the other way",))
            self.flag.check()
        if back is None:
            return
        there = self.summary.registration.to_numpy().resample(self.inputs.fixed.grid)
        self.summary.consistency, reached = inverse_consistency(there, back)
        self._warn(*warnings.of_inverse(float((~reached).mean())))

    def _warn_early(self, sampler, working: Grid) -> None:
        """Of what is known before the first sample."""
        family = None if sampler.family is None else sampler.family.name
        structures = self.inputs.moving_labels
        names = {} if structures is None else structures.names
        self._warn(
            *warnings.of_method(sampler.backbone, family),
            *warnings.of_not_computed(
                not_computed(self.inputs.fixed, working), sampler.backbone.facts.title
            ),
            *warnings.of_folding(folding_fraction(self.summary.registration)),
            *warnings.of_loss(self.summary.before_after, names),
            *self.inputs.notes,
        )

    def _warn_of_sample(self, index: int, sample) -> None:
        """Of the first sample that lies too far off the registration."""
        if not self.is_astray and self.inputs.given is None:
            found = warnings.of_one_sample(
                index + 1, sample, self.summary.coarse.apart_mm(), self.summary.registration.grid
            )
            self.is_astray = bool(found)
            self._warn(*found)

    def _warn_late(self) -> None:
        """Of what only many samples show."""
        summary, samples = self.summary, self.folder.samples
        stream = summary.stream
        self._warn(
            *warnings.of_view(not_seen(summary)),
            *warnings.of_unnoticed(samples.status),
            *warnings.of_failures(samples),
            *warnings.of_committee(samples),
            *warnings.of_weights(samples),
            *plausible.warnings(summary),
            *warnings.of_lost_samples(*lost_samples(summary), stream.count),
            *warnings.of_effective(stream.effective(), stream.count),
            *warnings.of_agreement(summary.agreement(), stream.count, self.job.agreement),
            *warnings.of_mean(
                *(summary.offset_and_spread_mm() if summary.given is None else (0.0, 0.0)),
                stream.count,
            ),
        )
        if summary.expecting is not None and summary.expected_error is None:
            self._warn(
                f"There is no map of the expected error: it is made of {FEWEST} samples or more."
            )

    def _leave_out_strays(self) -> None:
        """Name the samples far from the others, and keep maps and tables without them, too."""
        strays = self.summary.strays()
        if not strays:
            return
        self.folder.mark_strays(strays)
        others = self.folder.write_without(self.summary, sorted(strays))
        self._warn(
            *warnings.of_strays(
                strays, *(s.offset_and_spread_mm()[1] for s in (self.summary, others))
            )
        )

    def _warn(self, *sentences: str) -> None:
        for text in sentences:
            self.folder.warn(text)
            self.report("warning", text=text)


def _settings(job: Job) -> dict:
    return dict(job.parameters.get("backbone", {}))
