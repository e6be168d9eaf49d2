"""Plans against what small runs really hold and multiply."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import recipe

from cxrtutor.alignment import similarity, transport_similarity
from cxrtutor.errors import InputError
from cxrtutor.methods.config import RunConfig, TrainingText, validated
from cxrtutor.methods.registry import METHODS, method
from cxrtutor.pretraining import planner
from cxrtutor.pretraining.computing import arrange
from cxrtutor.pretraining.costs import Costs, Polynomial, measured_costs
from cxrtutor.pretraining.example_pairs import example_inputs
from cxrtutor.pretraining.gpus import GPUS
from cxrtutor.pretraining.loop import Training
from cxrtutor.pretraining.planner import GIB, plan
from cxrtutor.pretraining.tally import Tally

PIECES = 40


def config(name: str = "gloria", batch: int = 12, precision: str = "32-true", **compute) -> RunConfig:
    values = recipe(Path("nowhere"), name, trainable=True, batch_size=batch, precision=precision)
    if name == "mgca":
        values["model"]["projection"]["head"] = "perceptron"
    return validated(RunConfig, {**values, "compute": compute}, where="planned")


def counted_step(asked: RunConfig) -> tuple[Tally, int]:
    """A whole forward and backward pass of the batch, and the bytes of what it was given."""
    chosen = method(asked.method)
    torch.manual_seed(0)
    training = Training(chosen.model(asked), chosen.objective(asked), asked.compute.piece).train()
    arrange(training.model, asked.compute)
    inputs = example_inputs(training.model, asked.data.text, asked.optimization.batch_size, PIECES)
    half = asked.optimization.precision == "bf16-mixed"
    with Tally() as tally:
        for parameter in training.parameters():
            if parameter.requires_grad:  # of the step before
                parameter.grad = torch.zeros_like(parameter)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = training(*inputs)["loss"]
        training.zero_grad()
        loss.backward()
    return tally, inputs[0].nbytes


@pytest.mark.parametrize(
    "asked",
    [
        config("gloria"),
        config("afloc"),
        config("mgca"),
        config("convirt", precision="bf16-mixed"),
        config("lsm", piece=4),
        config("gloria", recompute=True),
        config("gloria", recompute=True, piece=6),
    ],
    ids=lambda asked: f"{asked.method}-{asked.optimization.precision}-{asked.compute.piece}-{asked.compute.recompute}",
)
def test_a_plan_is_what_a_step_holds_and_multiplies(asked: RunConfig) -> None:
    made = plan(asked, gpu="cpu", pieces=PIECES)
    tally, given = counted_step(asked)
    planned = sum(made.memory[term] for term in ("gradients", "activations", "objective", "passing"))
    assert planned == pytest.approx(tally.peak + given, rel=0.1)
    assert sum(made.operations.values()) == pytest.approx(sum(tally.multiplied.values()), rel=0.05)


@pytest.mark.parametrize(("name", "kept"), [("gloria", 2**20), ("gloria", 2**28), ("afloc", 2**20), ("mlip", 2**20)])
def test_an_objective_is_scaled_up_beyond_what_it_may_keep(
    name: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of 60 goes past the lower bound, as AFLoc's of 128 goes past the real one, and not past the higher."""
    for kernel in (similarity, transport_similarity):
        monkeypatch.setattr(kernel, "KEPT_BYTES", kept)
        monkeypatch.setattr(kernel, "CHUNK_ELEMENTS", 2**16)
    asked = config(name, batch=60)
    costs = measured_costs(asked, PIECES)
    chosen = method(name)
    model, objective = chosen.model(asked).train(), chosen.objective(asked).train()
    with torch.no_grad():
        pairs = model(*example_inputs(model, TrainingText(), 60, PIECES))
    for side in (pairs.image, pairs.text):
        for tensor in vars(side).values():
            if tensor is not None and tensor.is_floating_point():
                tensor.requires_grad_()
    with Tally() as tally:
        objective(pairs).loss.backward()
    assert 0.9 * tally.peak < costs.objective_bytes(60) < 1.8 * tally.peak  # a bound, from above
    done = sum(costs.objective_operations(60).values())
    least = 0.7 if name == "mlip" else 0.9  # in which of its ways transport is solved depends on the vectors
    assert least * sum(tally.multiplied.values()) < done < 1.3 * sum(tally.multiplied.values())


@pytest.mark.parametrize("name", METHODS)
def test_frozen_encoders_are_planned_too(name: str) -> None:
    values = recipe(Path("nowhere"), name, head="perceptron" if name == "mgca" else "convolution")
    if name == "mlip":  # a frozen encoder learns from no reconstruction
        values["alignment"] = {"reconstruction_weight": 0}
    made = plan(validated(RunConfig, values, where="planned"), gpu="cpu", pieces=PIECES)
    assert 0 < made.trained < made.parameters / 2
    assert made.memory["gradients"] == 4 * made.trained and made.memory["moments"] == 8 * made.trained
    assert made.fits and not made.remedies


def test_devices_share_the_pairs_and_not_the_contrast() -> None:
    one, two = (plan(config(), gpu="a100-80", gpus=n, pieces=PIECES) for n in (1, 2))
    assert one.memory["buckets"] == 0 and two.memory["buckets"] == two.memory["gradients"]
    assert two.memory["activations"] < 0.6 * one.memory["activations"]
    assert two.memory["objective"] > one.memory["objective"]  # all pairs, and the features gathered


