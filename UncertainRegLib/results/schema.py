"""What ``result.json`` holds."""

from __future__ import annotations

SCHEMA = "uncertainreg-result/1"
FILE = "result.json"


def new_record(
    *,
    inputs: dict,
    backbone: dict,
    method: str,
    parameters: dict,
    seed: int,
    asked: int,
    device: str,
    versions: dict,
    job: dict | None = None,
) -> dict:
    """The content of a ``result.json`` before the first sample.

    Args:
        inputs: {name: {"file", "sha256"}} of "fixed", "moving" and the others that were given; also
            "name" where people call it otherwise.
        backbone: {"name", "title", "facts"} of the registration.
        method: the way of sampling.
        parameters: {"perturbation", "settings"} of it.
        seed: of everything random.
        asked: number of samples wanted.
        device: where it is computed.
        versions: of the software, by name.
        job: all that was asked beside the files, by the names of a job.
    """
    return {
        "schema": SCHEMA,
        "status": "partial",
        "error": None,
        "inputs": inputs,
        "backbone": backbone,
        "method": method,
        "parameters": parameters,
        "seed": seed,
        "job": job or {},
        "samples": {
            "asked": asked,
            "finished": 0,
            "effective": 0.0,
            "agreement": None,
            "files": [],
            "log_weights": [],
            "status": [],
            "failed": {"count": 0, "reasons": {}},
        },
        "given": None,
        "before_after": None,
        "expected_error": None,
        "over_anatomy": {},
        "without_strays": None,
        "transform": None,
        "mean_transform": None,
        "maps": {},
        "warped": None,
        "warped_labels": None,
        "covariance": None,
        "labels": [],
        "landmarks": [],
        "modes": [],
        "best_sample": None,
        "oracle_sample": None,
        "timings": {},
        "peak_memory_mb": None,
        "device": device,
        "versions": versions,
        "warnings": [],
    }
