"""Does the disagreement of two registration methods rank the error better than one method's own?

    python Testing/benchmarks/committee.py DATA OUT [--pairs 8] [--other greedy]

On the pairs of hippocampi of `engine_pairs.py`: demons with eight deformations, against four of
demons and four of another method, all eight as samples of one map (so its covariance is that within
the methods and that between them). Both rank the error of demons across true boundaries. The CPU
seconds of both maps stand beside.
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
KEY = ("pair", "other")


def main() -> None:
    """Compute what is missing in OUT/committee.csv, and say how often the committee was better."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--other", default="greedy")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(options.out / "committee.csv", KEY)
    listed = pairs(options.data, options.out).items()
    chosen = [(name, read) for name, (group, read) in listed if group == "hippocampus"]
    for name, read in chosen[: options.pairs]:
        key = {"pair": name, "other": options.other}
        if key not in rows:
            rows.add({**key, **one_pair(read(), name, options.other)})
            print(rows.all[-1], flush=True)
    mine = [row for row in rows.all if row["other"] == options.other]
    better = sum(float(row["committee"]) < float(row["alone"]) for row in mine)
    print(f"with {options.other}: better than demons alone in {better} of {len(mine)} pairs")


def one_pair(case, name: str, other: str) -> dict:
    """nAURC and CPU seconds of both maps."""
    alone, both, fields, cost = Moments(), Moments(), {}, {}
    for engine, count in (("demons", SAMPLES), (other, SAMPLES // 2)):
        backbone = backbones.create(engine, voxels=VOXELS)
        images = backbone.prepare(case.inputs.fixed, case.inputs.moving)
        fields[engine] = backbone.register(*images).to_numpy()
        sampler = create_sampler("equivariance", backbone, "deform", {})
        begun, grid = process_time(), fields["demons"].grid
        generator = numpy_generator(1, "committee", name)
        for number, sample in enumerate(sampler.sample(*images, count, generator)):
            vectors = sample.field.to_numpy().resample(grid).vectors
            if engine == "demons":
                alone.add(vectors)
            if number < SAMPLES // 2:
                both.add(vectors)
        cost[engine] = (process_time() - begun) / count
    points, error = known_errors(case, fields["demons"])
    found = {}
    for title, moments in (("alone", alone), ("committee", both)):
        score = np.asarray(uncertainty(moments.covariance))
        found[title] = risk(interpolate(score, grid.to_index(points)), error).normalised
    half = SAMPLES // 2
    found |= {"alone_s": SAMPLES * cost["demons"]}
    return found | {"committee_s": half * (cost["demons"] + cost[other])}


if __name__ == "__main__":
    main()
