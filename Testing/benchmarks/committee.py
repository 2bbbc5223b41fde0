"""Does the disagreement of two registration methods rank the error better than one method's own?

    python Testing/benchmarks/committee.py DATA OUT [--pairs 8] [--methods demons greedy]
    python Testing/benchmarks/committee.py --report OUT/committee.csv

On the pairs of `engine_pairs.py` of one contrast: each method alone with eight deformations, against
four of each, all eight as samples of one map (what the sampling method "committee" does). For each
method, both maps rank the error of its own registration, and say how much of it lies within 1.96
standard deviations along one axis (1.96/√3 of the disagreement). The CPU seconds of both maps stand
beside.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

import numpy as np
from engine_pairs import pairs
from engines_table import known_errors

from UncertainRegLib import backbones
from UncertainRegLib.geometry import interpolate
from UncertainRegLib.metrics.sparsification import risk
from UncertainRegLib.posterior.maps import uncertainty
from UncertainRegLib.posterior.moments import Moments
from UncertainRegLib.randomness import numpy_generator
from UncertainRegLib.samplers import create_sampler
from UncertainRegLib.studies.rows import Rows

SAMPLES, VOXELS = 8, 100_000
KEY = ("pair", "shown", "methods")
LEFT_OUT = ("head, two contrasts", "prostate, MR and ultrasound")
Z_OF_AXIS = 1.96 / np.sqrt(3)


def main() -> None:
    """Compute what is missing in OUT/committee.csv; or say how often the committee was better."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--methods", nargs="+", default=["demons", "greedy"])
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    if options.report:
        print(report(Rows(options.report, KEY).all))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(options.out / "committee.csv", KEY)
    listed = pairs(options.data, options.out).items()
    chosen = [(name, *one) for name, one in listed if one[0] not in LEFT_OUT]
    methods = " ".join(options.methods)
    for name, group, read in chosen[: options.pairs]:
        last = {"pair": name, "shown": options.methods[-1], "methods": methods}
        if last in rows:
            continue
        for shown, found in one_pair(read(), name, options.methods).items():
            rows.add({"pair": name, "shown": shown, "methods": methods, "group": group, **found})
            print(rows.all[-1], flush=True)


def one_pair(case, name: str, methods: list[str]) -> dict[str, dict[str, float]]:
    """For each method: nAURC, coverage and CPU seconds of its own map and of the committee's."""
    share = SAMPLES // len(methods)
    fields, samples, cost = {}, {}, {}
    for method in methods:
        backbone = backbones.create(method, voxels=VOXELS)
        images = backbone.prepare(case.inputs.fixed, case.inputs.moving)
        fields[method] = backbone.register(*images).to_numpy()
        sampler = create_sampler("equivariance", backbone, "deform", {})
        begun, generator = process_time(), numpy_generator(1, "committee", name)
        drawn = sampler.sample(*images, SAMPLES, generator)
        samples[method] = [one.field.to_numpy() for one in drawn]
        cost[method] = (process_time() - begun) / SAMPLES
    found = {}
    for shown, registration in fields.items():
        points, error = known_errors(case, registration)
        both = [one for method in methods for one in samples[method][:share]]
        row = {}
        for title, drawn in (("alone", samples[shown]), ("committee", both)):
            moments = Moments()
            for one in drawn:
                moments.add(one.resample(registration.grid).vectors)
            mm = np.asarray(uncertainty(moments.covariance))
            score = interpolate(mm, registration.grid.to_index(points))
            row[title] = risk(score, error).normalised
            row[f"{title}_coverage"] = float((error <= Z_OF_AXIS * score).mean())
        row["alone_s"] = SAMPLES * cost[shown]
        row["committee_s"] = share * sum(cost.values())
        found[shown] = row
    return found


def report(rows: list[dict]) -> str:
    """How often, and by how much, in Markdown."""
    lines = [
        "| methods | shown | pairs | committee better | nAURC alone | committee | within 1.96 SD alone "
        "| committee | CPU s alone | committee |",
        "|---" * 10 + "|",
    ]
    for methods, shown in dict.fromkeys((row["methods"], row["shown"]) for row in rows):
        mine = [row for row in rows if (row["methods"], row["shown"]) == (methods, shown)]
        means = {
            key: np.mean([float(row[key]) for row in mine])
            for title in ("alone", "committee")
            for key in (title, f"{title}_coverage", f"{title}_s")
        }
        better = sum(float(row["committee"]) < float(row["alone"]) for row in mine)
        lines.append(
            f"| {methods} | {shown} | {len(mine)} | {better} | {means['alone']:.2f} "
            f"| {means['committee']:.2f} | {means['alone_coverage']:.0%} "
            f"| {means['committee_coverage']:.0%} | {means['alone_s']:.0f} "
            f"| {means['committee_s']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
