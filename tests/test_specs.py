"""Every design of ``specs/``: it loads, says what was published, and its numbers change only on purpose.

``python -m tests.test_specs`` writes the figures of ``tests/golden/`` and the pages of ``reports/`` as they are now.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import archscope
from archscope.cli import main
from archscope.report import zoo
from archscope.report.results import catalogue
from archscope.spec.library import names, specs_folder
from archscope.spec.reader import ListNode, MapNode, Node, read, read_file
from archscope.spec.schema import schema
from archscope.spec.writer import to_yaml
from archscope.verify import verify
from tests.oracle import measure
from tests.pages import words

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"
#: the pages that a command line makes, and whose figures must be current; all but the one of VGG-16 are kept to be read
PAGES = {
    "reports/zoo.csv": ["list", "--csv", "reports/zoo.csv"],
    "reports/errata.md": ["verify", "specs/", "--errata", "reports/errata.md"],
    "reports/vgg16.html": ["analyze", "vgg16", "--device", "h200", "--html", "reports/vgg16.html"],
    "reports/resnet50.html": [
        "analyze", "resnet50", "--batch", "32", "--device", "h200", "--html", "reports/resnet50.html",
    ],
    "reports/winners.html": [
        "compare", "alexnet_two_tower", "zfnet", "vgg16", "googlenet", "resnet152", "--device", "h200",
        "--html", "reports/winners.html",
    ],
    "reports/resnet50_to_101.html": [
        "compare", "resnet50", "resnet101", "--diff", "--html", "reports/resnet50_to_101.html",
    ],
    "reports/unet_sweep.html": [
        "sweep", "specs/unet.yaml", "--vary", "levels=1:5", "--vary", "width=16:96:8", "--vary", "input=252:604:32",
        "--batch", "4", "--where", "training_bytes < 4 * 2**30", "--pareto", "params,macs,-receptive_field",
        "--sort", "macs", "-o", "reports/unet_sweep.html",
    ],
}  # fmt: skip
NAMES = names()
LIBRARIES = sorted((specs_folder() / "blocks").glob("*.yaml"))

#: torchvision at 224: parameters and GMACs as its documentation states them, MACs by torch's FlopCounterMode, halved
TORCHVISION = {
    "resnet18": (11689512, 1.814, 1814073344),
    "resnet34": (21797672, 3.664, 3663761408),
    "resnet50": (25557032, 4.089, 4089184256),
    "resnet101": (44549160, 7.801, 7801405440),
    "resnet152": (60192808, 11.514, 11513626624),
    "vgg11": (132863336, 7.609, 7609090048),
    "vgg13": (133047848, 11.308, 11308466176),
    "vgg16": (138357544, 15.47, 15470264320),
    "vgg19": (143667240, 19.632, 19632062464),
}


@cache
def account(name: str) -> archscope.Account:
    return archscope.analyze(archscope.load(name))


def said(one: archscope.Account) -> list[tuple[Any, ...]]:
    """All that an account says of its layers."""
    return [(row.name, row.kind, row.x, row.y, row.cost, row.shares, row.frozen) for row in one.rows]


def plain(node: Node) -> Any:
    """A node of the reader as JSON has it."""
    if isinstance(node, MapNode):
        return {key: plain(value) for key, value in node.entries.items()}
    return [plain(item) for item in node.items] if isinstance(node, ListNode) else node.value


def test_there_are_designs() -> None:
    assert set(TORCHVISION) | {"alexnet", "alexnet_two_tower", "lenet5", "mobilenet_v1", "vgg11_lrn"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_design_says_what_was_published(name: str) -> None:
    result = verify(archscope.load(name))
    assert result.verdicts
    assert [verdict for verdict in result.verdicts if not verdict.ok] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_design_has_a_name_and_a_source_and_no_warnings(name: str) -> None:
    design = archscope.load(name)
    assert design.name
    assert design.source
    assert design.warnings == ()


@pytest.mark.parametrize(
    "path", [*(specs_folder() / f"{name}.yaml" for name in NAMES), *LIBRARIES], ids=lambda p: p.stem
)
def test_a_spec_keeps_to_the_schema(path: Path) -> None:
    errors = Draft202012Validator(schema()).iter_errors(plain(read(read_file(path))))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_schema_is_one_and_refuses() -> None:
    Draft202012Validator.check_schema(schema())
    assert list(Draft202012Validator(schema()).iter_errors({"layers": [{"Conv2d": {"kernel": 3}}]}))


#: a second each and more; smaller ones of the same families are taken in every run
DEEP = {
    "densenet161", "densenet169", "densenet201", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5",
    "efficientnet_b6", "efficientnet_b7", "inception_resnet_v2", "inception_v3_keras", "nasnet_large",
    "nasnet_mobile", "resnet101", "resnet101_keras", "resnet101_paper", "resnet101v2", "resnet152",
    "resnet152_keras", "resnet152_paper", "resnet152v2", "slim_resnet_v1_152",
}  # fmt: skip
#: built in the default run
A_FAMILY_EACH = {
    "alexnet", "alexnet_two_tower", "c3d", "dcgan_generator", "densenet121", "dogs_vs_cats_cnn", "fashion_mnist_mlp",
    "googlenet_aux", "lenet5", "mobilenet_v1", "mobilenet_v3_small", "resnet18", "resnet50v2", "shufflenet_v1",
    "squeezenet1_0", "tcn", "text_cnn", "unet", "vgg11_bn", "vit_b_16", "wavenet_stack",
}  # fmt: skip
QUICK = [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in NAMES]


@pytest.mark.parametrize("name", QUICK)
def test_an_expanded_design_is_a_spec_with_the_same_account(name: str) -> None:
    again = archscope.analyze(archscope.load(to_yaml(archscope.load(name))))
    one = account(name)
    assert said(again) == said(one)
    assert again.total == one.total
    assert (again.depth, again.output_shape) == (one.depth, one.output_shape)


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_and_macs_are_torchvisions(name: str) -> None:
    params, gmacs, macs = TORCHVISION[name]
    total = account(name).total
    assert total.params == params
    assert total.macs == macs
    assert round(total.macs / 1e9, 3) == gmacs


def made(page: str, folder: Path) -> str:
    """A page as the program makes it now, in a folder that is the working directory."""
    (folder / "specs").symlink_to(ROOT / "specs")
    (folder / "reports").mkdir()
    assert CliRunner().invoke(main, PAGES[page], catch_exceptions=False).exit_code == 0
    return (folder / page).read_text(encoding="utf-8")


def golden(page: str) -> Path:
    """Where the figures of a page are kept: of HTML what it says, other pages as they are."""
    return GOLDEN / f"{Path(page).stem}.txt" if page.endswith(".html") else ROOT / page


def figures(page: str, text: str) -> str:
    """What a page says, but for how long it took."""
    return re.sub(r"^time .* a second\n", "", words(text), flags=re.MULTILINE) if page.endswith(".html") else text


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page.endswith("errata.md") else []) for page in PAGES],
)
def test_figures_of_pages_are_current(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So no total changes unannounced; that it is right is proved against torch and what was published."""
    monkeypatch.chdir(tmp_path)
    kept = golden(page).read_text(encoding="utf-8")
    assert figures(page, made(page, tmp_path)) == kept, "if that is meant: python -m tests.test_specs"


