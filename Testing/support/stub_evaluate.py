"""A worker for "evaluate", with the actions result, calibrate, acceptance, dose and engines, that
computes nothing.

The environment variable STUB says how it behaves: complete, refuse, fail or slow (until
cancelled).
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[n]) for n in (1, 2)]
from support.fake_acceptance import write_fake_acceptance  # noqa: E402
from support.fake_dose import write_fake_dose  # noqa: E402
from support.fake_validation import write_fake_calibration, write_fake_validation  # noqa: E402

REFUSAL = "Demons follows only 5% of 10 mm. No bound is stated."


def say(event: str, **values) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def write_fake_recommendation(folder: Path) -> None:
    row = {"p95_mm": 2.0, "folds": 0.0, "cpu_s": 1.5, "peak_mb": 300.0, "followed": 0.9}
    table = [
        {"engine": "bspline", "error_mm": 0.5, **row},
        {"engine": "demons", "error_mm": 0.75, **row},
        {"engine": "a<b", "error_mm": None, **row},
    ]
    found = {"engine": "bspline", "text": "Of 3 methods, bspline is recommended.", "table": table}
    (folder / "recommendation.json").write_text(json.dumps(found), encoding="utf-8")


def main() -> int:
    behaviour = os.environ.get("STUB", "complete")
    evaluate, action, *given = sys.argv[1:]
    assert (evaluate, given[-2:]) == ("evaluate", ["--progress", "json"])
    folder, *options = given
    if action == "engines":
        assert given[:4:2] == ["--result", "--out"]
        folder = given[3]
        Path(folder).mkdir(exist_ok=True)
    say("started", pid=os.getpid())
    if behaviour == "fail":
        record = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
        fixed = record["inputs"]["fixed"]["file"]
        say("failed", error=f"{fixed}: has changed since the registration.")
        return 1
    if action == "result":
        write_fake_validation(folder)
    elif action == "dose":
        given = dict(zip(options[:-2:2], options[1:-2:2]))
        assert set(given) - {"--structures"} == {"--dose", "--side", "--unit", "--limit"}
        assert all(
            Path(given[name]).exists() for name in ("--dose", "--structures") if name in given
        )
        write_fake_dose(folder, given["--dose"], given["--side"])
    elif action == "acceptance":
        assert options[0] == "--tolerances"
        write_fake_acceptance(folder, options[1])
    else:
        finished = 0
        while finished < 4 or behaviour == "slow":
            finished = min(finished + 1, 4)
            say("sample", finished=finished, asked=4, eta_s=4.0 - finished)
            time.sleep(0.05)
            if (Path(folder) / "cancel").exists():
                (Path(folder) / "cancel").unlink()
                return 130
        if action == "engines":
            write_fake_recommendation(Path(folder))
        else:
            write_fake_calibration(folder, REFUSAL if behaviour == "refuse" else None)
    say("finished", status="complete", result=str(Path(folder) / "result.json"))
    return 3 if (action, behaviour) == ("calibrate", "refuse") else 0


if __name__ == "__main__":
    sys.exit(main())
