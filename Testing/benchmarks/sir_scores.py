"""Proposals of Structured SIR on test pairs, at any labels and shape: Tables 1 to 3 of the paper.

For the scripts beside it. Of the proposals only seeds and log-weights are kept, as in the product,
so that 1,200 of them fit into memory at the paper's size.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from UncertainRegLib.gaussian import (
    StructuredGaussian,
    effective_sample_size,
    resample,
    smooth_factor,
    temper_by_spread,
)
from UncertainRegLib.geometry import DisplacementField, Grid, jacobian_determinant
from UncertainRegLib.metrics.overlap import dice_per_label
from UncertainRegLib.metrics.protocols import SIR, label_ece
from UncertainRegLib.metrics.sparsification import ause
from UncertainRegLib.networks.target import RegistrationTarget
from UncertainRegLib.posterior.maps import displacement_entropy, uncertainty
from UncertainRegLib.posterior.moments import Moments
from UncertainRegLib.randomness import seed_of, torch_generator

LENGTH = 4.0  # of smooth noise: correlation length, voxels of the half grid
TEMPERATURE = 3.0
TABLES = {  # title, columns of the rows (of a pair, or of a label) -> heading
    "table1": (
        "Table 1: registration and folding; mean (standard deviation over pairs)",
        {
            "dice_mean": "μ (DSC)",
            "dice_resampled": "Z̄ (DSC)",
            "dice_oracle": "Oracle (DSC)",
            "folds_mean": "μ fold %",
            "folds_resampled": "Z̄ fold %",
            "folds_oracle": "Oracle fold %",
        },
    ),
    "table2": (
        "Table 2: label uncertainty; mean (standard deviation over structures)",
        {"ause": "AUSE_label", "ece": "ECE", "entropy": "Label entropy"},
    ),
    "table3": (
        "Table 3: displacement uncertainty; mean (standard deviation over structures)",
        {"ause_disp": "AUSE_disp", "disp_mm2": "Displacement entropy (mm²)"},
    ),
}


@dataclass
class Model:
    """A proposal around a network's mean.

    Attributes:
        net: the network.
        sd_mm: smooth noise of this standard deviation that sees no image, instead of its own
            spread; None for its own.
        voxel_mm: edge of a voxel of the field's grid.
        scale: of the spread, one number.
        still: the mean is at rest: the images as they lie.
        spread: sigma_alpha of its training, None where it kept none.
        sigma, smoothness: of the target that weighs.
    """

    net: torch.nn.Module
    sd_mm: float | None = None
    voxel_mm: float = 2.0
    scale: float = 1.0
    still: bool = False
    spread: float | None = None
    sigma: float = 0.5
    smoothness: float = 4.0

    @torch.no_grad()
    def propose(self, pair) -> StructuredGaussian:
        """The unscaled Gaussian."""
        q = self.net(pair.moving, pair.fixed)
        if self.sd_mm is None:
            return q
        sd = (max(self.sd_mm, 1e-3) / self.voxel_mm,) * 3
        mean = torch.zeros_like(q.mean) if self.still else q.mean
        return StructuredGaussian(mean, smooth_factor(q.mean.shape[2:], sd, LENGTH))

    def fields(self, q: StructuredGaussian, seeds) -> tuple[Tensor, Tensor]:
        """Fields (1, N, 3, ...) in voxels of their grid, and log q (N,) up to a constant."""
        noise = q.noise(seeds)
        mean = q.mean[:, None]
        return mean + self.scale * (q.sample(noise) - mean), q.log_prob_of_noise(noise)[0]

    def target(self, pair) -> RegistrationTarget:
        """What weighs its proposals."""
        return RegistrationTarget(
            pair.fixed, pair.moving, sigma=self.sigma, smoothness=self.smoothness
        )

    @torch.no_grad()
    def draw(self, pair, seeds):
        """All fields at once, the mean, and log q (1, N)."""
        q = self.propose(pair)
        fields, log_q = self.fields(q, seeds)
        return fields, q.mean[:, None], log_q[None]


def seeds_of(seed: int, model: str, pair: str, count: int) -> list[int]:
    """Of the proposals of a model for a pair: others for every model, pair and training."""
    return [seed_of(seed, "test proposal", model, pair, i) for i in range(count)]


def distinct(log_weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Indices of n different proposals, drawn in proportion to their weights without replacement.

    Every model so has as many candidates for an oracle; with replacement one of a large effective
    sample size has more.
    """
    return torch.multinomial(log_weights.double().softmax(-1), n, generator=generator)


