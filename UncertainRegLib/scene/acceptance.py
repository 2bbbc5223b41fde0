"""The verdict about a result, and what a person decided, as a table node and attributes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import slicer

from ..results.acceptance import METRICS
from ..results.columns import ACCEPTANCE
from ..results.decision import read_decisions
from ..results.reader import ResultFolder
from . import nodes
from .tables import fill_table

TABLE = "acceptance_table"


def fill_acceptance(scene: slicer.vtkMRMLScene, run: str, source: ResultFolder) -> dict[str, str]:
    """Bring the table of a run up to date, where there is a verdict; returns what all nodes of the
    run remember: the verdict without its rows, and the decisions."""
    found = source.record.acceptance
    if found is not None:
        table, _ = nodes.find_or_add(scene, run, TABLE, "vtkMRMLTableNode", "Acceptance")
        rows = [
            {
                "where": row.where,
                "metric": METRICS[row.metric].title,
                "value": row.value,
                "unit": METRICS[row.metric].unit,
                "tolerance": row.limit,
                "state": row.state,
                "source": row.source,
            }
            for row in found.rows
        ]
        fill_table(table, rows, ACCEPTANCE)
    try:
        decisions = read_decisions(source.path)
    except ValueError as error:
        source.warnings.append(str(error))
        decisions = []
    return {
        "Acceptance": "null" if found is None else json.dumps(replace(found, rows=[]).as_dict()),
        "Decisions": json.dumps([asdict(one) for one in decisions]),
    }