@pytest.mark.parametrize("page", sorted((ROOT / "reports").glob("*.html")), ids=lambda page: page.stem)
def test_pages_that_are_kept_say_the_same(page: Path) -> None:
    name = f"reports/{page.name}"
    assert figures(name, page.read_text(encoding="utf-8")) == golden(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_figures_are_current(name: str) -> None:
    """Those that ``archscope list`` shows, of every design, and of the specs as they are."""
    kept = {one["name"]: one for one in zoo.table() or ()}
    assert kept.keys() == set(NAMES), "if that is meant: python -m tests.test_specs"
    assert kept[name] == catalogue.entry(name, account(name)), "if that is meant: python -m tests.test_specs"


def test_errata_list_what_lecture_notes_get_wrong() -> None:
    """Every wrong figure of the notes in specs/SOURCES.md, with the true one and its arithmetic."""
    page = (ROOT / "reports" / "errata.md").read_text(encoding="utf-8")
    for stated, true in (
        ("about 57 M", "37,752,832 (fc1) + 16,781,312 (fc2) + 4,097,000 (fc3) = 58,631,144"),
        ("253,440", "1 x 96 x 55 x 55 = 290,400"),
        ("0.63 M units", "659,272"),
        ("48.6 MB", "51.6797"),
        ("4 or 5 million", "6,998,552"),
        ("stride 2, which would give 4x4", "1024 x 7 x 7"),
        ("52,952", "53,952"),
    ):
        assert f"published as {stated}" in page
        assert true in page


LECTURES = re.compile(r"Franzke|Balasubramanian|CSCE 421|[Cc]ourse \d|\bSun\b")


@pytest.mark.parametrize("path", sorted(specs_folder().glob("*.yaml")), ids=lambda path: path.stem)
def test_lecture_notes_are_quoted_by_a_name_that_a_list_explains(path: Path) -> None:
    """Who, what, where and when; a number of ours says nothing to a reader."""
    listed = re.findall(r"^\| (.+?) \|", (specs_folder() / "SOURCES.md").read_text(encoding="utf-8"), re.MULTILINE)[2:]
    assert len(listed) == 5
    text = path.read_text(encoding="utf-8")
    for name in listed:
        text = text.replace(name, "")
    assert [line for line in text.splitlines() if LECTURES.search(line) and "lecture slides" not in line] == []


# -- against torch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in A_FAMILY_EACH else [pytest.mark.slow]) for name in NAMES]
)
def test_a_design_is_what_torch_builds(name: str) -> None:
    """Every layer's shapes, parameters and buffers, and the multiply-accumulates by torch's counter."""
    design, one = archscope.load(name), account(name)
    measured = measure(design)
    assert [[tensor.shape for tensor in row.y] for row in one.rows] == [measured.shapes[row.name] for row in one.rows]
    assert (
        sum(prod(shape) for tensors in measured.parameters.values() for shape in tensors.values()) == one.total.params
    )
    assert sum(prod(shape) for tensors in measured.buffers.values() for shape in tensors.values()) == one.total.buffers
    assert measured.macs == one.total.macs