def memberships(pair, fields: Tensor, labels) -> Tensor:
    """(N, labels + 1, Z, Y, X): soft labels of the moving image after every field."""
    parts = [
        RegistrationTarget(pair.fixed, (pair.moving_labels == label).float()).warp(fields)[0]
        for label in labels
    ]
    return torch.stack((1 - sum(parts), *parts), 1)


def hard_labels(pair, field: Tensor, labels) -> np.ndarray:
    """(Z, Y, X): the most probable label after one field (1, 1, 3, ...), a label at a time."""
    best, found, rest = None, None, 1.0
    for label in labels:
        target = RegistrationTarget(pair.fixed, (pair.moving_labels == label).float())
        soft = target.warp(field)[0, 0]
        rest = rest - soft
        better = soft > best if best is not None else torch.ones_like(soft, dtype=torch.bool)
        best = soft if best is None else torch.where(better, soft, best)
        found = torch.where(better, label, 0 if found is None else found)
    return torch.where(rest > best, 0, found).cpu().numpy()


def entropy_of(p: Tensor) -> Tensor:
    """Of probabilities along the first axis, nats."""
    return -(p * p.clamp_min(1e-30).log()).sum(0)


def folding(voxels: Tensor) -> float:
    """Folded percentage of a field (3, Z, Y, X) in voxels of its grid (axes of the array)."""
    vectors = np.ascontiguousarray(np.moveaxis(voxels.cpu().numpy(), 0, -1)[..., ::-1])
    grid = Grid.from_spacing(vectors.shape[:3])
    return 100 * float((jacobian_determinant(DisplacementField(vectors, grid)) <= 0).mean())


def dice_of(found: np.ndarray, truth: np.ndarray, labels) -> float:
    """Mean over the labels that are in one of the two."""
    return float(np.nanmean(list(dice_per_label(found, truth, list(labels)).values())))


