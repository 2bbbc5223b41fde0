#!/bin/sh
# The scheduler of Dask keeps an entry for every task that was ever submitted one by one, also after
# all of them are released. Needs python3 and a package index; leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check distributed==2026.8.0 dask==2026.8.0
cat > "$folder/run.py" <<'PY'
import sys
import time

import dask
import distributed
from distributed import Client, LocalCluster

TASKS = 300


def main():
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
        as cluster,
        Client(cluster) as client,
    ):
        spans = cluster.scheduler.extensions["spans"].spans
        seen = []
        for _ in range(2):
            for number in range(TASKS):
                client.submit(abs, number, pure=False).result()
            time.sleep(1)
            kept = sum(len(one.metadata["collections"]) for one in spans.values() if one.metadata)
            seen.append((len(cluster.scheduler.tasks), kept))
    print("distributed", distributed.__version__, "dask", dask.__version__)
    print("A Dask scheduler appends to its default span at every Client.submit and never removes it, "
          "so a long queue of independent tasks fills the memory of the scheduler although no task "
          "is left.")
    print(f"seen: (tasks known, entries kept) after {TASKS} and {2 * TASKS} tasks:", seen)
    sys.exit(0 if seen == [(0, TASKS), (0, 2 * TASKS)] else "This has changed.")


if __name__ == "__main__":
    main()
PY
"$folder/venv/bin/python" "$folder/run.py"
