"""Jobs: one JSON job or command line -> a run -> events -> a result folder."""

from .events import REPORTERS
from .job import Job, JobError, read_job
from .run import run

__all__ = ["REPORTERS", "Job", "JobError", "read_job", "run"]
