"""A worker that computes nothing: it writes fabricated results and sends the worker's events.

The environment variable STUB says how it behaves: complete, fail, crash, slow (until cancelled),
mute (says nothing), held (ends once there is a file "go" beside its result) or stubborn (does not
listen, and has a child of its own). Or what goes wrong with its result: truncated, types (an entry
of another type), full (it ends with an error after the result was called complete), odd (events
that are none). Or unfit: slow, and the registration method is not made for the two images.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[n]) for n in (1, 2)]
from support.fake_result import write_fake_result  # noqa: E402


def say(event: str, **values) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def main() -> int:
    behaviour = os.environ.get("STUB", "complete")
    job = json.loads(Path(sys.argv[sys.argv.index("--job") + 1]).read_text(encoding="utf-8"))
    out, asked = Path(job["out"]), job["samples"]
    if behaviour == "mute":  # hangs before it says anything
        (out.parent / "pid").write_text(str(os.getpid()), "utf-8")
        time.sleep(600)
    if os.name != "nt":
        os.setsid()
    say("started", pid=os.getpid())
    say("preflight", device="cpu", memory_mb=800, minutes=1.9)
    print("a library that prints", flush=True)
    if behaviour == "fail":
        say("failed", error=f"{job['fixed']}: every voxel has the value 0; the image is empty.")
        print("the last words", file=sys.stderr)
        return 1
    if behaviour == "crash":
        print("Segmentation fault in a library", file=sys.stderr)
        sys.stderr.flush()
        os._exit(11)
    if behaviour == "stubborn":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        say("warning", text=f"child {child.pid}")
    if behaviour == "unfit":
        say("warning", text="Demons is not made for such images.", fitting="bspline")
        behaviour = "slow"
    say("stage", text="Registering with Demons")
    finished = 0
    while behaviour in ("slow", "stubborn") or finished < asked:
        finished = min(finished + 1, asked)
        time.sleep(0.05)
        say("sample", finished=finished, asked=asked, eta_s=0.5 * (asked - finished))
        if finished in (2, 3):
            write_fake_result(out, samples=finished, status="partial")
            say("snapshot", result=str(out / "result.json"))
        if behaviour == "slow" and (out / "cancel").exists():
            say("finished", status="partial", result=str(out / "result.json"))
            return 130
    while behaviour == "held" and not (out.parent / "go").exists():
        time.sleep(0.05)
    if behaviour == "odd":
        print("[1, 2]\n7\n{}", flush=True)
        say("sample")
    write_fake_result(out, samples=asked)
    if behaviour in ("truncated", "types"):
        text = (out / "result.json").read_text(encoding="utf-8")
        text = text[:-9] if behaviour == "truncated" else text.replace('"maps/', '7, "x": "', 1)
        (out / "result.json").write_text(text, encoding="utf-8")
    if behaviour == "full":
        say("failed", error="maps: No space left on device.")
        return 1
    say("finished", status="complete", result=str(out / "result.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
