"""All pairs by worker processes: whatever is killed, every result is whole or absent, and the table
is the same in the end."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from support import ROOT
from support.tiny_cohort import killed, read_table, write_images, write_list
from UncertainRegLib.cli.main import main
from UncertainRegLib.cohort import runner
from UncertainRegLib.cohort.folder import CohortFolder
from UncertainRegLib.cohort.runner import run_cohort
from UncertainRegLib.workers import machine

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

QUICK = '{"backbone": {"affine": false}}'


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A list of four pairs, of which one cannot be registered."""
    folder = tmp_path_factory.mktemp("list")
    images = write_images(folder)
    rows = [
        {"id": f"p{number}", "group": f"g{number % 2}", "fixed": images[f], "moving": images[m]}
        for number, (f, m) in enumerate([(0, 1), (1, 2), (2, 0)])
    ]
    rows.insert(1, {"id": "bad", "group": "", "fixed": images[0], "moving": "gone.nrrd"})
    for row in rows:
        row |= {"samples": 4, "parameters": QUICK}
    return write_list(folder / "pairs.csv", rows)


def command(pairs, out, *options):
    return [
        sys.executable, "-m", "UncertainRegLib", "cohort", str(pairs), "--out", str(out),
        "--progress", "json", *options,
    ]  # fmt: skip


