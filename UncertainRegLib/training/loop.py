"""The loop that every training shares: steps, checkpoint, resume, log."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ..randomness import torch_seeded
from ..results.atomic import replace


@contextmanager
def interruption() -> Iterator[threading.Event]:
    """Ctrl-C lets a step end, so that all it changes is saved whole; a second one does not wait.

    Gives an event, which is set when the training is to save and to stop.
    """
    asked, before = threading.Event(), signal.getsignal(signal.SIGINT)
    hears = threading.current_thread() is threading.main_thread()
    if not hears or not callable(before):  # ignored, as in the background of a shell script
        yield asked
        return

    def ask(number, frame) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def to_stderr(text: str) -> None:
    """Print a sentence on stderr."""
    print(text, file=sys.stderr)


@contextmanager
def fixed_threads(
    begun_with: int | None = None, say: Callable[[str], None] = to_stderr
) -> Iterator[int]:
    """torch computes with as many CPU threads as the training began with; gives their number.

    A sum over two threads differs in its last digits from one over one thread.

    Args:
        begun_with: the number in a checkpoint; None takes torch's present one.
        say: takes the sentence that the number is another one than torch's.
    """
    present = torch.get_num_threads()
    threads = begun_with or present
    if threads != present:
        say(
            f"The training goes on with {threads} CPU thread{'s' * (threads > 1)}, as it began, "
            f"and not with {present}: else its numbers would not be the very same."
        )
    torch.set_num_threads(threads)  # the present number too: MKL then takes no fewer on its own
    try:
        yield threads
    finally:
        torch.set_num_threads(present)


def threads_of(checkpoint: dict, file: Path, say: Callable[[str], None] = to_stderr) -> int | None:
    """The number of CPU threads in a checkpoint; None, and a sentence, if it does not tell."""
    if "threads" not in checkpoint:
        say(
            f"{file} is of an earlier version: the training goes on, but not to the very same "
            "numbers as without the interruption."
        )
    return checkpoint.get("threads")


class Paused(Exception):
    """A training that was asked to stop after so many steps has done so, and is saved."""


def stopped(step: int, steps: int) -> KeyboardInterrupt:
    """Raised by a training that was interrupted, after it has saved."""
    return KeyboardInterrupt(_going_on(step, steps))


def paused(step: int, steps: int) -> Paused:
    """Raised by a training that was to stop here, after it has saved."""
    return Paused(_going_on(step, steps))


def _going_on(step: int, steps: int) -> str:
    return f"Stopped at step {step} of {steps}; run the same again to go on."


def run_steps(
    step: Callable[[int], dict],
    state: dict,
    steps: int,
    out: str | Path,
    settings: dict,
    *,
    seed: int = 0,
    save_every: int = 500,
    stop_after: int | None = None,
    validate: Callable[[], dict] | None = None,
    validate_every: int = 500,
    progress: bool = True,
    on_step: Callable[[dict], None] | None = None,
) -> int:
    """Train, or resume from a checkpoint in ``out``.

    Writes ``out/checkpoint.pt`` and ``out/log.jsonl``, one JSON object a step. In a step torch's
    random numbers follow from the seed and the step's number, and so must the data; the number of
    CPU threads is in the checkpoint, and a training goes on with it. So a resumed training ends in
    the very numbers of one that was never interrupted: on a CPU, on the same machine, with the
    same versions of the software. Another number of threads gives other last digits.

    Args:
        step: step(n) does training step n (from 0) and returns what to log, with "loss" in it;
            "warning" is said, too.
        state: all that a step changes: networks, optimisers, schedules, by name; each has
            ``state_dict()`` and ``load_state_dict()``.
        steps: number of the last step; a finished training can be prolonged.
        settings: of the training and its images, as JSON knows them; a checkpoint of others is
            refused.
        seed: of everything random.
        save_every: steps between checkpoints.
        stop_after: do so many steps more at most, save, and raise `Paused` where some are left.
        validate: what to log of pairs that no step sees, every ``validate_every`` steps and at
            the end; draws no random numbers.
        progress: show a progress bar on stderr.
        on_step: takes the log of every step.

    Returns:
        The number of CPU threads, for the model's provenance.

    Raises:
        ValueError: a checkpoint of other settings is in the way, or cannot be read.
        FloatingPointError: the loss is no number; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C; the steps so far are saved, see `interruption`.
        Paused: after ``stop_after`` steps.
    """
    from tqdm import tqdm

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    settings = plain({**settings, "seed": seed})
    first, threads = _resume(state, settings, out / "checkpoint.pt")
    cut_log(out / "log.jsonl", first)
    with (
        fixed_threads(threads) as threads,
        interruption() as asked,
        open(out / "log.jsonl", "a", encoding="utf-8") as log_file,
        tqdm(
            range(first, steps), initial=first, total=steps, disable=not progress, unit="step"
        ) as bar,
    ):
        for n in bar:
            with torch_seeded(seed, "training step", n):
                log = {"step": n, **step(n)}
            if "warning" in log:
                warnings.warn(log["warning"], stacklevel=1)
            if not math.isfinite(log["loss"]):
                raise FloatingPointError(
                    f"The loss of step {n} is {log['loss']}; lower the "
                    "learning rate and start again."
                )
            last = n + 1 == steps
            if validate is not None and ((n + 1) % validate_every == 0 or last):
                log |= validate()
            log_file.write(json.dumps(log) + "\n")
            log_file.flush()
            if on_step is not None:
                on_step(log)
            bar.set_postfix(loss=f"{log['loss']:.4f}", refresh=False)
            stop, pause = asked.is_set(), n + 1 - first == stop_after and not last
            if (n + 1) % save_every == 0 or last or stop or pause:
                _save(state, settings, n + 1, threads, out / "checkpoint.pt")
            if stop:
                raise stopped(n + 1, steps)
            if pause:
                raise paused(n + 1, steps)
    return threads


def descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> float:
    """One step of an optimiser down a loss; the loss as a number.

    A loss that is no number changes nothing: `run_steps` then stops with all weights whole.
    """
    value = float(loss.detach())
    if math.isfinite(value):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return value


def mixed_precision(device: str):
    """On a GPU, bfloat16 for the operations that allow it; on a CPU nothing changes."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")


