"""How long does the dashboard of 10,000 pairs take to open and to filter in a real browser?

    python Testing/benchmarks/bench_dashboard.py [--pairs 10000] [--repeats 5]

Makes a cohort in a temporary folder (numbers, four structures of each pair, pictures of the hundred
worst), writes its dashboard, and opens it from the disk in Chromium without a screen and without a
network. *Open* is from asking for the page until its first rows are painted, of which a busy machine
gives only a part to the browser (second line); *filter* and *sort* from the key or click until two
frames later. Needs the package playwright and Chromium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from support.browser import NoBrowser, browser  # noqa: E402
from support.fake_cohort import write_fake_cohort  # noqa: E402
from UncertainRegLib.cohort.dashboard import EMBEDDED, write_dashboard  # noqa: E402

PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
ACTIONS = {  # in the page, without the time of the driver
    "filter by text": "box => { box.value = 'pair-09'; box.dispatchEvent(new Event('input')); }",
    "filter by group": "box => { box.value = 'B'; box.dispatchEvent(new Event('change')); }",
    "no filter": "box => box.click()",
    "sort by Dice": "box => box.click()",
    "sort by name": "box => box.click()",
}
PLACES = {
    "filter by text": "#filter-text",
    "filter by group": "#filter-group",
    "no filter": ".tiles button",
    "sort by Dice": "#head-dice button",
    "sort by name": "#head-id button",
}


def opened(context, page: Path) -> tuple[float, float, dict[str, float]]:
    """Milliseconds until a new page is painted, those of them that its main thread computed, and of
    each action."""
    tab = context.new_page()
    session = context.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    start = time.perf_counter()
    tab.goto(page.as_uri(), wait_until="commit")
    tab.wait_for_selector("html[data-ready=yes] #rows tr[data-id]")
    tab.evaluate(PAINTED)
    found = 1000 * (time.perf_counter() - start)
    metrics = session.send("Performance.getMetrics")["metrics"]
    computed = 1000 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")
    times = {
        name: tab.eval_on_selector(
            PLACES[name],
            f"async box => {{ const start = performance.now(); ({action})(box); await {PAINTED}; "
            "return performance.now() - start; }",
        )
        for name, action in ACTIONS.items()
    }
    tab.close()
    return found, computed, times


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        write_fake_cohort(folder, options.pairs, results=EMBEDDED + 2)
        start = time.process_time()
        page = write_dashboard(folder)
        print(
            f"{options.pairs} pairs: {page.stat().st_size / 1e6:.1f} MB, written in "
            f"{time.process_time() - start:.1f} CPU s (with {EMBEDDED} reports)"
        )
        try:
            with browser() as started:
                context = started.new_context(offline=True, viewport={"width": 1400, "height": 900})
                runs = [opened(context, page) for _ in range(options.repeats)]
        except NoBrowser as error:
            print(f"The browser {error}.", file=sys.stderr)
            return 1
    opens, computed, actions = zip(*runs)
    table = {"open": opens, "open, CPU of its main thread": computed}
    table |= {name: [one[name] for one in actions] for name in ACTIONS}
    for name, times in table.items():
        print(f"{name}: median {median(times):.0f} ms, slowest {max(times):.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
