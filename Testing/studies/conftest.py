"""The finished run that studies of a result are made of."""

from support.finished_run import finished, run_once  # noqa: F401 - fixtures
