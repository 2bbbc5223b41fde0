"""What a cohort costs beside its registrations, and what it survives.

    python Testing/benchmarks/bench_cohort.py DATA OUT [--pairs N] [--samples N] [--step N] [--parts …]

DATA is the folder of hippocampi (images/, labels/); the pairs are the ordered pairs of the first
twelve. Parts, each of which prints its numbers:

- throughput: one worker on one core, one on two, and two on two, the same pairs; wall time, the share
  of it in which the workers registered, CPU seconds a pair, and those of the driver. On a machine with
  other work the wall time says little, and the product of the other two is given beside it.
- memory: the driver's own, with lists of 1,000 to 100,000 rows. The registration is a stub that
  answers at once (`support.tiny_cohort.nothing`); so there are no result folders.
- faults: 30 workers and 10 drivers are killed (SIGKILL) at random times; every result is whole or not
  there, none changes afterwards, and the table is that of a cohort without kills.
- scheduler: the same faults with a scheduler in another process group, and its two workers.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from support.tiny_cohort import nothing, read_table, write_images, write_list  # noqa: E402
from UncertainRegLib.cohort.folder import CohortFolder  # noqa: E402
from UncertainRegLib.cohort.runner import run_cohort  # noqa: E402
from UncertainRegLib.results.reader import ResultFolder  # noqa: E402

SUBJECTS = 12
QUICK = {"backbone": {"affine": False, "voxels": 4000}}
WORKERS_KILLED, DRIVERS_KILLED = 30, 10
FOLDERS = {(1, 1): "workers1", (1, 2): "workers1of2", (2, 2): "workers2"}  # workers, cores


def hippocampi(data: Path, out: Path, count: int, samples: int, step: int) -> Path:
    """The list of pairs; with a step only every so-manieth voxel along each axis is kept."""
    names = sorted(path.name for path in (data / "images").glob("*.nii.gz"))[:SUBJECTS]
    if step > 1:
        for kind, name in itertools.product(("images", "labels"), names):
            image = sitk.ReadImage(str(data / kind / name))[::step, ::step, ::step]
            (out / kind).mkdir(exist_ok=True)
            sitk.WriteImage(image, str(out / kind / name))
        data = out
    rows = [
        {
            "id": f"{fixed.split('.')[0]}_{moving.split('.')[0]}",
            "group": fixed.split(".")[0],
            "fixed": data / "images" / fixed,
            "moving": data / "images" / moving,
            "fixed_labels": data / "labels" / fixed,
            "moving_labels": data / "labels" / moving,
            "samples": samples,
            "parameters": json.dumps(QUICK),
        }
        for fixed, moving in list(itertools.permutations(names, 2))[:count]
    ]
    return write_list(out / "pairs.csv", rows)


def start(pairs: Path, out: Path, *options: str, cores: int = 0) -> subprocess.Popen:
    """The command, in a process group of its own; its events go to a file.

    Args:
        cores: that it and its workers may use; 0 is all of them.
    """
    mine = sorted(os.sched_getaffinity(0))[:cores] or os.sched_getaffinity(0)
    with open(out.with_suffix(".log"), "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [
                sys.executable, "-m", "UncertainRegLib", "cohort", str(pairs), "--out", str(out),
                "--progress", "json", *options,
            ],
            cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, mine),
        )  # fmt: skip


def events(out: Path) -> list[dict]:
    """What the commands said, of kind "pair"."""
    lines = out.with_suffix(".log").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [one for one in found if one["event"] == "pair"]


def throughput(pairs: Path, out: Path) -> None:
    """One worker on one core and on two, and two on two: a core each has as many threads a pair."""
    found = {}
    for workers, cores in ((1, 1), (1, 2), (2, 2)):
        folder, before = out / FOLDERS[workers, cores], sum(os.times()[2:4])
        process = start(pairs, folder, "--workers", str(workers), cores=cores)
        seen, driver, first, last, count = psutil.Process(process.pid), 0.0, 0.0, 0.0, 0
        while process.poll() is None:
            try:
                driver = sum(seen.cpu_times()[:2])
            except psutil.Error:
                break
            done = len(events(folder))
            if done > count:
                now = time.perf_counter()
                first, last, count = first or now, now, done
                at_last_pair = driver
            time.sleep(0.2)
        process.wait()
        total = sum(os.times()[2:4]) - before  # of the driver and of the workers that it waited for
        each = [one["seconds"] for one in events(folder)]
        # from the first answer to the last: the start and the tables are no part of the rate
        rate = (count - workers) / (last - first)
        busy = sum(each) * rate / count / workers
        found[workers, cores] = (rate, busy)
        print(
            f"{workers} workers on {cores} cores: {count} pairs, {3600 * rate:.0f} an hour, "
            f"{100 * busy:.1f} % of the workers' time is registration, {total:.0f} CPU s in all, of "
            f"these the driver {at_last_pair:.1f} until the last pair "
            f"({100 * at_last_pair / total:.2f} %) and "
            f"{driver:.1f} with tables and page"
        )
    rate2, busy2 = found[2, 2]
    for cores in (1, 2):
        rate1, busy1 = found[1, cores]
        print(
            f"1 worker on {cores} cores -> 2 on 2, by the clock: {rate2 / rate1:.2f}; by the busy "
            f"share: {2 * busy2 / busy1:.2f}"
        )


def memory(out: Path) -> None:
    """The driver's resident memory with longer and longer lists; each in a process of its own."""
    for rows in (1_000, 10_000, 100_000):
        subprocess.run([sys.executable, __file__, "-", str(out), "--stub", str(rows)], check=True)


