"""Tables 1 to 3 of Structured SIR for a folder of segmented images, any labels and shape.

    python Testing/benchmarks/sir_folder.py --images FOLDER --labels FOLDER --models MODEL… --out study
        [--pairs 40] [--proposals 1200] [--kept 80] [--smooth 0.5 1] [--average] [--device cuda]

The models are those of `train sir`, whose grid the images are brought to. The paper's are of OASIS
(neurite-oasis, 160 × 192 × 224 voxels of 1 mm, 35 labels) with a field of 96 × 72 × 80, so with images
cropped to 192 × 144 × 160: `train sir --preset sir --shape Z Y X` with those three in the order of the
files' axes. Give images that no training has seen; ordered pairs are drawn from all of them.

Beside the models stand the images as they lie, the first model's mean alone, and smooth noise around
it that sees no image. Every model has proposals of its own for each pair. ``--average`` tempers by
the moving average that the training kept (`--spread-average`), as in the paper; models without one,
and noise, are tempered by the spread of their own weights.

Rows are kept in pairs.csv and labels.csv; a stopped study goes on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sir_scores import Model, judge, seeds_of, write_tables

from UncertainRegLib.backbones.models import read_model
from UncertainRegLib.samplers.proposals.trained import TRAINED_WITH, proposal_network
from UncertainRegLib.studies.rows import Rows
from UncertainRegLib.training.folder import FolderPairs

KEY = ("model", "weights", "pair", "proposals", "kept", "tempering", "seed")
AVERAGE, OWN = "average of the training", "own spread"


def models_of(args) -> dict[str, tuple[Model, str]]:
    """Name -> model, and the first digits of the checksum of its weights."""
    found = {}
    for folder in args.models:
        manifest = read_model(folder)
        made_of = manifest["provenance"]
        trained = {**TRAINED_WITH, **made_of.get("settings", {})}
        target = {name: trained[name] for name in TRAINED_WITH}
        net = proposal_network(str(folder)).to(args.device).eval()
        voxel = 2 * manifest["grid"]["spacing_mm"]  # the field has half the resolution
        weights = manifest["weights"]["sha256"][:12]
        if not found:
            common = {"net": net, "voxel_mm": voxel, **target}
            found["identity"] = Model(sd_mm=0.0, still=True, **common), weights
            found["mean only"] = Model(sd_mm=0.0, **common), weights
            for sd in args.smooth:
                found[f"smooth {sd:g} mm"] = Model(sd_mm=sd, **common), weights
        spread = made_of.get("sigma_alpha")
        found[Path(folder).resolve().name] = (
            Model(net, None, voxel, spread=spread, **target),
            weights,
        )
    return found


def data_of(args) -> FolderPairs:
    """The images, on the grid of the models.

    Raises:
        ValueError: the models have different grids.
    """
    manifests = [read_model(folder) for folder in args.models]
    grids = {
        (tuple(m["grid"]["shape"]), m["grid"]["spacing_mm"], m["intensity"]) for m in manifests
    }
    if len(grids) > 1:
        raise ValueError("The models have different grids; judge them one after the other.")
    ((shape, spacing, intensity),) = grids
    return FolderPairs(
        str(args.images),
        shape,
        spacing,
        str(args.labels),
        together=0,
        apart=0,
        intensity=intensity,
        say=print,
    )


def study(args) -> str:
    """Whatever is missing; returns the tables."""
    images = data_of(args)
    labels = images.label_values()
    ordered = [(m, f) for m in range(len(images)) for f in range(len(images)) if m != f]
    np.random.default_rng(args.seed).shuffle(ordered)
    ordered = ordered[: args.pairs]
    rows, labelled = (
        Rows(args.out / "pairs.csv", KEY),
        Rows(args.out / "labels.csv", (*KEY, "label")),
    )
    keys = set()
    for name, (model, weights) in models_of(args).items():
        average = args.average and model.spread is not None
        for m, f in ordered:
            place = f"{images.files[m].name} to {images.files[f].name}"
            key = {
                "model": name,
                "weights": weights,
                "pair": place,
                "proposals": args.proposals,
                "kept": args.kept,
                "tempering": AVERAGE if average else OWN,
                "seed": args.seed,
            }
            keys.add(tuple(str(value) for value in key.values()))
            if key in rows:
                continue
            began = time.monotonic()
            seeds = seeds_of(args.seed, name, place, args.proposals)
            pair = images.of(m, f, args.device)
            row, of_labels = judge(model, pair, labels, seeds, args.kept, average, args.batch)
            for one in of_labels:
                if {**key, **one} not in labelled:
                    labelled.add({**key, **one})
            rows.add({**key, **row, "seconds": time.monotonic() - began})
            print(f"{name}, {place}: {time.monotonic() - began:.0f} s", flush=True)
    about = (
        f"{len(ordered)} ordered pairs of {len(images)} images, {len(labels)} labels, "
        f"{' × '.join(map(str, images.shape))} voxels of {images.spacing_mm:g} mm; {args.proposals} "
        f"proposals, {args.kept} kept."
    )
    mine = [
        [row for row in table.all if tuple(row[name] for name in KEY) in keys]
        for table in (rows, labelled)
    ]
    return write_tables(*mine, args.out, about)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="files of the images' names")
    parser.add_argument("--models", nargs="+", required=True, help="folders of `train sir`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=40, help="ordered pairs, drawn [40]")
    parser.add_argument("--proposals", type=int, default=1200)
    parser.add_argument("--kept", type=int, default=80)
    parser.add_argument("--smooth", nargs="*", type=float, default=[0.5, 1.0], metavar="MM")
    parser.add_argument("--average", action="store_true", help="temper as the paper does")
    parser.add_argument("--batch", type=int, default=8, help="proposals at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    print(study(args))


if __name__ == "__main__":
    main()
