"""Training of the proposal network of Structured SIR."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from ..networks.sir_unet import COVARIANCES, SirUNet, half
from ..networks.target import RegistrationTarget
from ..randomness import seed_of, torch_seeded
from ..results.atomic import replace
from .loop import (
    cut_log,
    fixed_threads,
    interruption,
    paused,
    plain,
    refuse_changed,
    stopped,
    threads_of,
    to_stderr,
)
from .model_folder import provenance, save_model
from .sir_objectives import OBJECTIVES, CollapseMonitor, SpreadAverage, evaluate_bounds, sir_loss

# between a checkpoint and going on
MAY_CHANGE = {"steps", "device", "validate_every", "validation_pairs", "save_every", "stop_after"}


@dataclass(frozen=True)
class SirTraining:
    """How to train (defaults: Simpson & Campbell, section 4.1 and 4.2).

    Attributes:
        variant: "V+D" ... "S+LC": V trains with the ELBO, S with ``s_objective``; then the
            covariance of the network.
        s_objective: "paper", "entropy" or "wake", see ``sir_objectives.sir_loss``.
        steps, mean_steps: all steps, and how many of them first train the mean alone.
        proposals, keep: N_L and N_k. The paper gives none for training.
        learning_rate, last_learning_rate, decay_steps: cosine from the first to the second, once
            over the steps of the mean and again over ``decay_steps`` (the paper: 30,000 of 50,000)
            after them, constant afterwards.
        optimiser: "soap" (needs heavyball) or "adam".
        temperature, sigma, rank, bound: of the method.
        spread_average: gamma of sigma_alpha, the moving average over the steps of the log-weights'
            standard deviation (the paper: 0.9), which tempers; it is kept in the model's
            provenance. 0 tempers each pair by its own.
        smoothness, mean_smoothness: lambda and lambda_mu. Under the paper's 1 and 2.5 samples fold:
            a field drawn from the prior alone stretches by a standard deviation of
            1 / sqrt(3 lambda) along an axis, which is below -1 for 4 % of voxels at lambda = 1 and
            for 0.03 % at 4.
        bfloat16: run the convolutions in bfloat16; None does so on a GPU. A CPU with instructions
            for it (AVX512-BF16) trains 3 times faster.
        validate_every, save_every: steps; validation_pairs: pairs held out.
        stop_after: steps after which to pause, see `run_steps`.
    """

    variant: str = "S+LC"
    s_objective: str = "entropy"
    steps: int = 50_000
    mean_steps: int = 2_000
    proposals: int = 32
    keep: int = 4
    learning_rate: float = 2e-3
    last_learning_rate: float = 2e-4
    decay_steps: int = 30_000
    optimiser: str = "soap"
    temperature: float = 3.0
    spread_average: float = 0.0
    sigma: float = 0.5
    smoothness: float = 4.0
    mean_smoothness: float = 0.0
    rank: int = 25
    bound: float | None = 2.0
    bfloat16: bool | None = None
    validate_every: int = 500
    validation_pairs: int = 4
    save_every: int = 500
    stop_after: int | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        kind, _, covariance = self.variant.partition("+")
        if kind not in ("V", "S") or covariance not in COVARIANCES:
            raise ValueError(
                f"Variant {self.variant!r} is not V or S, then +, then one of "
                f"{', '.join(COVARIANCES)}."
            )
        if not 0 <= self.spread_average < 1:
            raise ValueError(f"spread_average is {self.spread_average}; give 0 to below 1.")
        if self.s_objective not in OBJECTIVES[2:]:
            raise ValueError(
                f"S variants train with one of {', '.join(OBJECTIVES[2:])}, not "
                f"{self.s_objective!r}."
            )

    def objective(self, step: int) -> str:
        """The objective of a step."""
        if step < self.mean_steps:
            return "mean"
        return "elbo" if self.variant.startswith("V") else self.s_objective

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        if step < self.mean_steps:
            done = step / self.mean_steps
        else:
            done = min(1.0, (step - self.mean_steps) / max(self.decay_steps, 1))
        span = self.learning_rate - self.last_learning_rate
        return self.last_learning_rate + 0.5 * span * (1 + math.cos(math.pi * done))


def train_sir(
    config: SirTraining,
    pairs,
    out: str | Path,
    progress: bool = True,
    warn: Callable[[str], None] | None = None,
    on_step: Callable[[dict], None] | None = None,
    start: SirUNet | None = None,
    validation=None,
) -> SirUNet:
    """Train, or resume from a checkpoint in ``out``.

    Writes ``out/checkpoint.pt`` (to go on from), ``out/log.jsonl``, one JSON object a step, and at
    the end the model folder (to use, see `model_folder`). Data and noise follow from the seed and
    the number of the step, and the number of CPU threads is kept, so a resumed run sees what an
    uninterrupted one would have seen; see `loop.run_steps`.

    Args:
        pairs: of ``synthetic``, ``folder`` or ``listed``.
        progress: show a progress bar on stderr.
        warn: takes warnings; default stderr.
        on_step: takes the log of every step.
        start: a network to begin with; what the new one has beyond it starts fresh.
        validation: of ``listed``, pairs that no step sees; None takes new ones of ``pairs``.

    Raises:
        ValueError: a checkpoint of other settings is in the way, or cannot be read; heavyball is
            missing.
        FloatingPointError: the loss is no number; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C; the steps so far are saved, see `loop.interruption`.
        Paused: after ``stop_after`` steps.
    """
    from tqdm import tqdm

    warn = warn or to_stderr
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with torch_seeded(config.seed, "initial weights"):
        net = SirUNet(config.variant.split("+")[1], config.rank, config.bound)
    net = net.to(config.device, memory_format=torch.channels_last_3d)  # faster convolutions
    if start is not None:
        known = net.state_dict()
        net.load_state_dict(
            {name: values for name, values in start.state_dict().items() if name in known},
            strict=False,
        )
    optimiser = _optimiser(config, net)
    settings = plain({**asdict(config), **pairs.record()})
    average = SpreadAverage(config.spread_average) if config.spread_average else None
    first, threads = _resume(settings, net, optimiser, average, out / "checkpoint.pt", warn)
    monitor, warned = CollapseMonitor(), False
    cut_log(out / "log.jsonl", first)
    with (
        fixed_threads(threads, warn) as threads,
        open(out / "log.jsonl", "a", encoding="utf-8") as log_file,
        interruption() as asked,
        tqdm(
            range(first, config.steps),
            initial=first,
            total=config.steps,
            disable=not progress,
            unit="step",
        ) as bar,
    ):
        for step in bar:
            with torch_seeded(config.seed, "training step", step):
                log = _step(config, net, optimiser, average, pairs, step)
            if not math.isfinite(log["loss"]):
                raise FloatingPointError(
                    f"The loss of step {step} is {log['loss']}; lower the "
                    "learning rate and start again from the checkpoint."
                )
            if step >= config.mean_steps:
                warning = monitor.update(log["half_logdet"])
                if warning and not warned:
                    log["warning"], warned = warning, True
                    warn(warning)
            last = step + 1 == config.steps
            if (step + 1) % config.validate_every == 0 or last:
                log |= validate(config, net, pairs if validation is None else validation)
            log_file.write(json.dumps(log) + "\n")
            log_file.flush()
            if on_step is not None:
                on_step(log)
            bar.set_postfix(loss=f"{log['loss']:.3f}")
            stop, pause = asked.is_set(), step + 1 - first == config.stop_after and not last
            if (step + 1) % config.save_every == 0 or last or stop or pause:
                _save(settings, net, optimiser, average, step + 1, threads, out / "checkpoint.pt")
            if stop:
                raise stopped(step + 1, config.steps)
            if pause:
                raise paused(step + 1, config.steps)
    made_of = provenance(
        pairs.files,
        steps=config.steps,
        seed=config.seed,
        threads=threads,
        loss=f"{config.variant}, {config.s_objective}",
        settings=asdict(config),
        **({} if average is None else {"sigma_alpha": average.value}),
    )
    save_model(
        out,
        "sir",
        net.settings,
        {"proposal": half(net)},
        pairs.shape,
        pairs.spacing_mm,
        pairs.intensity,
        made_of,
        pairs.axes,
    )
    return net


def _step(config: SirTraining, net: SirUNet, optimiser, average, pairs, step: int) -> dict:
    pair = pairs.pair(seed_of(config.seed, "training pair", step), config.device)
    objective, rate = config.objective(step), config.rate(step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    q = _propose(config, net, pair)
    target = _target(config, pair)
    seeds = [seed_of(config.seed, "training proposal", step, i) for i in range(config.proposals)]
    loss, log = sir_loss(
        objective,
        q,
        target,
        seeds,
        config.keep,
        config.temperature,
        config.mean_smoothness,
        average,
    )
    if math.isfinite(log["loss"]):
        optimiser.zero_grad()
        loss.backward()
        for parameter in net.parameters():  # heads that an objective leaves out, for SOAP's sake
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    return {"step": step, "objective": objective, "learning_rate": rate, **log}


def _propose(config: SirTraining, net: SirUNet, pair):
    """The proposal; its Gaussian stays in float32."""
    device = torch.device(config.device).type
    bfloat16 = device == "cuda" if config.bfloat16 is None else config.bfloat16
    with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
        return net(pair.moving, pair.fixed)


def _target(config: SirTraining, pair) -> RegistrationTarget:
    return RegistrationTarget(
        pair.fixed, pair.moving, sigma=config.sigma, smoothness=config.smoothness
    )


@torch.no_grad()
def validate(config: SirTraining, net: SirUNet, pairs) -> dict[str, float]:
    """Mean bounds (nats per voxel) over pairs that no training step sees.

    With a folder the images are the same and only pairs and shifts are new.
    """
    rows = []
    for i in range(config.validation_pairs):
        pair = pairs.pair(seed_of(config.seed, "validation pair", i), config.device)
        seeds = [seed_of(config.seed, "validation proposal", i, j) for j in range(16)]
        rows.append(evaluate_bounds(_propose(config, net, pair), _target(config, pair), seeds))
    return {f"validation_{k}": sum(r[k] for r in rows) / len(rows) for k in rows[0]}


def _optimiser(config: SirTraining, net: SirUNet):
    if config.optimiser == "adam":
        return torch.optim.Adam(net.parameters(), config.learning_rate, betas=(0.9, 0.95))
    try:
        import heavyball
    except ImportError:
        raise ValueError(
            "The SOAP optimiser needs the Python package heavyball; install it, or "
            "train with optimiser='adam'."
        ) from None
    heavyball.utils.compile_mode = None  # compiling needs a C++ compiler and a minute
    warnings.filterwarnings("ignore", "Learning rate changed", UserWarning)  # our schedule does
    return heavyball.SOAP(
        net.parameters(),
        lr=config.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=0.0,
        precondition_frequency=10,
    )  # the SOAP paper's


def _save(
    settings: dict, net: SirUNet, optimiser, average, step: int, threads: int, file: Path
) -> None:
    """An interruption leaves the old checkpoint whole."""
    content = {
        "settings": net.settings,
        "model": net.state_dict(),
        "step": step,
        "threads": threads,
        "config": settings,
        "optimiser": optimiser.state_dict(),
        "sigma_alpha": average and average.value,
    }
    replace(file, lambda draft: torch.save(content, draft))


def _resume(
    settings: dict, net: SirUNet, optimiser, average, file: Path, warn: Callable[[str], None]
) -> tuple[int, int | None]:
    """The step and the threads to resume with; 0 and None without a checkpoint."""
    if not file.exists():
        return 0, None
    try:
        content = torch.load(file, map_location=settings["device"], weights_only=True)
        step, theirs, weights, state = (
            content[k] for k in ("step", "config", "model", "optimiser")
        )
    except Exception as error:  # torch has many ways to say that a file is damaged
        raise ValueError(
            f"{file} is not a checkpoint of `train sir`; remove it to start again."
        ) from error
    kept = {k: v for k, v in theirs.items() if k not in MAY_CHANGE}
    refuse_changed(settings, plain(kept), file)
    net.load_state_dict(weights)
    optimiser.load_state_dict(state)
    if average is not None:
        average.value = content.get("sigma_alpha")
    return step, threads_of(content, file, warn)
