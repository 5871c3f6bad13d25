"""What became of designs, as text, CSV, Markdown and data."""

import csv
import io
import json
import re

import click
import pytest

import archscope
from archscope.comparison.changes import changes
from archscope.report.base import report_of
from archscope.report.formats import FORMATS
from archscope.report.formats.terminal import printed
from archscope.report.results.changes import ChangesReport
from archscope.spec.budgets import read_limit
from tests.repository import BLOCKS, NET, Repository, macs, params


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    one = Repository(tmp_path_factory.mktemp("one"))
    one.commit(net=NET, blocks=BLOCKS, two=NET, gone=NET.replace("Net", "Gone"), odd=NET.replace("unit:", "unti:"))
    one.write(blocks=BLOCKS.replace("kernel=3", "kernel=5"), bad="input: [3]\nlayers: 3\n", odd=NET.replace("N", "M"))
    (one.folder / "models" / "gone.yaml").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(one.folder)
        limits = [read_limit("params", "grows <= 10%", source="--grows-at-most"), read_limit("macs", "<= 1G")]
        return changes(["models"], "HEAD", limits=limits)


@pytest.fixture
def markdown(result):
    return FORMATS["markdown"].text(ChangesReport(result))


def grown():
    return params(kernel=5) - params()


def test_people_are_told_what_changed(result):
    text = click.unstyle(printed(ChangesReport(result), 120))
    assert f"Designs since HEAD ({result.base.short})   batch 1, float32, training with sgd" in text
    assert (
        "2 changed, 1 new, 1 deleted, 1 wrong; 2 of 5 statements do not hold" in text
    )  # of three designs, and growth of two
    share = 100 * grown() / params()
    row = next(line for line in text.splitlines() if line.startswith("Net (models/net.yaml)"))
    assert row.split()[2:] == [
        "changed",
        "params",
        f"{params()}",
        f"{params(kernel=5)}",
        f"+{grown()}",
        f"+{share:.3g}%",
    ]
    assert "FAILED Net (models/two.yaml): params grows <= 10%: +" in text
    assert "wrong  models/bad.yaml   models/bad.yaml:2:9: error: `layers:` is a list of layers" in text
    assert f"models/odd.yaml was no design: {result.base.short}:./models/odd.yaml:7:5: error:" in text


def test_a_comment_folds_the_layers(markdown):
    assert markdown.startswith("### Designs since HEAD")
    table, *folds = markdown.split("<details>")
    assert "| Net (models/net.yaml) | changed | params |" in table
    assert "| FAILED |" in table
    assert len(folds) == 2
    for fold in folds:
        assert fold.startswith("\n<summary>Net (models/")
        assert re.search(r"</summary>\n\n\|.*\| Conv2d", fold, re.S)
        assert fold.rstrip().endswith("</details>")


def test_a_comment_is_one_that_github_takes(result, monkeypatch):
    """65,536 characters: what is folded goes first, from the end, then the rest; words say so."""
    module = "archscope.report.formats.markdown.MOST"
    whole = FORMATS["markdown"].text(ChangesReport(result))
    assert len(whole) < 65_536
    for most, folds in ((len(whole) - 1, 1), (len(whole) - 400, 1), (1500, 0)):
        monkeypatch.setattr(module, most)
        text = FORMATS["markdown"].text(ChangesReport(result))
        assert len(text.encode()) <= most
        assert text.count("<details>") == text.count("</details>") <= folds
        assert "left out, for a comment on GitHub has at most 65,536 characters; `--json` has everything" in text


def test_very_many_designs_fit(result):
    """A comment of a thousand designs is cut after whole rows."""
    from dataclasses import replace

    many = replace(result, changes=result.changes * 400)
    text = FORMATS["markdown"].text(ChangesReport(many))
    assert 60_000 < len(text) <= 65_536
    assert text.splitlines()[-1].startswith("the rest is left out")
    assert text.splitlines()[-3].endswith("|")


def test_what_folds_nothing_is_whole(monkeypatch):
    monkeypatch.setattr("archscope.report.formats.markdown.MOST", 100)
    text = FORMATS["markdown"].text(report_of(archscope.explain(archscope.load("lenet5"))))
    assert "left out" not in text
    assert "#### output: " in text  # the last layer


def test_the_page_folds(result):
    page = FORMATS["html"].text(ChangesReport(result))
    assert page.count("<details>") == page.count("</details>") == 2
    assert "models/bad.yaml:2:9" in page


def test_records_are_figures(result):
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].text(ChangesReport(result)))))
    (row,) = (one for one in rows if one["spec"].endswith("net.yaml") and one["figure"] == "macs")
    assert (row["before"], row["after"]) == (str(macs()), str(macs(kernel=5)))
    assert float(row["growth"]) == pytest.approx((macs(kernel=5) - macs()) / macs())
    assert {(one["kind"], one["design"]) for one in rows} == {("changed", "Net"), ("deleted", "Gone"), ("new", "Met")}


def test_data_has_everything(result):
    data = json.loads(FORMATS["json"].text(ChangesReport(result)))
    assert data["base"] == {"asked": "HEAD", "commit": result.base.commit, "left": False}
    assert (data["same"], data["broken"]) == (0, 2)
    by_spec = {one["spec"].replace("\\", "/"): one for one in data["designs"]}
    assert by_spec["models/net.yaml"]["difference"]["total"]["params"] == grown()
    assert by_spec["models/bad.yaml"]["error"].startswith("models/bad.yaml:2:9: error:")
    assert by_spec["models/net.yaml"]["verdicts"][0]["note"] == "--grows-at-most"
