"""The validation and calibration that ``evaluate`` would write into a result folder."""

from __future__ import annotations

import json
from pathlib import Path

CURVE = {
    "landmarks_risk_coverage": ("coverage,risk,oracle", "0.5,1,0.5", "1,2,2"),
    "landmarks_sparsification": ("removed,remaining_error,oracle", "0,2,2", "0.5,1,0.5"),
    "ellipsoids": ("nominal,observed", "0.5,0.3", "0.95,0.7"),
    "reliability": ("low,high,voxels,confidence,accuracy", "0,0.5,0,nan,nan", "0.5,1,40,0.9,0.8"),
}
FACTOR, WIDER = 2.5, 1.2


def write_fake_validation(folder: Path) -> None:
    """Numbers of labels and landmarks, and four curves."""
    folder = Path(folder)
    (folder / "validation").mkdir(exist_ok=True)
    for name, lines in CURVE.items():
        (folder / "validation" / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    one = {"auroc": 0.8, "ause": 0.1, "ece": 0.05, "mce": 0.2}
    maps = {name: dict(one) for name in ("label entropy", "u", "one-hot", "blur 2 mm")}
    maps["one-hot"].update(ece=0.22)
    _extend(
        folder,
        "validation",
        {
            "labels": {"dice": 0.75, "mislabelled": 0.22, "maps": maps},
            "landmarks": {
                "count": 12,
                "tre_mean_mm": 1.5,
                "tre_median_mm": 1.1,
                "tre_p95_mm": 4.0,
                "inside95": 0.7,
                "spearman": 0.4,
                "aurc_mm": 1.2,
                "naurc": 0.6,
                "bound_coverage": None,
            },
            "curves": [f"validation/{name}.csv" for name in CURVE],
        },
    )


def write_fake_calibration(folder: Path, refused: str | None = None) -> None:
    """A factor of FACTOR and bounds that are widened by WIDER, or a refusal."""
    _extend(
        Path(folder),
        "calibration",
        {
            "level": 0.95,
            "factor": None if refused else FACTOR,
            "warps": 0 if refused else 3,
            "samples": 5,
            "pair_amplitude_mm": 3.0,
            "amplitude_mm": None if refused else 3.1,
            "coverage_check": None if refused else 0.94,
            "coverages": [],
            "wider": 1.0 if refused else WIDER,
            "expected_within": None if refused else 0.91,
            "refused": refused,
            "competence": {"followed": {"1": 0.9}, "enough": 0.5, "warnings": []},
            "warning": "Simulated truth has no missing anatomy.",
            "seconds": 1.0,
            "landmarks_within": None,
        },
    )


def _extend(folder: Path, name: str, entry: dict) -> None:
    path = folder / "result.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, name: entry}), encoding="utf-8")