def stub(out: Path, count: int) -> None:
    """A cohort of ``count`` pairs that are done at once; prints the memory of this process."""
    folder = out / f"stub{count}"
    shutil.rmtree(folder, ignore_errors=True)
    images = write_images(folder, 2)
    rows = [{"id": f"p{n}", "fixed": images[0], "moving": images[1]} for n in range(count)]
    pairs = write_list(folder / "pairs.csv", rows)
    del rows
    me, seen = psutil.Process(), {}

    def report(event: str, **facts) -> None:
        if event == "pair":
            for share in (0.01, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0):
                if facts["done"] == round(share * count):
                    seen[f"{100 * share:.0f} %"] = me.memory_info().rss / 2**20
                    print(f"  {facts['done']}: {me.memory_info().rss / 2**20:.0f} MB", flush=True)

    begun = time.process_time()
    run_cohort(pairs, CohortFolder(folder / "out"), report, workers=2, task=nothing)
    seen["after tables and page"] = me.memory_info().rss / 2**20
    words = ", ".join(f"{name} {mb:.0f} MB" for name, mb in seen.items())
    each = (time.process_time() - begun) / count
    print(f"{count} rows: {words}; {1000 * each:.1f} ms of CPU a pair", flush=True)


def faults(pairs: Path, out: Path, calm: Path, address: str, workers: list[int]) -> None:
    """Kill workers and drivers at random; then finish and compare.

    Args:
        address: of a scheduler elsewhere, or empty; workers: its processes.
    """
    chance = random.Random(20)
    options = ("--scheduler", address) if address else ("--workers", "2")
    kills = ["worker"] * WORKERS_KILLED + ["driver"] * DRIVERS_KILLED
    chance.shuffle(kills)
    whole: dict[str, int] = {}
    process, done_kills = start(pairs, out, *options), {"worker": 0, "driver": 0}
    for kill in kills:
        time.sleep(chance.uniform(0.5, 8.0))
        if process.poll() is not None:  # it was faster than the kills
            process = start(pairs, out, *options)
        if kill == "driver":
            process.kill()
            process.wait()
            check_whole(out, whole)
            process = start(pairs, out, *options)
        else:
            victims = []
            while not victims:  # one that has just been killed comes again
                if process.poll() is not None:
                    process = start(pairs, out, *options)
                time.sleep(0.1)
                with contextlib.suppress(psutil.Error):
                    victims = _workers_of(workers or [process.pid])
            chance.choice(victims).kill()
        done_kills[kill] += 1
    process.wait()
    for _ in range(3):  # what failed by too many kills is tried again, as by a person
        process = start(pairs, out, *options)
        if process.wait() == 0:
            break
    check_whole(out, whole)
    same = read_table(out) == read_table(calm)
    hidden = [path.name for path in (out / "pairs").iterdir() if path.name.startswith(".")]
    made = sum(not one["was_there"] and not one["failed_because"] for one in events(out))
    failed = sum(bool(one["failed_because"]) for one in events(out))
    print(
        f"{done_kills['worker']} workers and {done_kills['driver']} drivers killed: {len(whole)} "
        f"results, all whole, none changed; {made} reported as made, {failed} reported as failed; "
        f"left over: {hidden or 'nothing'}; the table is {'the same' if same else 'ANOTHER'}"
    )
    if not same or hidden:
        sys.exit("A cohort with faults ends otherwise than one without.")


