"""Tasks handed to workers: what is kept of them, and in what order they come."""

import pytest

from UncertainRegLib.workers.tasks import LOOK_AGAIN, answers, started

pytest.importorskip("distributed")


def test_of_tasks_that_are_done_nothing_is_kept(tmp_path):
    """Dask kept the names of the last 100,000: 60 MB."""
    from dask.utils import key_split

    count = 7 * LOOK_AGAIN
    with started(1, "", tmp_path, count, 0.0, False, lambda event, **facts: None) as client:
        calls = ((-number,) for number in range(count))
        found = {arguments: answer for arguments, answer, _ in answers(client, abs, calls)}
        assert key_split.cache_info().currsize < 3 * LOOK_AGAIN
        assert not client.futures
    assert found == {(-number,): number for number in range(count)}
