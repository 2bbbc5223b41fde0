"""How the cores, the memory and the GPUs of this machine are divided among workers."""

import pytest

from UncertainRegLib.workers import machine

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")


@pytest.mark.parametrize(
    ("asked", "gpus", "workers"), [(None, ["0", "2"], 2), (3, ["0", "2"], 2), (1, ["0", "2"], 1)]
)
def test_each_worker_has_a_gpu_of_its_own(monkeypatch, asked, gpus, workers):
    monkeypatch.setattr(machine, "gpus", lambda: gpus)
    said = []
    found, _ = machine.plan(asked, 9, 100.0, True, said.append)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == gpus[:workers]
    assert bool(said) == (asked == 3)
    found, _ = machine.plan(2, 9, 100.0, False, said.append)
    assert not any("CUDA_VISIBLE_DEVICES" in one for one in found), "nothing there uses one"


@pytest.fixture
def eight_cores(monkeypatch):
    """Eight cores and 10,000 MB of memory."""
    import dask.system
    import distributed.system

    monkeypatch.setattr(dask.system, "CPU_COUNT", 8)
    monkeypatch.setattr(distributed.system, "MEMORY_LIMIT", 10_000 * 2**20)
    free = type("Free", (), {"available": 10_000 * 2**20})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)


def test_memory_and_threads_are_divided(eight_cores):
    said = []
    environments, limit = machine.plan(None, 9, 3000.0, False, said.append)
    assert len(environments) == 3 and limit == 3000 and not said
    assert {one["OMP_NUM_THREADS"] for one in environments} == {"2"}
    environments, limit = machine.plan(5, 9, 3000.0, False, said.append)
    assert len(environments) == 5 and limit == 1800 and "take fewer workers" in said[0]


def test_by_default_each_core_has_a_worker_of_one_thread_if_there_is_enough_to_do(eight_cores):
    environments, _ = machine.plan(None, 100, 0.0, False, lambda text: None)
    assert [one["OMP_NUM_THREADS"] for one in environments] == ["1"] * 8
    for asked in (None, 6):
        environments, _ = machine.plan(asked, 2, 0.0, False, lambda text: None)
        assert [one["OMP_NUM_THREADS"] for one in environments] == ["4"] * 2


def test_gpus_are_those_that_cuda_may_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, 3")
    assert machine.gpus() == ["1", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert machine.gpus() == []
