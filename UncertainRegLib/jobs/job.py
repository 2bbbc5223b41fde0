"""A job: everything one run needs, as a JSON file or command-line options."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from ..json_text import each_once

PATHS = (
    "fixed",
    "moving",
    "out",
    "fixed_mask",
    "moving_mask",
    "moving_labels",
    "fixed_labels",
    "moving_points",
    "fixed_points",
    "scene",
)
LISTS = ("transform", "inverse")  # of paths
NO_SETTINGS = (*PATHS, *LISTS, "names", "parent_pid")  # they change no number
KINDS = {
    "str": (str, "text"),
    "dict": (dict, "an object, like {}"),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
    "list": (list, "a list of texts"),
}


class JobError(ValueError):
    """The job itself is wrong; the message names the entry and says what to do."""


@dataclass
class Job:
    """Inputs and settings of one run. Paths are strings; empty means not given.

    Attributes:
        fixed, moving, out: image files, and the folder for the result.
        fixed_mask, moving_mask: where the images may be used.
        moving_labels, fixed_labels: segmentations; the fixed one only judges.
        moving_points, fixed_points: landmarks (CSV label,x,y,z in LPS mm, .mrk.json, .fcsv); the
            fixed ones only judge, paired by name (`pairs.pair_points`).
        transform: files of a registration that is there already: it is judged, and the backbone
            gives the samples around it; several are one after the other, as antsApplyTransforms
            takes them (`geometry.transform_file`).
        inverse: files of its inverse, in the same way: is it one?
        inverse_consistency: also register the other way round, and say how far the two are from
            being each other's inverse (one more registration).
        names: what people call the inputs, where that is not the name of the file, e.g.
            {"fixed": "MR before"}.
        label_names: names of label values, e.g. {"10": "Thalamus"}.
        backbone, method, perturbation: by name.
        samples: how many registrations.
        agreement: end before all of them are made, as soon as the disagreement would rank places
            like that of as many other samples to this (rank correlation); 0: make all.
        seed: of everything random.
        device: "auto", "cpu" or "cuda".
        scene: an .mrb file to write as well, or empty.
        parameters: settings of the "backbone", "perturbation" and "method", each a dictionary.
        competence: first check that the backbone follows known shifts (three registrations); a
            warning goes into the result where it does not.
        parent_pid: the run cancels itself when this process has ended (0: not watched).
    """

    fixed: str = ""
    moving: str = ""
    out: str = ""
    fixed_mask: str = ""
    moving_mask: str = ""
    moving_labels: str = ""
    fixed_labels: str = ""
    moving_points: str = ""
    fixed_points: str = ""
    transform: list = field(default_factory=list)
    inverse: list = field(default_factory=list)
    inverse_consistency: bool = False
    names: dict = field(default_factory=dict)
    label_names: dict = field(default_factory=dict)
    backbone: str = "demons"
    method: str = "equivariance"
    perturbation: str = "deform"
    samples: int = 16
    agreement: float = 0.0
    seed: int = 1
    device: str = "auto"
    scene: str = ""
    parameters: dict = field(default_factory=dict)
    competence: bool = False
    parent_pid: int = 0

    def check(self) -> None:
        """Refuse a job that cannot run.

        Raises:
            JobError: a required entry is missing, or a value makes no sense.
        """
        self.check_kinds()
        for name in ("fixed", "moving", "out"):
            if not getattr(self, name):
                raise JobError(f"The job does not say {name!r}; give --{name}.")
        if Path(self.fixed) == Path(self.moving):
            raise JobError("Fixed and moving are the same file; choose two images.")
        if not 2 <= self.samples <= 10_000:
            raise JobError(f"samples is {self.samples}; choose a whole number from 2 to 10000.")
        if self.agreement and not 0.5 <= self.agreement < 1:
            raise JobError(
                f"agreement is {self.agreement}; choose a number from 0.5 to below 1, or 0 to make "
                "all samples."
            )
        if self.seed < 0:
            raise JobError(f"seed is {self.seed}; choose a whole number from 0.")
        if self.device not in ("auto", "cpu", "cuda"):
            raise JobError(f"device is {self.device!r}; choose auto, cpu or cuda.")
        for mine, other in (("fixed_labels", "moving_labels"), ("fixed_points", "moving_points")):
            if getattr(self, mine) and not getattr(self, other):
                raise JobError(f"{mine} is given without {other}; give both.")
        if self.inverse and not self.transform:
            raise JobError("inverse is given without transform; give both.")
        if self.inverse_consistency and self.transform:
            raise JobError(
                "inverse_consistency registers the other way round, which says nothing of a transform "
                "that was made elsewhere; give its inverse (--inverse) instead."
            )
        unknown = set(self.parameters) - {"backbone", "perturbation", "method"}
        if unknown:
            raise JobError(
                f"parameters has unknown entries {', '.join(sorted(unknown))}; it takes "
                "backbone, perturbation and method."
            )

    def check_kinds(self) -> None:
        """Refuse entries of a wrong kind, such as "4" for 4.

        Raises:
            JobError: there is one; the message names it.
        """
        for entry in fields(self):
            value, (kind, words) = getattr(self, entry.name), KINDS[entry.type]
            if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
                raise JobError(f"{entry.name} is {value!r}; give {words}.")
        for name in LISTS:
            if not all(isinstance(value, str) and value for value in getattr(self, name)):
                raise JobError(f"{name} is {getattr(self, name)!r}; give a list of texts.")
        for name, value in self.parameters.items():
            if not isinstance(value, dict):
                raise JobError(f"parameters: {name} is {value!r}; give an object, like {{}}.")
        for name, value in self.names.items():
            if name not in PATHS + LISTS or not isinstance(value, str):
                raise JobError(
                    f"names has {name!r}: {value!r}; give what an input is called, like "
                    '{"fixed": "MR before"}.'
                )
        for value in self.label_names:
            if not str(value).isdecimal():
                raise JobError(
                    f'label_names has {value!r}; give label values, like {{"10": "Thalamus"}}.'
                )

    def as_dict(self) -> dict:
        """Plain dictionary, as in a job file."""
        return asdict(self)

    def settings(self) -> dict:
        """All that the numbers depend on beside the files."""
        return {name: one for name, one in asdict(self).items() if name not in NO_SETTINGS}

    def files(self) -> dict[str, str]:
        """The files that are read, under their names in ``result.json``: those of the job, with
        numbers from 1 where there may be several."""
        found = {name: getattr(self, name) for name in PATHS if name not in ("out", "scene")}
        for name in LISTS:
            found |= {f"{name}_{n}": file for n, file in enumerate(getattr(self, name), 1)}
        return {name: file for name, file in found.items() if file}


def read_job(path: str | Path) -> Job:
    """Read a job file; relative paths in it are relative to the file.

    Raises:
        JobError: unreadable, not JSON, or unknown entries or some of a wrong kind.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=each_once)
    except OSError as error:
        raise JobError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise JobError(f"{path}: is not valid JSON ({error}).") from None
    known = {f.name for f in fields(Job)}
    if not isinstance(content, dict) or set(content) - known:
        extra = ", ".join(sorted(set(content) - known)) if isinstance(content, dict) else "no names"
        raise JobError(f"{path}: unknown entries ({extra}); a job has {', '.join(sorted(known))}.")
    job = Job(**{name: value for name, value in content.items() if value is not None})
    job.check_kinds()
    for name in PATHS:
        if getattr(job, name):
            setattr(job, name, str(path.parent / getattr(job, name)))
    for name in LISTS:
        setattr(job, name, [str(path.parent / one) for one in getattr(job, name)])
    return job