def _workers_of(parents: list[int]) -> list[psutil.Process]:
    """The worker processes that Dask has started."""
    found = []
    for parent in parents:
        for child in psutil.Process(parent).children():
            with contextlib.suppress(psutil.Error):
                found += [child] * ("spawn_main" in " ".join(child.cmdline()))
    return found


def check_whole(out: Path, known: dict[str, int]) -> None:
    """Every result has all files that it names, and none is replaced by another one."""
    for path in (out / "pairs").iterdir():
        if path.name.startswith("."):
            continue
        result = ResultFolder(path)
        record = result.record
        named = [record.transform, record.mean_transform, record.warped, record.covariance]
        named += [one.file for one in record.maps.values()] + record.samples.files
        missing = [name for name in named if name and not (path / name).stat().st_size]
        if record.status != "complete" or missing:
            sys.exit(f"{path}: is half a result ({record.status}, {missing}).")
        made = (path / record.transform).stat().st_mtime_ns
        if known.setdefault(path.name, made) != made:
            sys.exit(f"{path}: was made twice.")


def elsewhere(out: Path) -> tuple[str, list[subprocess.Popen]]:
    """A scheduler and two workers in process groups of their own; its address, and the processes."""
    file = out / "scheduler.json"
    file.unlink(missing_ok=True)

    def launch(*words: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    started = [
        launch(
            "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--host",
            "127.0.0.1", "--scheduler-file", str(file),
        )
    ]  # fmt: skip
    while not (file.exists() and file.read_text(encoding="utf-8").strip()):
        time.sleep(0.2)
    address = json.loads(file.read_text(encoding="utf-8"))["address"]
    started += [
        launch(
            "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(out),
        )
        for _ in range(2)
    ]  # fmt: skip
    return address, started


def main() -> None:
    """The parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=int, default=132)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--step", type=int, default=1, help="keep every so-manieth voxel [1]")
    parser.add_argument("--stub", type=int, default=0, help=argparse.SUPPRESS)
    parts = ("throughput", "memory", "faults", "scheduler")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if options.stub:
        stub(out, options.stub)
        return
    pairs = hippocampi(
        Path(options.data).resolve(), out, options.pairs, options.samples, options.step
    )
    calm = out / "workers2"
    again = {
        "throughput": tuple(FOLDERS.values()),
        "faults": ("faults",),
        "scheduler": ("scheduler",),
    }
    for name in itertools.chain(*(again.get(part, ()) for part in options.parts)):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / f"{name}.log").unlink(missing_ok=True)
    if "throughput" in options.parts:
        throughput(pairs, out)
    if "memory" in options.parts:
        memory(out)
    if {"faults", "scheduler"} & {*options.parts}:
        start(pairs, calm, "--workers", "2").wait()
    if "faults" in options.parts:
        faults(pairs, out / "faults", calm, "", [])
    if "scheduler" in options.parts:
        address, started = elsewhere(out)
        try:
            faults(pairs, out / "scheduler", calm, address, [one.pid for one in started[1:]])
        finally:
            for one in reversed(started):
                os.killpg(one.pid, signal.SIGTERM)
                one.wait(30)


if __name__ == "__main__":
    main()
