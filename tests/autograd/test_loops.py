"""Loops of very many steps, of which some are run: as torch's own steps, and in proportion beyond."""

import pytest

import archscope
from archscope.analysis.step.memory import memory
from archscope.analysis.step.run import Plan, Run
from archscope.autograd import recurrent
from archscope.autograd.loops import LONG, MOST_EVENTS, SHOWN
from archscope.autograd.tape import Tape
from tests.oracle import kept, step

LAYERS = {
    "rnn": "RNN: {hidden_size: 5, batch_first: true}",
    "gru, both ways": "GRU: {hidden_size: 5, batch_first: true, bidirectional: true}",
    "relu, two layers": "RNN: {hidden_size: 5, batch_first: true, num_layers: 2, nonlinearity: relu}",
}
STEPS = LONG + 6


def design(layer, steps, checkpoint="false"):
    return archscope.load(f"""input: [{steps}, 6]
layers:
  - {{name: before, Linear: 6}}
  - {{name: it, {layer}, checkpoint: {checkpoint}}}
  - {{Linear: 3, from: "it[0]"}}
""")


@pytest.fixture
def steps(monkeypatch):
    """How many steps are run."""
    made = []
    for cell in (recurrent.ElmanStep, recurrent.GRUStep, recurrent.LSTMStep):
        run = cell.step
        monkeypatch.setattr(cell, "step", lambda *arguments, run=run: made.append(1) or run(*arguments))
    return made


def run(it, *, cuts, watched=False):
    """A design that has run, all steps of its loops or some."""
    one = Run(Plan(it, 2, it.steps(2)), Tape(watched=watched, cuts=cuts))
    inferred = one.infer()
    one.prepare("sgd", accumulate=False)
    one.step("sgd", foreach=False)
    return one, inferred


@pytest.mark.parametrize("layer", LAYERS)
def test_a_long_sequence_takes_and_keeps_what_torch_takes_and_keeps(layer, steps):
    """Every allocation of a training step; what is left behind at its peak."""
    it = design(LAYERS[layer], STEPS)
    one, _ = run(it, cuts=True, watched=True)
    assert len(steps) <= 2 * 2 * SHOWN  # two layers or directions, in an inference and in a training step
    assert [live for *_, live in one.tape.events] == step(it, 2, "sgd", fake=False)
    ledger = memory(it, batch=2)
    assert ledger.saved_bytes == kept(it, 2)
    assert sum(ledger.peak_by_kind.values()) == sum(piece.bytes for piece in ledger.at_peak) == ledger.training


@pytest.mark.parametrize("checkpoint", ["false", "true"])
@pytest.mark.parametrize("layer", [*LAYERS.values(), "LSTM: {hidden_size: 5, batch_first: true, num_layers: 2}"])
def test_some_steps_tell_of_all(layer, checkpoint):
    """The other route is to run them all."""
    it = design(layer, STEPS, checkpoint)
    (some, inferred), (every, every_inferred) = (run(it, cuts=cuts) for cuts in (True, False))
    assert inferred == every_inferred
    assert some.tape.events == every.tape.events
    assert len(some.tape.nodes) < len(every.tape.nodes) / 4


@pytest.mark.parametrize("layer", ["rnn", "gru, both ways"])
def test_sixteen_thousand_steps_are_in_proportion_to_what_torch_keeps_of_a_few(layer, steps):
    few, more = (kept(design(LAYERS[layer], count), 2) for count in (8, 9))
    ledger = memory(design(LAYERS[layer], 16_000), batch=2)
    assert ledger.saved_bytes == few + (16_000 - 8) * (more - few)
    assert len(ledger.timeline) < 2 * MOST_EVENTS + 1000
    assert ledger.training > ledger.saved_bytes
    assert len(steps) <= 2 * 2 * SHOWN  # of an inference and of a training step


def test_a_billion_steps_take_no_time(steps):
    """LSTM, 64 units, two samples: gates, cell, its tanh and the state, in 4 bytes, and the input of 32 numbers."""
    it = archscope.load(f"""input: [{10**9}, 32]
layers: [{{name: it, LSTM: {{hidden_size: 64, batch_first: true}}}}, {{Linear: 3, from: "it[0]"}}]
""")
    ledger = memory(it, batch=2)
    assert ledger.saved_bytes == pytest.approx(10**9 * 2 * 4 * (4 * 64 + 3 * 64 + 64 + 32), rel=1e-6)
    assert len(steps) <= 2 * SHOWN
    assert sum(ledger.peak_by_kind.values()) == ledger.training


def test_a_short_sequence_is_run_in_full(steps):
    memory(design(LAYERS["rnn"], LONG), batch=2)
    assert len(steps) == 2 * LONG
