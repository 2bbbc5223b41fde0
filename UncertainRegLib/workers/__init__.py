"""Worker processes for what consists of many independent parts; all through Dask.

====================  ========================================================================
machine               the workers: those of this machine, or of a scheduler elsewhere
tasks                 tasks handed to them and taken back: for a cohort, or anything else
study                 the units of a study, one after the other or by workers
====================  ========================================================================

Dask is imported where it is used: without it there are no workers, and nothing else is missing.
"""
