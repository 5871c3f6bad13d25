"""What a branch does to designs, counted by hand: which changed, by how much, and what no longer holds."""

import os

import numpy as np
import pytest

import archscope
from archscope.comparison.changes import CHANGED, DELETED, NEW, RESTATED, WRONG, changes
from archscope.design import Condition
from archscope.errors import SpecError, UsageError
from archscope.spec.budgets import read_limit
from tests.repository import BLOCKS, NET, Repository, macs, params

ALONE = "name: Alone\ninput: [5]\nlayers: [Linear: 7]\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    one = Repository(tmp_path_factory.mktemp("template"))
    (one.folder / "models").mkdir()
    (one.folder / "models" / "tasks.yml").write_text("jobs: [build]\n")  # no spec
    (one.folder / "models" / ".hidden.yaml").write_text("jobs: [build]\n")
    one.commit(net=NET, blocks=BLOCKS, alone=ALONE)
    return one


def became(*specs, base="main", **more):
    result = changes(specs or ["models"], base, **more)
    return {change.spec.replace(os.sep, "/"): change for change in result.changes}, result


def figures(change):
    return {one.column.name: (one.before, one.after, one.change) for one in change.figures}


def test_nothing_changed(repository):
    found, result = became()
    assert found == {}
    assert result.same == 2  # a file of blocks is no design, nor are jobs
    assert not result.broken


def test_a_block_changes_the_designs_that_include_it(repository):
    repository.write(blocks=BLOCKS.replace("kernel=3", "kernel=5"))
    found, result = became()
    (change,) = found.values()
    assert (change.spec, change.kind, change.design.name) == (os.path.join("models", "net.yaml"), CHANGED, "Net")
    assert figures(change)["params"] == (params(), params(kernel=5), 3 * 4 * 16)
    assert figures(change)["macs"] == (macs(), macs(kernel=5), 3 * 4 * 16 * 64)
    assert [part.name for part in change.difference.parts] == ["unit.Conv2d"]
    assert change.difference.total.params == 3 * 4 * 16
    assert result.same == 1


def test_words_alone_change_no_design(repository):
    repository.write(net=f"# a remark\n{NET}", blocks=f"{BLOCKS}  spare: [ReLU]\n")
    found, result = became()
    assert found == {}
    assert result.same == 2


VALUED = "name: Valued\ninput: [3]\nlayers: [{Constant: {shape: [3], value: 'v.npz[x]'}, name: c}, Add: [input, c]]\n"


def test_files_of_values_are_what_they_hold(repository):
    """A remark is none of a design's changes; other numbers are one of the layer that holds them."""
    values = repository.folder / "models" / "v.npz"
    np.savez(values, x=np.ones(3, np.float32))
    repository.commit(valued=VALUED)
    repository.write(valued=f"# a remark\n{VALUED}")
    assert became(base="HEAD")[0] == {}
    np.savez(values, x=np.zeros(3, np.float32))
    change = became(base="HEAD")[0]["models/valued.yaml"]
    assert change.kind == CHANGED
    assert [part.name for part in change.difference.parts] == ["c"]
    values.unlink()
    assert became(base="HEAD")[0]["models/valued.yaml"].kind == CHANGED


def test_what_is_said_of_the_same_layers_is_restated(repository):
    repository.write(net=f"{NET}expect: {{params: {params()}}}\n", alone=ALONE.replace("Alone", "Lonely"))
    found, result = became()
    assert [change.kind for change in found.values()] == [RESTATED, RESTATED]
    assert [one.ok for one in found["models/net.yaml"].verdicts] == [True]
    text = str(result)
    assert "2 restated; 1 statement, which holds" in text
    assert "what is said of them is not as before): Lonely, Net" in text
    assert "MACs" not in text
    repository.write(net=f"{NET}accuracy: {{top1: 70}}\n")
    assert became(figures=["top1"])[0]["models/net.yaml"].kind == CHANGED


def test_new_and_deleted_designs_are_named(repository):
    repository.write(fresh=ALONE.replace("Alone", "Fresh").replace("7", "8"))
    (repository.folder / "models" / "alone.yaml").unlink()
    found, _ = became()
    assert {path: change.kind for path, change in found.items()} == {
        "models/alone.yaml": DELETED, "models/fresh.yaml": NEW,
    }  # fmt: skip
    assert figures(found["models/fresh.yaml"])["params"] == (None, 48, None)
    assert figures(found["models/alone.yaml"])["params"] == (42, None, None)
    assert found["models/alone.yaml"].design.name == "Alone"


def test_a_folder_that_is_gone(repository):
    for path in (repository.folder / "models").iterdir():
        path.unlink()
    (repository.folder / "models").rmdir()
    assert {path: change.kind for path, change in became()[0].items()} == {
        "models/alone.yaml": DELETED, "models/net.yaml": DELETED,
    }  # fmt: skip


def test_a_folder_in_the_place_of_a_design(repository):
    (repository.folder / "models" / "alone.yaml").unlink()
    (repository.folder / "models" / "alone.yaml").mkdir()
    assert {name: change.kind for name, change in became()[0].items()} == {"models/alone.yaml": DELETED}


def test_a_file_that_moved_is_the_same_design(repository):
    repository.git("mv", "models/net.yaml", "models/net2.yaml")
    repository.write(net2=NET.replace("width: 4", "width: 6"))
    repository.git("add", "--all")
    found, _ = became()
    (change,) = found.values()
    assert (change.kind, change.was) == (CHANGED, os.path.join("models", "net.yaml"))
    assert figures(change)["params"] == (params(), params(width=6), params(width=6) - params())