def fine(values: np.ndarray, shape) -> np.ndarray:
    """A map of the half grid on that of the images, each value for its block of voxels."""
    for axis, n in enumerate(shape):
        values = values.repeat(n // values.shape[axis], axis)
    return values


@torch.no_grad()
def judge(
    model: Model, pair, labels, seeds: list[int], kept: int, average: bool = False, batch: int = 8
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """The columns of the paper's tables for a pair, and a row for each of its labels.

    Samples of the posterior are ``kept`` proposals, drawn with replacement by the tempered weights
    (4.3). The oracle is the one of the highest mean Dice among as many *different* proposals, see
    `distinct`; ``dice_oracle_paper`` is that among the resampled ones, as in the paper, and
    ``different`` says how many these are.

    Args:
        pair: with labels; tensors.
        average: temper by the model's sigma_alpha (4.2) instead of the spread of these weights.

    Raises:
        ValueError: the model has kept no sigma_alpha.
    """
    if average and model.spread is None:
        raise ValueError("The model has kept no average of sigma_alpha.")
    q, target = model.propose(pair), model.target(pair)
    parts = []
    for first in range(0, len(seeds), batch):
        fields, log_q = model.fields(q, seeds[first : first + batch])
        parts.append(target.log_prob(fields)[0] - log_q)
    log_weights = torch.cat(parts)
    tempered = temper_by_spread(log_weights, TEMPERATURE, model.spread if average else None)
    generator = torch_generator(seeds[0], "resampling")
    chosen = resample(tempered.cpu(), kept, generator)
    candidates = distinct(tempered.cpu(), kept, generator)
    times = torch.bincount(chosen, minlength=len(seeds)).tolist()
    truth = pair.fixed_labels[0, 0].long().cpu().numpy()
    p, total, moments, dice = 0.0, 0.0, Moments(), {}
    for index in sorted({*chosen.tolist(), *candidates.tolist()}):
        field, _ = model.fields(q, [seeds[index]])
        dice[index] = dice_of(hard_labels(pair, field, labels), truth, labels)
        if times[index]:
            soft = memberships(pair, field, labels)[0]
            p, total = p + times[index] / kept * soft, total + times[index] / kept * field
            vectors = np.moveaxis(model.voxel_mm * field[0, 0].cpu().numpy(), 0, -1)
            moments.add(np.ascontiguousarray(vectors), float(np.log(times[index])))
    best = max(candidates.tolist(), key=dice.get)
    oracle, _ = model.fields(q, [seeds[best]])
    fields = {"mean": q.mean[:, None], "resampled": total, "oracle": oracle}
    hard = {name: hard_labels(pair, field, labels) for name, field in fields.items()}
    row = {f"dice_{name}": dice_of(found, truth, labels) for name, found in hard.items()}
    row |= {f"folds_{name}": folding(field[0, 0]) for name, field in fields.items()}
    row |= {
        "dice_oracle_paper": max(dice[i] for i in chosen.tolist()),
        "different": len(set(chosen.tolist())),
        "ess_raw": float(effective_sample_size(log_weights)),
        "ess": float(effective_sample_size(tempered)),
        "log_weight_sd": float(log_weights.std(correction=0)),
    }
    return row, _of_labels(p.clamp(0, 1), moments, hard, truth, labels)


def _of_labels(p: Tensor, moments: Moments, hard: dict, truth: np.ndarray, labels) -> list[dict]:
    """A row for each label with a true boundary, in the ring around it (5.2)."""
    entropy = entropy_of(p).cpu().numpy()
    top = np.array([0, *labels])[p.argmax(0).cpu().numpy()]
    covariance = moments.covariance
    of_displacement, u = (
        fine(values, truth.shape)
        for values in (displacement_entropy(covariance), uncertainty(covariance))
    )
    dice = {name: dice_per_label(found, truth, list(labels)) for name, found in hard.items()}
    rows = []
    for place, label in enumerate(labels, 1):
        ring = SIR.mask(truth == label)
        if not ring.any():
            continue
        wrong = (top == label) != (truth == label)
        rows.append(
            {
                "label": label,
                **{f"dice_{name}": values[label] for name, values in dice.items()},
                "ause": ause(entropy, wrong, ring),
                "ece": label_ece(p[place].cpu().numpy(), truth, label),
                "entropy": float(entropy[ring].mean()),
                "ause_disp": ause(of_displacement, wrong, ring),
                "disp_mm2": float(np.square(u[ring]).mean()),
            }
        )
    return rows


def correlations(rows: list[dict], column: str) -> np.ndarray:
    """For every structure, Spearman's correlation over pairs of an uncertainty with the Dice of the
    mean of the resampled fields; NaN with fewer than three pairs or without any variation."""
    found = []
    for label in dict.fromkeys(row["label"] for row in rows):
        mine = [row for row in rows if row["label"] == label]
        values = np.array([[float(row[c]) for c in (column, "dice_resampled")] for row in mine]).T
        varies = values.shape[1] > 2 and (np.ptp(values, axis=1) > 0).all()
        found.append(spearmanr(*values).statistic if varies else np.nan)
    return np.array(found)


def tables(rows: list[dict], label_rows: list[dict]) -> dict[str, tuple[list[str], list[list]]]:
    """The three tables: name -> heading and lines; a cell is (mean, sd).

    Args:
        rows: of pairs, with "model"; label_rows: of labels and pairs, with "model".
    """
    result = {}
    for name, (_, columns) in TABLES.items():
        heading, lines = ["Model", *columns.values()], []
        if name != "table1":
            heading.append("Spearman r: entropy & DSC")
        for model in dict.fromkeys(row["model"] for row in rows):
            of = rows if name == "table1" else label_rows
            mine = [row for row in of if row["model"] == model]
            cells = []
            for column in columns:
                unit = "pair" if name == "table1" else "label"
                groups: dict = {}
                for row in mine:
                    groups.setdefault(row[unit], []).append(float(row[column]))
                means = np.array([np.mean(group) for group in groups.values()])
                cells.append((float(means.mean()), float(means.std())))
            if name != "table1":
                r = correlations(mine, "entropy" if name == "table2" else "disp_mm2")
                r = r[np.isfinite(r)]
                cells.append((float(r.mean()), float(r.std())) if r.size else (np.nan, np.nan))
            lines.append([model, *cells])
        result[name] = (heading, lines)
    return result


def write_tables(rows: list[dict], label_rows: list[dict], out: Path, about: str) -> str:
    """Write table1.csv to table3.csv and tables.md; returns the last one's text."""
    text = ["# Structured SIR: the tables of the paper", "", about]
    for name, (heading, lines) in tables(rows, label_rows).items():
        with open(out / f"{name}.csv", "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([heading[0], *(f"{h}{e}" for h in heading[1:] for e in ("", " sd"))])
            writer.writerows(
                [line[0], *(f"{v:.6g}" for cell in line[1:] for v in cell)] for line in lines
            )
        body = [[line[0], *(f"{m:.4f} ({sd:.4f})" for m, sd in line[1:])] for line in lines]
        text += ["", f"## {TABLES[name][0]}", ""]
        text += [
            "| " + " | ".join(cells) + " |" for cells in (heading, ["---"] * len(heading), *body)
        ]
    (out / "tables.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    return "\n".join(text)