def run(pairs, out, *options):
    """(exit code, events, stderr) of the command."""
    done = subprocess.run(
        command(pairs, out, *options), capture_output=True, encoding="utf-8", cwd=ROOT, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(scope="module")
def undisturbed(pairs, tmp_path_factory):
    """The folder of a cohort to which nothing happened, and what was said."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    return out, run(pairs, out, "--workers", "2")


class Driver:
    """The command, in a process group of its own, until it is killed or ends."""

    def __init__(self, pairs, out, *options):
        self.process = subprocess.Popen(
            command(pairs, out, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=ROOT,
            start_new_session=True,
        )
        self.children = []

    def wait_for_a_pair(self):
        """Until the first pair that is done."""
        for line in self.process.stdout:
            if json.loads(line)["event"] == "pair":
                break
        self.children = psutil.Process(self.process.pid).children(recursive=True)

    def all_gone(self):
        return not psutil.wait_procs(self.children, timeout=20)[1]


def hidden(out):
    return [path.name for path in (out / "pairs").iterdir() if path.name.startswith(".")]


def test_a_cohort_from_the_shell(undisturbed):
    out, (code, events, said) = undisturbed
    assert code == 1 and "1 of 4 pairs have no result (1 failed)" in said
    done = [event for event in events if event["event"] == "pair"]
    assert {event["id"] for event in done} == {"p0", "p1", "p2", "bad"}
    assert (done[-1]["done"], done[-1]["failed"], done[-1]["total"]) == (3, 1, 4)
    assert done[-1]["running"] == 0 and done[-1]["eta_s"] == 0 and done[-1]["per_hour"] > 0
    rows = [row for row in read_table(out) if row["kind"] == "pair"]
    assert [(row["id"], row["status"]) for row in rows] == [
        ("p0", "complete"), ("bad", "failed"), ("p1", "complete"), ("p2", "complete"),
    ]  # fmt: skip
    assert "gone.nrrd: no such file." in rows[1]["sentence"]
    assert sorted(path.name for path in (out / "pairs").iterdir()) == ["p0", "p1", "p2"]
    about = CohortFolder(out).description()
    assert about["counts"] == {"complete": 3, "failed": 1, "missing": 0} and about["ended"]


def test_report_writes_the_tables_of_what_is_there(undisturbed, tmp_path, capsys):
    out, _ = undisturbed
    before = (out / "cohort.csv").read_text("utf-8")
    (out / "cohort.csv").unlink()
    assert main(["cohort", "report", str(out)]) == 0
    assert (out / "cohort.csv").read_text("utf-8") == before
    assert main(["cohort", "report", str(tmp_path)]) == 1
    assert "not the folder of a cohort" in capsys.readouterr().err


def test_a_killed_driver_takes_its_workers_along_and_the_next_one_goes_on(
    pairs, undisturbed, tmp_path
):
    driver = Driver(pairs, tmp_path / "out", "--workers", "2")
    driver.wait_for_a_pair()
    driver.process.kill()
    driver.process.wait()
    assert len(driver.children) >= 2 and driver.all_gone()
    code, events, _ = run(pairs, tmp_path / "out", "--workers", "1")
    done = {event["id"]: event["was_there"] for event in events if event["event"] == "pair"}
    assert code == 1 and len(done) == 4
    assert read_table(tmp_path / "out") == read_table(undisturbed[0])
    assert not hidden(tmp_path / "out")


def test_ctrl_c_ends_with_what_is_finished(pairs, tmp_path):
    driver = Driver(pairs, tmp_path / "out", "--workers", "1")
    driver.wait_for_a_pair()
    os.killpg(driver.process.pid, signal.SIGINT)  # as a terminal does
    said = driver.process.communicate(timeout=120)[1]
    assert driver.process.returncode == 130 and "Stopped; what is finished is in" in said
    assert "Traceback" not in said and driver.all_gone() and not hidden(tmp_path / "out")
    states = {row["id"]: row["status"] for row in read_table(tmp_path / "out") if row["status"]}
    assert len(states) == 4 and "missing" in states.values()


def test_ctrl_c_is_told_from_a_failure_to_close(pairs, tmp_path, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    class Late:
        def __enter__(self):
            return None

        def __exit__(self, *error):
            raise TimeoutError("Dask did not close in time")

    monkeypatch.setattr(machine, "local", lambda *args: Late())
    monkeypatch.setattr(runner, "_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_cohort(pairs, CohortFolder(tmp_path / "out"), lambda event, **facts: None)
    assert len(read_table(tmp_path / "out")) == 4
    monkeypatch.setattr(runner, "_all", lambda *args: None)
    with pytest.raises(TimeoutError):
        run_cohort(pairs, CohortFolder(tmp_path / "out"), lambda event, **facts: None)


def test_a_killed_worker_is_replaced_and_a_deadly_pair_is_given_up(tmp_path):
    images = write_images(tmp_path, 2)
    rows = [
        {"id": name, "fixed": images[0], "moving": images[1]}
        for name in ("plain", "unlucky", "deadly")
    ]
    folder, events = CohortFolder(tmp_path / "out"), []
    counts = run_cohort(
        write_list(tmp_path / "pairs.csv", rows),
        folder,
        lambda event, **facts: events.append({"event": event, **facts}),
        workers=2,
        task=killed,
    )
    assert "5 workers were killed while they had it" in folder.why_failed("deadly")
    assert folder.why_failed("plain") == folder.why_failed("unlucky") == ""
    assert (folder.path / "deadly.tries").read_text("utf-8") == "x" * machine.KILLED
    assert sorted(path.name for path in folder.pairs.iterdir()) == ["plain", "unlucky"]
    assert counts["failed"] == 1


@pytest.fixture
def scheduler(tmp_path):
    """The address of a scheduler with two workers, in process groups of their own."""
    started = []

    def start(*words):
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    file = tmp_path / "scheduler.json"
    start(
        "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1",
        "--scheduler-file", str(file),
    )  # fmt: skip
    while not (file.exists() and file.read_text("utf-8").strip()):
        time.sleep(0.1)
    address = json.loads(file.read_text("utf-8"))["address"]
    for _ in range(2):
        start(
            "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(tmp_path),
        )  # fmt: skip
    yield address
    for one in reversed(started):
        one.terminate()
        one.wait(30)


def test_a_scheduler_elsewhere_passes_the_same_test(pairs, undisturbed, scheduler, tmp_path):
    """Its worker is killed, then the driver, then the cohort is finished."""
    out = tmp_path / "out"
    driver = Driver(pairs, out, "--scheduler", scheduler)
    driver.wait_for_a_pair()
    nanny = next(
        one
        for one in psutil.process_iter(["cmdline"])
        if {"distributed.cli.dask_worker", scheduler} <= {*(one.info["cmdline"] or ())}
    )
    worker = next(one for one in nanny.children() if "spawn_main" in " ".join(one.cmdline()))
    worker.kill()
    driver.process.kill()
    driver.process.wait()
    code, _, said = run(pairs, out, "--scheduler", scheduler)
    assert code == 1, said
    assert read_table(out) == read_table(undisturbed[0]) and not hidden(out)


def test_no_scheduler_is_said_in_one_sentence(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "WAIT_S", 1)
    with pytest.raises(machine.NoWorkersError, match="No scheduler answers at tcp"):
        run_cohort(
            pairs, CohortFolder(tmp_path / "out"), lambda *_, **__: None, None, "tcp://127.0.0.1:9"
        )
    assert len(read_table(tmp_path / "out")) == 4, "the table says what is missing"


def test_one_cohort_at_a_time_in_a_folder(pairs, tmp_path):
    import locket

    folder = CohortFolder(tmp_path)
    with locket.lock_file(str(tmp_path / ".lock")), pytest.raises(ValueError, match="another"):
        run_cohort(pairs, folder, lambda *_, **__: None)


def test_a_folder_of_something_else_is_refused(pairs, tmp_path):
    (tmp_path / "cohort.json").write_text('{"schema": "other/1"}', "utf-8")
    with pytest.raises(ValueError, match="choose another folder"):
        run_cohort(pairs, CohortFolder(tmp_path), lambda *_, **__: None)


def test_a_result_and_a_file_are_no_folder_of_a_cohort(pairs, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "result.json").write_text("{}", "utf-8")
    (tmp_path / "file").write_text("", "utf-8")
    for name, words in (("one", "the result of one pair"), ("file", "is a file")):
        with pytest.raises(ValueError, match=words):
            run_cohort(pairs, CohortFolder(tmp_path / name), lambda *_, **__: None)
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["result.json"]


def test_without_dask_the_sentence_says_what_to_install(pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(machine, "PACKAGES", {"no_such_package": "distributed"})
    assert main(["cohort", str(pairs), "--out", str(tmp_path / "out")]) == 1
    assert "pip install 'UncertainReg[cohort]'" in capsys.readouterr().err
