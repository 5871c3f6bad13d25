"""``archscope graph`` end to end."""

from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from archscope.cli import main


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["graph", *arguments])
    assert result.exit_code == code, result.output
    return result


def boxes(path):
    return path.read_text(encoding="utf-8").count('class="node ')


def test_a_picture(tmp_path):
    target = tmp_path / "lenet5.svg"
    assert run("lenet5", "-o", str(target)).output == ""
    ElementTree.parse(target)
    assert boxes(target) == 1 + 12 + 1  # input, layers, output


def test_folding(tmp_path):
    target = tmp_path / "resnet18.svg"
    run("resnet18", "-o", str(target), "--depth", "1")
    assert boxes(target) == 1 + 11 + 1  # conv1 bn1 relu maxpool, 4 stages, avgpool, flatten, fc
    run("resnet18", "-o", str(target), "--depth", "1", "--open", "layer2")
    assert boxes(target) == 1 + 11 + 1 + 1  # two blocks for one
    run("resnet18", "-o", str(target), "--depth", "all")
    assert boxes(target) == 1 + 69 + 1
    run("resnet50", "-o", str(target))
    assert boxes(target) == 1 + 23 + 1  # at most 60: 7 layers and 3 + 4 + 6 + 3 blocks


def test_variants(tmp_path):
    target = tmp_path / "x.svg"
    run("lenet5", "-o", str(target), "--set", "classes=7", "--shapes", "--horizontal")
    assert "Linear 7" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet5",), "Missing option '-o'"),
        (("lenet5", "-o", "x.gif"), "a picture ends with .svg, .png, .pdf, not `x.gif`"),
        (("resnet18", "-o", "x.svg", "--open", "layer9"), "has no layer or block `layer9`; did you mean"),
        (("resnet18", "-o", "x.svg", "--open", "conv1"), "`conv1` is a layer"),
        (("resnet18", "-o", "x.svg", "--depth", "0"), "neither a number of at least 1 nor `all`"),
    ],
)
def test_mistakes(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
