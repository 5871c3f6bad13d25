"""Models by name, and what is said where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from archscope.backends.torch.imports import targets
from archscope.backends.torch.imports.targets import Example, arguments, resolve
from archscope.errors import UsageError

MODELS = str(Path(__file__).parents[3] / "data" / "models.py")


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    """What a target puts on the path, and imports, is gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) == MODELS or name.startswith("zoo"):
            del sys.modules[name]


def refused(target, *examples, **options):
    with pytest.raises(UsageError) as caught:
        resolve(target, examples or [Example("", (6,))], **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A package in the current folder."""
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text("")
    (tmp_path / "zoo" / "parts.py").write_text("from torch import nn\nLayer = nn.Linear\n")
    (tmp_path / "zoo" / "nets.py").write_text(
        "from .parts import Layer\nclass Factory:\n    @staticmethod\n    def small(width=4):\n"
        "        return Layer(3, width)\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- what is found -----------------------------------------------------------------------------------------------------


def test_a_class_of_a_file_is_built_with_arguments():
    target = resolve(f"{MODELS}:Net", [Example("", (3, 16, 16))], kwargs={"width": 4, "classes": 7})
    assert {name: tuple(p.shape) for name, p in target.module.named_parameters()}["head.weight"] == (7, 4)
    assert target.args[0].shape == (2, 3, 16, 16)
    assert target.name == "Net"
    assert target.notes == ()


def test_a_module_of_the_current_folder_by_a_dotted_name(zoo):
    target = resolve("zoo.nets:Factory.small", [Example("", (3,))], kwargs={"width": 5}, name="mine")
    assert target.module.weight.shape == (5, 3)
    assert target.name == "mine"


def test_a_module_that_is_there_is_taken():
    assert resolve(f"{MODELS}:ready", [Example("", (6,))]).module.shared.weight.shape == (6, 6)


def test_no_model_takes_memory(tmp_path):
    """A matrix of 4 TB."""
    (tmp_path / "huge.py").write_text("from torch import nn\ndef net():\n    return nn.Linear(10**6, 10**6)\n")
    target = resolve(f"{tmp_path / 'huge.py'}:net", [Example("", (10**6,))])
    assert target.module.weight.numel() == 10**12
    assert target.module(target.args[0]).shape == (2, 10**6)


@pytest.mark.parametrize("most", [2**28, 0])
def test_what_needs_numbers_is_built_with_them(monkeypatch, most):
    monkeypatch.setattr(targets, "MOST_VALUES", most)
    target = resolve(f"{MODELS}:from_numpy", [Example("", (3,))])
    assert target.notes == ()
    assert float(target.original.scale) == pytest.approx(float(target.original.weight.detach().sum()))


def test_parameters_beyond_the_limit_take_no_memory_and_buffers_keep_their_values(monkeypatch):
    monkeypatch.setattr(targets, "MOST_VALUES", 12 * 12 * 4)
    original = resolve(f"{MODELS}:Stated", [Example("", (12,))]).original
    assert [one.is_meta for one in original.parameters()] == [False, True, True]  # 12 x 12, then 12, then 12 x 12
    assert original.steps.tolist() == [*range(1, 13)]


def test_what_is_shared_stays_shared_beyond_the_limit(monkeypatch, tmp_path):
    """By a parameter that was made before its modules, and by one that is taken from another module."""
    monkeypatch.setattr(targets, "MOST_VALUES", 0)
    (tmp_path / "shares.py").write_text(
        "import torch\nfrom torch import nn\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        own = nn.Parameter(torch.rand(3, 3))\n        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)\n"
        "        self.a.weight, self.b.weight, self.b.bias = own, own, self.a.bias\n"
        "    def forward(self, x):\n        return self.b(self.a(x))\n"
    )
    original = resolve(f"{tmp_path / 'shares.py'}:Net", [Example("", (3,))]).original
    assert original.a.weight is original.b.weight
    assert original.a.bias is original.b.bias
    assert sum(one.numel() for one in original.parameters()) == 3 * 3 + 3
    assert all(one.is_meta for one in original.parameters())


def test_building_leaves_the_generator_as_it_was():
    first = resolve(f"{MODELS}:Stated", [Example("", (12,))]).original
    state = torch.get_rng_state()
    again = resolve(f"{MODELS}:Stated", [Example("", (12,))]).original
    assert torch.equal(first.fc.weight, again.fc.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_it_prints_goes_to_standard_error(capsys):
    resolve(f"{MODELS}:loud", [Example("", (4,))], kwargs={"width": 4})
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "building 4" in printed.err


def test_inputs_by_place_and_by_name_with_types():
    target = resolve(f"{MODELS}:Several", [Example("", (4,), "int64"), Example("scale", (6,))])
    assert [(t.shape, t.dtype) for t in target.args] == [((2, 4), torch.int64)]
    assert {name: tuple(t.shape) for name, t in target.kwargs.items()} == {"scale": (2, 6)}


def test_a_saved_program_brings_its_inputs(tmp_path):
    program = torch.export.export(nn.Linear(3, 4), (torch.rand(5, 3),))
    torch.export.save(program, tmp_path / "saved.pt2")
    target = resolve(str(tmp_path / "saved.pt2"))
    assert target.module is None
    assert target.name == "saved"
    assert functional.linear(target.args[0], torch.zeros(4, 3)).shape == (5, 4)


# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("resnet50", "`resnet50` names no model: a target is module:callable, file.py:Class, or a file that ends with"),
        ("model.py", "names no model"),
        (f"{MODELS}:Nett", "has no `Nett`; did you mean `Net`?"),
        (f"{MODELS.removesuffix('s.py')}.py:Net", "there is no file"),
        ("torch.nnn:Linear", "there is no module `torch.nnn`; did you mean `torch.nn`?"),
        ("torchh:Linear", "there is no module `torchh`; did you mean `torch`?"),
        ("torch:float32", "torch:float32 is a dtype, not a class, a function or a module"),
        (f"{MODELS}:pair", "gives a tuple of 2, not an nn.Module; write a function that returns the model alone"),
        ("torch:manual_seed", "needs seed: give them as JSON, as in --kwargs '{\"seed\": 10}'"),
        ("torch.nn:Linear", "torch.nn:Linear needs in_features, out_features: give them as JSON, as in --kwargs"),
        ("gone.pt2", "there is no file gone.pt2"),
    ],
)
def test_what_cannot_be_found_or_built_is_named(target, says):
    assert says in refused(target)


def test_arguments_that_a_callable_does_not_take():
    assert "has no argument `widht`; did you mean `width`?" in refused(f"{MODELS}:Net", kwargs={"widht": 3})
    assert "is a module that is built already" in refused(f"{MODELS}:ready", kwargs={"a": 1})


def test_an_exception_of_the_author_is_one_line_with_its_place():
    line = next(number for number, text in enumerate(Path(MODELS).read_text().splitlines(), 1) if "is wrong" in text)
    said = refused(f"{MODELS}:broken")
    assert said.endswith(f"building {MODELS}:broken: ValueError: the width is wrong ({MODELS}:{line})")


def test_code_that_ends_the_program():
    assert "the code ends the program (exit 3)" in refused(f"{MODELS}:quits")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_at_all\n", "ModuleNotFoundError: No module named 'nowhere_at_all' ("),
        ("def net(:\n", "SyntaxError: "),
        ("from .other import x\n", "ImportError: attempted relative import"),
    ],
)
def test_a_file_that_cannot_be_imported(text, says, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(text)
    said = refused(f"{path}:net")
    assert f"importing {path}: {says}" in said
    assert f"{path}:1" in said


def test_a_file_that_is_no_program(tmp_path, capfd):
    path = tmp_path / "odd.pt2"
    path.write_bytes(b"nothing")
    assert f"{path} is no saved torch.export program: " in refused(str(path))
    assert capfd.readouterr().err == ""
    for name in ("pipe.pt2", "pipe.py"):
        os.mkfifo(tmp_path / name)
        assert (
            refused(str(tmp_path / name) + ":net" * name.endswith("py")) == f"{tmp_path / name} is a pipe, not a file"
        )


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        ([], "give the inputs: --input 3x224x224"),
        ([Example("", (6,)), Example("", (6,)), Example("", (6,))], "too many positional arguments"),
        ([Example("idz", (4,), "int64")], "missing a required argument: 'ids'; did you mean `ids`?"),
        ([Example("scale", (6,))], "missing a required argument: 'ids'"),
    ],
)
def test_inputs_that_the_model_does_not_take(examples, says):
    with pytest.raises(UsageError) as caught:
        resolve(f"{MODELS}:Several", examples)
    assert says in str(caught.value)
    assert str(caught.value).endswith("the model is called as Several.forward(ids, image=None, *, scale=None)")


@pytest.mark.parametrize(
    ("text", "says"), [("{width: 3}", "--kwargs is not JSON: "), ("[3]", "--kwargs is a JSON object such as ")]
)
def test_arguments_that_are_no_json_object(text, says):
    with pytest.raises(UsageError, match=says):
        arguments(text)
    assert arguments('{"width": 3}') == {"width": 3}