def _save(state: dict, settings: dict, step: int, threads: int, file: Path) -> None:
    """An interruption leaves the old checkpoint whole."""
    content = {
        "step": step,
        "settings": settings,
        "threads": threads,
        "state": {name: part.state_dict() for name, part in state.items()},
    }
    replace(file, lambda draft: torch.save(content, draft))


def _resume(state: dict, settings: dict, file: Path) -> tuple[int, int | None]:
    """Load a checkpoint; the step and the threads to resume with, 0 and None without one."""
    if not file.exists():
        return 0, None
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        theirs, parts = content["settings"], content["state"]
    except Exception as error:  # torch has many ways to say that a file is damaged
        raise ValueError(
            f"{file} is not a checkpoint of a training; remove it to start again."
        ) from error
    refuse_changed({**settings, "method": sorted(state)}, {**theirs, "method": sorted(parts)}, file)
    for name, part in state.items():
        part.load_state_dict(parts[name])
    return content["step"], threads_of(content, file)


def plain(settings: dict) -> dict:
    """Settings as JSON knows them: tuples are lists, keys are text."""
    return json.loads(json.dumps(settings))


def refuse_changed(settings: dict, theirs: dict, file: Path) -> None:
    """Refuse to resume a checkpoint of other settings; what it does not record is not compared.

    Raises:
        ValueError: settings differ.
    """
    changed = sorted(name for name in theirs if settings.get(name) != theirs[name])
    if changed:
        raise ValueError(
            f"{file} was trained differently ({', '.join(changed)}); choose another "
            "folder, or remove it to start again."
        )


def cut_log(log: Path, steps: int) -> None:
    """Drop the lines of a log after the checkpoint; those steps are done again."""
    if not log.exists():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        if len(kept) == steps:
            break
        kept.append(line + "\n")
    log.write_text("".join(kept), encoding="utf-8")
