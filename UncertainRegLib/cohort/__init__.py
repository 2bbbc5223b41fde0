"""A cohort: many pairs, registered by many processes, each a result folder as from ``run``.

====================  ========================================================================
folder                what lies where in a cohort folder
pairs_file            the list of pairs (CSV): columns, ids, paths; all its problems at once
finished              is a result there the one that a pair asks for?
work                  one pair, in a worker process; what killed workers left
survey                what a list needs, and what is wrong with its files, from their headers
runner                all pairs, handed out and taken in
table                 one long table of the results: CSV, Parquet
rows                  that table, read again
triage                which pairs come first, and how many of the bad ones are among them
spread                how a number is distributed over the pairs, and which are outliers
common                mean and 95th percentile of the maps on a common fixed image
thumbnails            a small picture of each pair
figures               drawings of curves and distributions
page_parts            sections of the dashboard below its table
dashboard             one HTML file about all pairs, the worst first
====================  ========================================================================

A cohort folder, on which the dashboard and 3D Slicer rely:

- ``cohort.json``: ``schema`` ("uncertainreg-cohort/1"), ``version`` (of UncertainReg), ``pairs``
  {"file", "sha256", "columns"} of the list, ``started``, ``ended`` (ISO 8601; null while it runs, and
  where it was killed), ``counts`` {"complete", "failed", "missing"}.
- ``pairs.csv``: the list as it was when the cohort last ran.
- ``pairs/ID/``: a result folder exactly as from ``run``; whole or not there. What a person decides
  is in its ``decision.json`` (`results.decision`), which a rerun keeps.
- ``failed/ID.json``: {"sentence"}, why a pair has no result.
- ``cohort.csv``, ``cohort.parquet``: the long table. Rows of ``kind`` pair come in the order of the
  list, each followed by its rows of kind structure and landmark. ``schema`` is 1; ``id`` and
  ``group`` are on every row; the other columns are named as in `results.columns` (PAIRS, STRUCTURES,
  LANDMARKS), and empty where there is nothing to say. ``name`` is the structure or the landmark.
  In the CSV, yes and no are ``true`` and ``false``.
- ``index.html``: the dashboard; ``thumbnails/``: its small pictures.
- ``common/``: mean and 95th percentile of the maps over the fixed image that more than half of the
  pairs share, if there is one.

Names that begin with a dot belong to work in progress. Dask is needed by `runner`
alone, and imported where they use it; `folder`, `rows` and the CSV of `table` need the results
only.
"""
