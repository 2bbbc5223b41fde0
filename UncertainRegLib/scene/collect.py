"""The runs that are in a scene, found by the attributes of their nodes."""

from __future__ import annotations

import json

import slicer

from ..results.acceptance import Acceptance
from ..results.calibration import Calibration
from ..results.decision import Decision
from ..results.expectation import Expectation
from ..results.given import Given
from ..results.improvement import BeforeAfter
from ..results.maps import in_order
from ..results.record import Competence, Dose, Samples
from . import inputs, nodes, strays
from .result_nodes import FILMS, ResultNodes
from .transform import make_linear


def find_results(scene: slicer.vtkMRMLScene) -> list[ResultNodes]:
    """The runs in a scene, oldest first; also after the scene was saved and loaded.

    One whose registration and maps were all deleted is none any more.
    """
    found = [collect(scene, run) for run in nodes.runs(scene)]
    return [result for result in found if result.transform is not None or result.maps]


def collect(scene: slicer.vtkMRMLScene, run: str) -> ResultNodes:
    """The nodes of one run that are there."""
    result = ResultNodes(scene, run)
    for node in nodes.of_run(scene, run):
        role = node.GetAttribute(nodes.ROLE)
        if role.startswith("map:"):
            result.maps[role.removeprefix("map:")] = node
        elif hasattr(result, role):
            setattr(result, role, node)
    for film in FILMS:  # the proxy loses its tag when saved items have none
        browser = getattr(result, f"{film}_browser")
        if browser is not None:
            proxy = browser.GetProxyNode(getattr(result, f"{film}_sequence"))
            setattr(result, f"{film}_transform", proxy)
    for node in (result.transform, result.mean_transform, *result.proxies()):
        make_linear(node)
    result.maps = {name: result.maps[name] for name in in_order(result.maps)}
    if result.transform is not None:
        modes = json.loads(result.transform.GetAttribute("UncertainReg.Modes") or "[]")
        result.modes = [(mode["weight"], mode["sample"]) for mode in modes]
        result.best_sample, result.oracle_sample = (
            json.loads(result.transform.GetAttribute(f"UncertainReg.{which}Sample") or "null")
            for which in ("Best", "Oracle")
        )
        (
            result.calibration,
            result.expected_error,
            result.competence,
            result.before_after,
            result.sampling,
            result.given,
            result.acceptance,
            result.dose,
        ) = (
            view.from_dict(json.loads(result.transform.GetAttribute(name) or "null"))
            for name, view in (
                ("UncertainReg.Calibration", Calibration),
                ("UncertainReg.ExpectedError", Expectation),
                ("UncertainReg.Competence", Competence),
                ("UncertainReg.BeforeAfter", BeforeAfter),
                ("UncertainReg.Sampling", Samples),
                ("UncertainReg.Given", Given),
                ("UncertainReg.Acceptance", Acceptance),
                ("UncertainReg.Dose", Dose),
            )
        )
        decisions = result.transform.GetAttribute("UncertainReg.Decisions") or "[]"
        result.decisions = [Decision(**one) for one in json.loads(decisions)]
        result.strays = {
            int(number): mm
            for number, mm in json.loads(
                result.transform.GetAttribute("UncertainReg.Strays") or "{}"
            ).items()
        }
        result.leaves_out_strays = strays.are_left_out(result.transform)
        result.folder = result.transform.GetAttribute("UncertainReg.Folder") or ""
    for name, node in inputs.linked(result.transform).items():
        setattr(result, name, node)
    return result
