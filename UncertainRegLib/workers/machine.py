"""The worker processes of this machine, and those of a scheduler elsewhere; all through Dask."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..plugins import not_installed

if TYPE_CHECKING:
    from distributed import Client

PACKAGES = {"distributed": "distributed", "psutil": "psutil"}
KILLED = 5  # workers that a task may take with it before it counts as failed
SHARE = 0.9  # of the free memory for the workers
WAIT_S = 30.0  # for a scheduler to answer
LEAST_MB = 600.0  # of a worker: what it has loaded, and a small task
SETTINGS = {
    "distributed.scheduler.allowed-failures": KILLED - 1,
    "distributed.scheduler.worker-saturation": 1.0,  # a task waits where its worker cannot be killed
    "distributed.scheduler.work-stealing": False,
    "distributed.deploy.lost-worker-timeout": "30d",  # a busy machine restarts a killed one slowly
    "distributed.scheduler.worker-ttl": None,  # a registration may not let go of the process for long
    "distributed.worker.memory.target": False,  # nothing is kept in a worker that could be spilled
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.admin.tick.limit": "1d",
    # What Dask looks at many times a second costs the driver 3 % of a core; less often, under 1 %.
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.admin.low-level-log-length": 20,  # else old messages fill the memory of the driver
    "distributed.worker.profile.enabled": False,
}
# Queues, shuffles and the like, which tasks that do not depend on each other need not; one of them,
# the spans, keeps an entry for every task that was ever handed in.
NO_EXTENSIONS: dict = {}
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


class NoWorkersError(ValueError):
    """There are no processes to work with; the message says what to do."""


def check_installed() -> None:
    """Refuse to begin where Dask is not there.

    Raises:
        NoWorkersError: it is not.
    """
    if not_installed(PACKAGES):
        raise NoWorkersError(
            "Workers need the package distributed (Dask): pip install 'UncertainReg[cohort]', or pip "
            "install distributed pyarrow."
        )


def gpus() -> list[str]:
    """The GPUs of this machine, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [one.strip() for one in visible.split(",") if one.strip() not in ("", "-1")]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, encoding="utf-8", timeout=30, check=True
        ).stdout
        return [str(n) for n, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]
    return []


def plan(
    asked: int | None, tasks: int, need_mb: float, may_use_gpu: bool, say: Callable[[str], None]
) -> tuple[list[dict[str, str]], int]:
    """The environment of each worker of this machine, and the memory of each in MB.

    As many workers as there are tasks, cores, and memory for the largest task: one thread each is
    quickest, as a registration uses a second one badly; with fewer workers than cores each has more.
    Where networks run on GPUs, one worker a GPU.

    Args:
        asked: number of workers; None leaves it to the machine.
        tasks: how many there are.
        need_mb: memory of the largest task; 0 where it is not known.
        may_use_gpu: a task may run a network on one.
        say: hears what differs from what was asked, or may not suffice.
    """
    import psutil
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    free = SHARE * min(psutil.virtual_memory().available, MEMORY_LIMIT) / 2**20
    need = max(LEAST_MB, need_mb)
    found = gpus() if may_use_gpu else []
    workers = asked or max(1, min(CPU_COUNT, int(free / need)))
    if found and asked is None:
        workers = len(found)
    elif found and workers > len(found):
        say(
            f"{len(found)} workers are started and not {workers}: each has a GPU of its own, and "
            f"there {'is' if len(found) == 1 else 'are'} {len(found)}."
        )
        workers = len(found)
    workers = max(1, min(workers, tasks))
    limit = int(free / workers)
    if need > limit:
        say(
            f"A worker is expected to need {need:.0f} MB, and each of {workers} has {limit} MB; take "
            "fewer workers where they run out of memory."
        )
    threads = str(max(1, CPU_COUNT // workers))
    common = dict.fromkeys(THREADS, threads)
    return [
        {**common, **({"CUDA_VISIBLE_DEVICES": found[n]} if found else {})} for n in range(workers)
    ], limit


@contextlib.contextmanager
def local(environments: list[dict[str, str]], memory_mb: int) -> Iterator[Client]:
    """Workers of this machine, which end with this process, however it ends."""
    import dask
    from distributed import Client, Nanny, Scheduler, SpecCluster

    with dask.config.set(SETTINGS):
        workers = {
            n: {
                "cls": Nanny,
                "options": {
                    "nthreads": 1,  # a task at a time; its own threads are in the environment
                    "memory_limit": memory_mb * 2**20,
                    "env": environment,
                    "host": "127.0.0.1",
                    "dashboard": False,
                    "silence_logs": "CRITICAL",
                    "extensions": NO_EXTENSIONS,
                },
            }
            for n, environment in enumerate(environments)
        }
        quiet = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
        scheduler = {"cls": Scheduler, "options": quiet | {"extensions": NO_EXTENSIONS}}
        with (
            SpecCluster(workers, scheduler, silence_logs="CRITICAL") as cluster,
            Client(cluster) as client,
        ):
            client.register_plugin(_deaf_to_ctrl_c())
            yield client


def _deaf_to_ctrl_c():
    """The terminal sends Ctrl-C to all processes; only the first one decides what it means."""
    from distributed import WorkerPlugin

    class DeafToCtrlC(WorkerPlugin):
        name = "deaf to Ctrl-C"

        def setup(self, worker) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return DeafToCtrlC()


@contextlib.contextmanager
def elsewhere(address: str, shared: Path, say: Callable[[str], None]) -> Iterator[Client]:
    """The workers of a scheduler that is there already.

    Args:
        address: of the scheduler, like tcp://node:8786.
        shared: a file or folder that they must see, too.
        say: hears that they are waited for.

    Raises:
        NoWorkersError: no scheduler there; or workers without this version, or that do not see it.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=WAIT_S)
    except (OSError, ValueError) as error:
        raise NoWorkersError(f"No scheduler answers at {address} ({error}).") from None
    with client:
        if not client.nthreads():
            say(f"Waiting for a worker of {address}.")
            client.wait_for_workers(1)
        _check_workers(client, shared, say)
        yield client


def _check_workers(client: Client, shared: Path, say: Callable[[str], None]) -> None:
    found = client.run(look, str(shared), on_error="return")
    for address, seen in found.items():
        if not isinstance(seen, dict):
            raise NoWorkersError(
                f"The worker {address} cannot load UncertainReg {__version__} ({seen}); install it "
                "there."
            )
        if seen["version"] != __version__:
            raise NoWorkersError(
                f"The worker {address} has UncertainReg {seen['version']}, this is {__version__}; "
                "install the same version."
            )
        if not seen["sees"]:
            raise NoWorkersError(
                f"The worker {address} does not see {shared}; images and results must lie in folders "
                "that all machines share under the same names."
            )
    several = [address for address, threads in client.nthreads().items() if threads > 1]
    if several:
        say(
            f"The worker {several[0]} takes several tasks at a time; start workers with --nthreads 1, "
            "so that one that runs out of memory takes no other with it."
        )


def look(shared: str) -> dict:
    """What a worker has and sees; runs there."""
    return {"version": __version__, "sees": Path(shared).exists()}
