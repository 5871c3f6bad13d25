"""Results as pandas frames."""

import sys

import pytest

import archscope
from archscope.backends.torch.profile import profile
from archscope.errors import MissingLibrary


@pytest.fixture(scope="module")
def design():
    return archscope.load("lenet5")


def test_a_design_has_the_frame_of_its_account(design):
    assert design.frame.equals(archscope.analyze(design).frame)
    assert design.frame["params"].sum() == 61706  # LeCun et al. 1998, with full connections


def test_memory_has_a_row_for_each_piece_that_is_kept(design):
    memory = archscope.memory(design, batch=4)
    assert memory.frame["saved_bytes"].sum() == memory.saved_bytes
    assert memory.frame.index[0] == "c1"


def test_receptive_fields_have_a_row_for_each_axis(design):
    frame = archscope.receptive_fields(design).frame
    assert len(frame) == 2 * len(design.layers)
    assert set(frame.loc["c3", "receptive_field"]) == {5 + 1 + 4 * 2}  # c1, s2, and c3 at a jump of 2


@pytest.mark.parametrize("timed", ["predicted", "measured"])
def test_times_have_a_row_for_each_part(design, timed):
    if timed == "predicted":
        found = archscope.predict(design, device="l4")
        times = ("forward_seconds", "backward_seconds")
    else:
        found = profile(design, device="cpu", seconds=0, batch=2)
        times = ("forward_median", "backward_median")
    frame = found.frame
    assert list(frame.index) == [one.part.name for one in found.parts]
    assert frame[list(times)].sum().sum() == pytest.approx(sum(one.seconds for one in found.parts))
    assert frame.loc["c1", "forward_flops"] == frame["forward_flops"].iloc[0] > 0


def test_a_reconciliation_has_terms_that_add_up(design):
    found = archscope.reconcile(design)
    frame = found.frame
    work = frame[frame["figure"] == "work"]
    for peer, terms in work.groupby(level="peer"):
        *parts, modelled = terms["count"]
        assert sum(parts) == modelled, peer
    assert work.loc["torch", ["term", "counts"]].to_numpy().tolist() == [
        ["archscope", "MACs"],
        ["multiply-add as two", "FLOPs"],
        ["modelled", "FLOPs"],
    ]


def test_an_explanation_has_a_row_for_each_equation(design):
    (explanation,) = archscope.explain(design, "c1")
    assert explanation.frame.loc["params", "result"] == 6 * 25 + 6


def test_without_pandas_it_says_what_to_install(design, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingLibrary, match="a frame needs pandas: `pip install pandas`"):
        _ = design.frame