def test_devices_share_the_time_of_what_keeps_them_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "START", 0.0)
    one, two = (plan(config(), gpu="a100-80", gpus=n, pieces=PIECES) for n in (1, 2))
    assert one.seconds_per_step / 2 < two.seconds_per_step < one.seconds_per_step


def test_a_small_share_waits_for_its_operations_to_be_started() -> None:
    one, two = (plan(config(), gpu="a100-80", gpus=n, pieces=PIECES) for n in (1, 2))
    assert one.seconds_per_step == two.seconds_per_step
    assert any("longer to be started" in note for note in two.notes)
    tally, _ = counted_step(config())
    zeroed = sum(
        p.requires_grad for p in method("gloria").model(config()).parameters()
    )  # which `counted_step` does too
    assert one.seconds_per_step / planner.START == pytest.approx(tally.started - zeroed, rel=0.1)
    pieces = plan(config(piece=4), gpu="a100-80", pieces=PIECES)
    assert pieces.seconds_per_step > 3 * one.seconds_per_step
    assert plan(config(piece=4), gpu="a100-80", pieces=PIECES, images_per_second=12.0).seconds_per_step == 1.0


@pytest.mark.parametrize(("seconds", "said"), [(0.004, "0.004 s"), (90, "1.5 min"), (7200, "2 h"), (172800, "2 days")])
def test_times_are_told_in_their_own_unit(seconds: float, said: str) -> None:
    made = plan(config(), studies=12, images_per_second=12 / seconds, pieces=PIECES)
    assert f"a step    {said:>{8 + len(said) - len(said.split()[0])}}, " in str(made)


def test_time_follows_from_what_is_given() -> None:
    made = plan(config(), studies=1200, images_per_second=24.0, pieces=PIECES)
    assert (made.seconds_per_step, made.steps_per_epoch) == (0.5, 100)
    assert made.days == pytest.approx(4 * 100 * 0.5 / 86400)
    assert made.as_dict()["hours_per_epoch"] == pytest.approx(50 / 3600)


def test_studies_are_those_of_the_set(data: Path) -> None:
    values = recipe(data, trainable=False)
    assert plan(validated(RunConfig, values, where="planned"), pieces=PIECES).steps_per_epoch == 24 // 8
    values["data"] = {"set": "teaching", "subset": 80}
    assert plan(validated(RunConfig, values, where="planned"), pieces=PIECES).steps_per_epoch == 10


def test_what_does_not_fit_says_so_and_its_remedies_help(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {}

    def measured_once(asked: RunConfig, pieces: int) -> Costs:
        key = asked.compute.recompute, asked.optimization.batch_size
        return measured.get(key) or measured.setdefault(key, measured_costs(asked, pieces))

    monkeypatch.setattr(planner, "measured_costs", measured_once)
    asked = config("gloria", batch=24)
    memory = plan(asked, pieces=PIECES).memory
    room = sum(memory.values()) - memory["activations"] // 2
    small = GPUS["t4-16"].__class__("small", room / GIB, 1.0, 1.0)
    monkeypatch.setitem(GPUS, "small", small)
    made = plan(asked, gpu="small", pieces=PIECES)
    assert not made.fits and "IT DOES NOT FIT" in str(made)
    remedies = dict(line.split(" (")[0].split(": ") for line in made.remedies if ": " in line)
    assert {"compute.piece", "compute.recompute", "optimization.batch_size"} <= remedies.keys()
    piece, batch = int(remedies["compute.piece"]), int(remedies["optimization.batch_size"])
    for helped in (config("gloria", 24, piece=piece), config("gloria", 24, recompute=True)):
        assert plan(helped, gpu="small", pieces=PIECES).fits
    assert not plan(config("gloria", batch + 1), gpu="small", pieces=PIECES).fits


def test_a_gpu_without_bfloat16_is_planned_in_float32() -> None:
    made = plan(config(precision="bf16-mixed"), gpu="v100-32", pieces=PIECES)
    assert made.precision == "32-true" and made.operations.keys() == {"float32"}
    assert any("no bfloat16" in note for note in made.notes)


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="no GPU 'a100'"):
        plan(config(), gpu="a100")
    with pytest.raises(InputError, match="batch of 12 cannot be shared evenly by 5"):
        plan(config(), gpus=5)


def test_reports_are_of_one_length_and_as_long_as_asked() -> None:
    asked = config()
    model = method("gloria").model(asked)
    for shown, sentences in (("all", 6), ("subset", 4), ("one", 1)):
        _, reports, *_ = example_inputs(model, TrainingText(sentences=shown), 6, 80)
        assert len({tuple(report) for report in reports}) == 6
        assert all(len(report) == len(reports[0]) for report in reports)
        assert len(reports[0]) == pytest.approx(sentences, abs=1)


def test_polynomials_go_through_what_they_are_fitted_to_and_never_fall() -> None:
    counts = (8, 16, 24)
    assert Polynomial.fitted(counts, [3 + 2 * n + 5 * n**2 for n in counts], 2)(100) == pytest.approx(50_203)
    bent = Polynomial.fitted(counts, [10.0, 18.0, 19.0], 2)
    assert min(bent.coefficients) >= 0 and np.all(np.diff([bent(n) for n in range(200)]) >= 0)