def test_what_main_did_meanwhile_is_not_of_the_branch(repository):
    repository.git("switch", "-q", "-c", "branch")
    repository.commit(alone=ALONE.replace("7", "9"))
    repository.git("switch", "-q", "main")
    repository.commit(net=NET.replace("width: 4", "width: 64"))
    repository.git("switch", "-q", "branch")
    assert [*became()[0]] == ["models/alone.yaml"]
    assert [*became(tip=True)[0]] == ["models/alone.yaml", "models/net.yaml"]


def test_a_file_that_is_named(repository, monkeypatch):
    repository.write(net=NET.replace("width: 4", "width: 6"), fresh=ALONE)
    assert [*became("models/net.yaml", "models/alone.yaml")[0]] == ["models/net.yaml"]
    assert became("models/fresh.yaml")[0]["models/fresh.yaml"].kind == NEW
    assert [*became("models/net")[0]] == ["models/net.yaml"]
    (repository.folder / "models" / "net.yaml").unlink()
    assert became("models/net.yaml")[0]["models/net.yaml"].kind == DELETED
    monkeypatch.chdir("models")
    assert became("net.yaml")[0]["net.yaml"].kind == DELETED
    assert [*became(".")[0]] == ["fresh.yaml", "net.yaml"]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("models/nett.yaml", "there is no file models/nett.yaml"),
        ("resnet50", "is outside the repository"),
        ("/tmp", "is outside the repository"),
    ],
)
def test_what_is_no_design_here_nor_there(repository, spec, says):
    with pytest.raises(SpecError, match=says):
        changes([spec], "main")


def test_a_folder_outside_is_called_by_its_own_name(repository, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(SpecError) as caught:
        changes([tmp_path / "elsewhere"], "main")
    assert str(caught.value).startswith("error: ../elsewhere is outside the repository")


def test_a_spec_that_is_wrong_now(repository):
    repository.write(net=NET.replace("unit: width", "unti: width"))
    found, result = became()
    assert found["models/net.yaml"].kind == WRONG
    assert "did you mean `unit`?" in str(found["models/net.yaml"].unread)
    assert [one.kind for one in result.wrong] == [WRONG]


def test_a_spec_that_was_wrong_is_mended(repository):
    repository.commit(net=NET.replace("unit: width", "unti: width"))
    assert became(base="HEAD")[0] == {}  # the branch is not to blame
    repository.write(net=NET)
    change = became(base="HEAD")[0]["models/net.yaml"]
    assert (change.kind, figures(change)["params"]) == (NEW, (None, params(), None))
    assert "unti" in str(change.unread)


def test_budgets_of_the_spec_are_held_as_verify_holds_them(repository):
    budget = f"budget:\n  params: [<= 1k, grows <= {3 * 4 * 16 - 1}]\n  macs: grows <= 300%\n"
    repository.write(net=NET + budget, blocks=BLOCKS.replace("kernel=3", "kernel=5"))
    change = became(batch=64)[0]["models/net.yaml"]
    growth = 100 * (macs(kernel=5) - macs()) / macs()
    assert [(one.figure, str(one.about), one.ok, one.computed) for one in change.verdicts] == [
        ("params", "<= 1,000", True, params(kernel=5)),
        ("params", f"grows <= {3 * 4 * 16 - 1}", False, f"+{3 * 4 * 16}, {params()} -> {params(kernel=5)}"),
        ("macs", "grows <= 300%", True, f"+{growth:.3g}%, {macs():,} -> {macs(kernel=5):,}"),
    ]
    assert archscope.verify.verify(archscope.load("models/net.yaml")).ok  # without a base nothing grows


def test_limits_of_whoever_asks_are_of_the_run_that_is_asked_for(repository):
    repository.write(net=NET.replace("width: 4", "width: 6"))
    limits = [read_limit("macs", f"<= {2 * macs(width=6)}"), Condition("macs / params > 1000")]
    verdicts = became(limits=limits, batch=3)[0]["models/net.yaml"].verdicts
    assert [(one.ok, one.computed) for one in verdicts] == [
        (False, 3 * macs(width=6)), (False, f"macs = {3 * macs(width=6):,}, params = {params(width=6)}"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (read_limit("mcas", "<= 3"), "designs have no figure `mcas`; did you mean `macs`?"),
        (read_limit("3", "<= 3"), "`3` names no figure"),
        (Condition("params <"), "`params <`: "),
    ],
)
def test_a_limit_of_nothing_is_refused_before_the_work(repository, limit, says):
    with pytest.raises(UsageError, match=says.replace("?", r"\?")):
        changes(["models"], "main", limits=[limit])


def test_another_variant_of_both(repository):
    repository.write(net=NET.replace("unit: width", "unit: {out: width, kernel: 5}"))
    change = became("models/net.yaml", set={"width": 8})[0]["models/net.yaml"]
    assert figures(change)["params"][:2] == (params(8), params(8, 5))


def test_the_library_has_it_too(repository):
    repository.write(net=NET.replace("width: 4", "width: 6"))
    result = archscope.changes(["models"], "main", figures=["params"])
    assert isinstance(result, archscope.Changes)
    assert result.frame.loc["Net", "change"] == params(6) - params()
