"""Jobs: one JSON job or command line -> a run -> events -> a result folder.

=====================  =======================================================================
job, inputs, pairs     what is asked; the files read and checked; what belongs to what in them
run, events, cancel    the course of a run, what it tells, how it is stopped
preflight, ladder      what it will need; less of it, when memory runs out
summary, products      the sums while samples arrive; the maps and tables made of them
expectation            the expected error, and whether a bound may be made of it
landmarks, truth       landmarks in the fixed space; which sample comes nearest the truth
given, misreadings     a registration made elsewhere; what may be wrong with its file
comparison, plausible  what the registration improved; is the disagreement too small to be true?
warnings, writer       what is said; what is written
=====================  =======================================================================
"""

from .events import REPORTERS
from .job import Job, JobError, read_job
from .run import run

__all__ = ["REPORTERS", "Job", "JobError", "read_job", "run"]