def elements(tensors: dict[str, dict[str, tuple[int, ...]]]) -> int:
    return sum(prod(shape) for own in tensors.values() for shape in own.values())


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "depths", "convolutions"),
    [
        ("resnet18", (2, 2, 2, 2), 2),
        ("resnet34", (3, 4, 6, 3), 2),
        ("resnet50", (3, 4, 6, 3), 3),
        ("resnet101", (3, 4, 23, 3), 3),
        ("resnet152", (3, 8, 36, 3), 3),
    ],
)
def test_layers_of_resnets_are_called_as_in_torchvisions_state_dict(
    name: str, depths: tuple[int, ...], convolutions: int
) -> None:
    expected = ["conv1", "bn1"]
    for stage, count in enumerate(depths, start=1):
        for unit in range(count):
            prefix = f"layer{stage}.{unit}"
            expected += [f"{prefix}.{kind}{i + 1}" for i in range(convolutions) for kind in ("conv", "bn")]
            if unit == 0 and (stage > 1 or convolutions == 3):
                expected += [f"{prefix}.downsample.0", f"{prefix}.downsample.1"]
    assert [row.name for row in account(name).rows if row.params] == [*expected, "fc"]


# -- variants by --set -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "changes", "same"),
    [
        ("resnet50", {"depths": [3, 4, 23, 3]}, "resnet101"),
        ("resnet50", {"depths": "[3, 8, 36, 3]"}, "resnet152"),
        ("resnet50", {"unit": "basic"}, "resnet34"),
        ("vgg16", {"weight_layers": 19}, "vgg19"),
        ("vgg19", {"weight_layers": 11, "lrn_after_conv1": True}, "vgg11_lrn"),
        ("alexnet", {"towers": 2}, "alexnet_two_tower"),
    ],
)
def test_a_variable_makes_one_design_of_another(base: str, changes: dict[str, Any], same: str) -> None:
    assert said(archscope.analyze(archscope.load(base, set=changes))) == said(account(same))


@pytest.mark.parametrize(("name", "features"), [("alexnet", 4096), ("vgg16", 4096), ("resnet50", 2048), ("lenet5", 84)])
def test_classes_change_the_last_layer_alone(name: str, features: int) -> None:
    ten, eleven = (archscope.analyze(archscope.load(name, set={"classes": n})) for n in (10, 11))
    assert eleven.total.params - ten.total.params == features + 1
    assert eleven.output_shape == (11,)


@pytest.mark.parametrize(
    ("alpha", "million_macs", "million_params"), [(1, 569, 4.2), (0.75, 325, 2.6), (0.5, 149, 1.3), (0.25, 41, 0.5)]
)
def test_width_multipliers_of_mobilenet(alpha: float, million_macs: int, million_params: float) -> None:
    """Howard et al., Table 6."""
    total = archscope.analyze(archscope.load("mobilenet_v1", set={"alpha": alpha})).total
    assert round(total.macs / 1e6) == million_macs
    assert round(total.params / 1e6, 1) == million_params


def test_lenet_on_padded_digits_is_the_same_net() -> None:
    padded = archscope.analyze(archscope.load("lenet5", set={"padding": 0}, input=(1, 32, 32)))
    assert [row.y for row in padded.rows] == [row.y for row in account("lenet5").rows]
    assert (padded.total.params, padded.total.macs) == (61706, account("lenet5").total.macs)


def test_expanded_designs_hold_no_variables() -> None:
    assert "vars" not in yaml.safe_load(to_yaml(archscope.load("vgg16")))


def update() -> None:
    """Write what is kept as it is now."""
    zoo.keep()
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            text = made(page, Path(folder))
            os.chdir(ROOT)
            golden(page).write_text(figures(page, text), encoding="utf-8")
            if (ROOT / page).exists():
                shutil.copy(Path(folder) / page, ROOT / page)


if __name__ == "__main__":
    update()
