"""The training loop: resume is exact, a bad loss stops, foreign checkpoints are refused."""

import json
import signal
import time

import pytest

pytest.importorskip("torch")

import torch

from UncertainRegLib.training.loop import descend, run_steps


class Regression:
    """A line fitted to noise that torch draws: enough to tell every source of randomness."""

    def __init__(self):
        torch.manual_seed(3)
        self.net = torch.nn.Linear(4, 1)
        self.optimiser = torch.optim.Adam(self.net.parameters(), 0.1)
        self.state = {"network": self.net, "optimiser": self.optimiser}

    def step(self, n):
        x = torch.randn(8, 4)
        return {
            "loss": descend((self.net(x) - x.sum(1, keepdim=True)).square().mean(), self.optimiser)
        }


def test_resumed_equals_uninterrupted(tmp_path):
    whole, halves = Regression(), Regression()
    run_steps(whole.step, whole.state, 20, tmp_path / "a", {"rate": 0.1}, progress=False)
    run_steps(halves.step, halves.state, 7, tmp_path / "b", {"rate": 0.1}, progress=False)
    halves = Regression()
    run_steps(halves.step, halves.state, 20, tmp_path / "b", {"rate": 0.1}, progress=False)
    assert torch.equal(whole.net.weight, halves.net.weight)
    assert (tmp_path / "a/log.jsonl").read_text("utf-8") == (tmp_path / "b/log.jsonl").read_text(
        "utf-8"
    )


def test_a_training_goes_on_with_as_many_threads_as_it_began(tmp_path, set_threads, capsys):
    seen = []

    def train(threads, steps):
        fit = Regression()
        set_threads(threads)
        used = run_steps(
            lambda n: seen.append(torch.get_num_threads()) or fit.step(n),
            fit.state,
            steps,
            tmp_path,
            {},
            progress=False,
        )
        return used, torch.get_num_threads()

    assert train(2, 1) == (2, 2) and train(1, 2) == (2, 1) and seen == [2, 2]
    assert capsys.readouterr().err == (
        "The training goes on with 2 CPU threads, as it began, and not with 1: else its numbers "
        "would not be the very same.\n"
    )
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del content["threads"]
    torch.save(content, tmp_path / "checkpoint.pt")
    assert train(1, 3) == (1, 1) and seen == [2, 2, 1]
    assert "is of an earlier version" in capsys.readouterr().err


def test_steps_after_the_last_checkpoint_are_done_again(tmp_path):
    whole, broken = Regression(), Regression()
    run_steps(whole.step, whole.state, 12, tmp_path / "a", {}, progress=False, save_every=5)

    def breaks(n):
        if n == 8:
            raise KeyboardInterrupt
        return broken.step(n)

    with pytest.raises(KeyboardInterrupt):
        run_steps(breaks, broken.state, 12, tmp_path / "b", {}, progress=False, save_every=5)
    assert len((tmp_path / "b/log.jsonl").read_text("utf-8").splitlines()) == 8
    broken, told = Regression(), []
    run_steps(
        broken.step,
        broken.state,
        12,
        tmp_path / "b",
        {},
        progress=False,
        save_every=5,
        on_step=told.append,
    )
    assert [log["step"] for log in told] == list(range(5, 12))
    assert torch.equal(whole.net.weight, broken.net.weight)
    lines = (tmp_path / "b/log.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(12))


@pytest.mark.parametrize(("presses", "saved"), [(1, 9), (2, 5)])
def test_ctrl_c_waits_for_the_end_of_a_step_and_saves_it(ctrl_c, tmp_path, presses, saved):
    """Pressed twice it does not wait."""
    whole, broken = Regression(), Regression()
    run_steps(whole.step, whole.state, 12, tmp_path / "a", {}, progress=False)

    def pressed(n):
        for _ in range(presses if n == 8 else 0):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)  # else two of them may be heard as one
        return broken.step(n)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="at step 9 of 12" if saved == 9 else None):
        run_steps(pressed, broken.state, 12, tmp_path / "b", {}, progress=False, save_every=5)
    assert signal.getsignal(signal.SIGINT) is before
    assert torch.load(tmp_path / "b/checkpoint.pt", weights_only=True)["step"] == saved
    again = Regression()
    run_steps(again.step, again.state, 12, tmp_path / "b", {}, progress=False)
    assert torch.equal(whole.net.weight, again.net.weight)
    lines = (tmp_path / "b/log.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(12))


def test_an_ignored_ctrl_c_stays_ignored(tmp_path):
    """As for a training in the background of a shell script."""
    fit = Regression()

    def pressed(n):
        signal.raise_signal(signal.SIGINT)
        return fit.step(n)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run_steps(pressed, fit.state, 2, tmp_path, {}, progress=False)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_seed_gives_another_training(tmp_path):
    one, two = Regression(), Regression()
    run_steps(one.step, one.state, 2, tmp_path / "a", {}, progress=False)
    run_steps(two.step, two.state, 2, tmp_path / "b", {}, progress=False, seed=1)
    assert not torch.equal(one.net.weight, two.net.weight)


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(tmp_path):
    fit = Regression()

    def step(n):
        return {"loss": float("nan")} if n == 6 else fit.step(n)

    with pytest.raises(FloatingPointError, match="step 6"):
        run_steps(step, fit.state, 9, tmp_path, {}, progress=False, save_every=5)
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert content["step"] == 5


def test_no_step_of_an_optimiser_follows_a_loss_that_is_no_number():
    fit = Regression()
    before = fit.net.weight.clone()
    descend(fit.net(torch.full((1, 4), float("nan"))).sum(), fit.optimiser)
    assert torch.equal(fit.net.weight, before)


@pytest.mark.parametrize("change", [{"settings": {"rate": 1}}, {"seed": 4}])
def test_a_checkpoint_of_other_settings_is_refused(tmp_path, change):
    fit = Regression()
    run_steps(fit.step, fit.state, 1, tmp_path, {"rate": 0}, progress=False)
    with pytest.raises(ValueError, match=f"differently.*{'seed' if 'seed' in change else 'rate'}"):
        run_steps(
            fit.step, fit.state, 2, tmp_path, **{"settings": {"rate": 0}, **change}, progress=False
        )


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    fit = Regression()
    with pytest.raises(ValueError, match="not a checkpoint"):
        run_steps(fit.step, fit.state, 1, tmp_path, {}, progress=False)
