"""``archscope plot`` end to end."""

from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from archscope.cli import main
from archscope.cli.plot import command


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["plot", *arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stages", "lenet5", "--depth", "all", "--batch", "2"), "LeNet-5, batch 2: where the cost sits"),
        (("layers", "lenet5", "--log"), "LeNet-5: layer by layer"),
        (("field", "lenet5"), "LeNet-5: what a unit sees"),
        (("memory", "lenet5", "--batch", "3", "--optimizer", "adam"), "LeNet-5, batch 3, float32, training with adam"),
        (("roofline", "lenet5", "--device", "t4", "--mode", "infer"), "LeNet-5: inference under the roof of NVIDIA T4"),
        (("bubbles", "resnet18", "vgg16"), "Accuracy, work and parameters"),
        (("totals", "lenet5", "alexnet"), "LeNet-5 is 1 x; batch 1"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_every_kind(arguments, words, tmp_path):
    target = tmp_path / "x.svg"
    assert run(*arguments, "-o", str(target)).output == ""
    text = target.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert words in text


def test_the_kinds_are_those_tested():
    kinds = {mark.args[1][i][0][0] for mark in test_every_kind.pytestmark for i in range(len(mark.args[1]))}
    assert kinds == set(command.commands)


def test_variants(tmp_path):
    target = tmp_path / "x.svg"
    run("totals", "vgg11", "vgg13", "--set", "classes=10", "-o", str(target))
    assert "128.8 M" in target.read_text(encoding="utf-8")  # 132,863,336 - 990 x 4,097


def test_bubbles_tell_what_is_not_drawn(tmp_path):
    target = str(tmp_path / "x.png")
    assert "no top-1 accuracy is recorded: U-Net" in run("bubbles", "unet", "resnet18", "-o", target).stderr
    assert run("bubbles", "unet", "resnet18", "-o", target, "-q").output == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stages", "lenet5", "alexnet", "-o", "x.svg"), "unexpected extra argument (alexnet)"),
        (("stages", "lenet5"), "Missing option '-o'"),
        (("stages", "lenet5", "-o", "x.gif"), "a picture ends with .svg, .png, .pdf, not `x.gif`"),
        (("stages", "lenet5", "-o", "no/x.svg"), "there is no folder no"),
        (("stage", "lenet5", "-o", "x.svg"), "there is no plot `stage`; did you mean `stages`?"),
        (("pie", "lenet5", "-o", "x.svg"), "one of stages, layers, field, memory, roofline, bubbles, totals"),
        (("totals", "lenet5", "-o", "x.svg"), "name at least two"),
        (("bubbles", "unet", "-o", "x.svg"), "a spec records one so"),
        (("roofline", "lenet5", "-o", "x.svg"), "add --device, such as --device h200"),
        (("roofline", "lenet5", "--device", "t4", "--dtype", "tf32", "-o", "x.svg"), "no peak of tf32 is known"),
        (("stages", "lenett5", "-o", "x.svg"), "did you mean `lenet5`"),
    ],
)
def test_mistakes(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
