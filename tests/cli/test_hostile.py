"""Inputs that once ended in a traceback: each is a mistake told in words, or an answer."""

import json
import tracemalloc

import pytest
from click.testing import CliRunner

from archscope.cli import main
from archscope.report.schema import dumped

HEAD = "input: [3, 8, 8]\n"
RELU = f"{HEAD}layers: [{{ReLU: , name: a}}]\n"
SWEPT = f"{RELU}sweep: {{vary: {{batch: '1:3'}}, "
SUMMED = "input: [3]\nlayers: [{Sum: {dim: [0, 1]}}, "
MANY = "9" * 5000

MISTAKES = {
    "a shape is no number": (
        f"{RELU}expect: {{output_shape: 5}}\n",
        ("verify",),
        "3:10: error: `output_shape` is a shape",
    ),
    "a number is no shape": (
        f"{RELU}expect: {{params: [1, 2, 3]}}\n",
        ("verify",),
        "3:10: error: `params` is a number",
    ),
    "of a page": (
        f"{RELU}expect: {{params: [1, 2]}}\n",
        ("analyze", "--html", "-"),
        "`params` is a number, not a shape",
    ),
    "a shape has no limit": (f"{RELU}budget: {{output_shape: <= 5}}\n", ("verify",), "is a shape, and has no limit"),
    "a branch takes the name of its merge": (
        f"{HEAD}layers: [{{Add: [[{{ReLU: , name: a}}], []], name: a}}]\n",
        ("analyze",),
        "2:11: error: two parts of the design are called `a`",
    ),
    "a name behind no dimensions": (
        f"{SUMMED}{{ReLU: , name: 'h{{in_channels}}'}}]\n",
        ("analyze",),
        "`in_channels` has no value: what arrives has no dimensions",
    ),
    "a size behind no dimensions": (
        f"{SUMMED}{{Linear: in_features}}]\n",
        ("analyze",),
        "`in_features` has no value",
    ),
    "times of a CPU in the sweep of a spec": (
        f"{SWEPT}device: cpu, where: infer_seconds < 1}}\n",
        ("sweep",),
        "no peaks are published of",
    ),
    "an infinite top": (f"{SWEPT}top: .inf}}\n", ("sweep",), "3:36: error: expected a whole number of at least 1"),
    "an infinite sample": (f"{SWEPT}sample: .inf}}\n", ("sweep",), "3:39: error: expected a whole number"),
    "an infinite seed": (f"{SWEPT}sample: {{count: 1, seed: .inf}}}}\n", ("sweep",), "expected a whole number"),
    "a mistake of a sweep": (
        f"{RELU}sweep: {{vary: {{input: -.inf}}}}\n",
        ("sweep",),
        "3:23: error: ",
    ),
    "a place of many digits": (
        f"input: [3]\nlayers: [{{ReLU: , name: a}}, {{Tanh: , from: 'a[{MANY}]'}}]\n",
        ("analyze",),
        "error: expected the name of an earlier layer",
    ),
    "a given place of many digits": (
        f"input: [3]\nblocks: {{f: [{{ReLU: , from: 'input[{MANY}]'}}]}}\nlayers: [f]\n",
        ("analyze",),
        "expected the name of an earlier layer",
    ),
    "an output of many digits": (
        f"{RELU}outputs: ['a[{MANY}]']\n",
        ("analyze",),
        "expected the name of an earlier layer",
    ),
    "a depth of many digits": (RELU, ("analyze", "--depth", MANY), "is neither a number of at least 1 nor `all`"),
    "a depth in superscript": (RELU, ("analyze", "--depth", "²"), "is neither a number of at least 1 nor `all`"),
    "a baseline in superscript": (RELU, ("compare", "--baseline", "²"), "²"),
    "a baseline of many digits": (RELU, ("compare", "--baseline", MANY), "999"),
    "a limit of many digits": (RELU, ("memory", "--limit", f"{MANY}GiB"), "is no size"),
    "a long name of an output": (RELU, ("analyze", "--csv", "x" * 300), "cannot be written: File name too long"),
    "a long name of a picture": (RELU, ("graph", "-o", "x" * 300 + ".svg"), "cannot be written: File name too long"),
    "NUL in the name of an output": (
        RELU,
        ("expand", "-o", "a\0b"),
        " cannot be written: embedded null character\n",
    ),
    "a number that ends in an underscore": (
        "input: [3]\nvars: {n: 1}\nlayers: [{Linear: n}]\n",
        ("analyze", "--set", "n=1_"),
        "set:1:4: error: not an expression",
    ),
    "a varied number with two underscores": (
        "input: [3]\nvars: {n: 1}\nlayers: [{Linear: n}]\n",
        ("sweep", "--vary", "n=1__0"),
        "`1__0` is no value",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_a_mistake_in_words(name, tmp_path, monkeypatch):
    text, (command, *options), words = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHSCOPE_TRACEBACK", "1")
    (tmp_path / "x.yaml").write_text(text)
    result = CliRunner().invoke(main, [command, "x.yaml", *options])
    assert result.exit_code == 2, result.exception or result.output
    assert words in result.stderr


def test_infinity_in_json_is_written_as_specs_write_it(tmp_path):
    """JSON has none (RFC 8259, section 6); a strict reader takes what is written."""
    (tmp_path / "x.yaml").write_text(f"{HEAD}layers: [{{Clamp: {{max: .inf, min: -.inf}}}}]\n")
    result = CliRunner().invoke(main, ["export", str(tmp_path / "x.yaml"), "--to", "json"])

    def refuse(word):
        raise AssertionError(word)

    found = json.loads(result.stdout, parse_constant=refuse)
    (layer,) = (node for node in found["nodes"] if node["kind"] == "layer")
    assert (layer["arguments"]["max"], layer["arguments"]["min"]) == (".inf", "-.inf")


def test_limits_of_fields_hold_for_every_axis(tmp_path):
    """A 3x3 convolution sees 3 places of each axis."""
    conv = f"{HEAD}layers: [{{Conv2d: {{out_channels: 1, kernel_size: 3}}}}]\nbudget: {{receptive_field: <= "
    for limit, code in ((3, 0), (2, 1)):
        (tmp_path / "x.yaml").write_text(f"{conv}{limit}}}\n")
        assert CliRunner().invoke(main, ["verify", str(tmp_path / "x.yaml")]).exit_code == code


def test_a_home_folder_that_may_not_be_entered(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("no folder")  # root may enter all others
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    assert CliRunner().invoke(main, ["predict", "lenet5", "--device", "t4"]).exit_code == 0


@pytest.mark.parametrize("options", [(), ("--html", "-")])
def test_one_number_is_expected_of_a_field_along_all_axes(options, tmp_path):
    """A 3x3 convolution sees 3 x 3 places, not 4."""
    (tmp_path / "x.yaml").write_text(
        f"{HEAD}layers: [{{Conv2d: {{out_channels: 1, kernel_size: 3}}}}]\nexpect: {{receptive_field: 4}}\n"
    )
    result = CliRunner().invoke(main, ["analyze" if options else "verify", str(tmp_path / "x.yaml"), *options])
    assert result.exit_code == (0 if options else 1), result.exception
    assert "3 x 3" in result.stdout


@pytest.mark.parametrize(
    "line",
    ["verify {}", "analyze {}", "compare {} lenet5", "import {}.onnx", "predict lenet5 --device cpu --calibration {}"],
)
def test_the_name_of_an_input_is_too_long_for_a_file(line, monkeypatch):
    """A file system takes 255 bytes (NAME_MAX)."""
    monkeypatch.setenv("ARCHSCOPE_TRACEBACK", "1")
    result = CliRunner().invoke(main, line.format("a" * 300).split())
    assert result.exit_code == 2, result.exception
    assert "a" * 300 in result.stderr


@pytest.mark.parametrize(
    "line", [["reconcile", "lenet5", "a\r\x1b[31m"], ["--\r\x1b[31m"], ["\r\x1b[31m"], ["memory", "--\r\x1b[31m"]]
)
def test_what_click_quotes_moves_no_cursor(line):
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 2
    assert not {"\r", "\x1b"} & set(result.output)


def test_what_a_message_quotes_moves_no_cursor():
    result = CliRunner().invoke(main, ["analyze", "lenet5", "--sort", "a\rb"])
    assert result.exit_code == 2
    assert "a\ufffdb" in result.stderr


@pytest.mark.parametrize("target", ["", "nowhere/x", "."])
@pytest.mark.parametrize("option", ["--csv", "--json", "--markdown", "--html"])
def test_where_nothing_can_be_written_is_told_before_the_work(option, target, monkeypatch):
    monkeypatch.setattr("archscope.cli.options.load", lambda *_, **__: pytest.fail("the design was read"))
    result = CliRunner().invoke(main, ["memory", "resnet50", "--device", "t4", option, target])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr or "needs a name" in result.stderr


@pytest.mark.parametrize("form", [["--diff"], ["--html", "-"]])
def test_a_difference_of_too_many_layers_is_told_before_the_work(form, tmp_path, monkeypatch):
    monkeypatch.setattr("archscope.cli.compare.compare", lambda *_, **__: pytest.fail("they were compared"))
    (tmp_path / "x.yaml").write_text(f"{HEAD}layers: [{{repeat: 5001, layers: [ReLU]}}]")
    result = CliRunner().invoke(main, ["compare", str(tmp_path / "x.yaml"), "lenet5", *form])
    assert result.exit_code == 2
    assert "at most 5,000 layers, and design has 5,001" in result.stderr


def test_a_page_of_too_many_layers_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("archscope.cli.analyze.analyze", lambda *_, **__: pytest.fail("it was worked out"))
    (tmp_path / "x.yaml").write_text(f"{HEAD}layers: [{{repeat: 5001, layers: [ReLU]}}]")
    result = CliRunner().invoke(main, ["analyze", str(tmp_path / "x.yaml"), "--html", "-"])
    assert result.exit_code == 2
    assert "at most 5,000 layers, and design has 5,001" in result.stderr


def test_a_line_as_long_as_memory_read_by_few_values(tmp_path):
    """What 2^31 units see of 5 places is alike, and is not told one by one (8 GiB)."""
    inputs = "{x: {shape: [3, 5], dtype: bool}, at: {shape: [3, 2147483648], dtype: int64}}"
    (tmp_path / "x.yaml").write_text(f"inputs: {inputs}\nlayers: [{{Gather: {{dim: -1}}, from: [x, at]}}]")
    result = CliRunner().invoke(main, ["analyze", str(tmp_path / "x.yaml"), "--csv", "-"])
    assert result.exit_code == 0, result.exception


def test_large_json_is_written_in_pieces():
    """Each of a million numbers is a piece of an indented list."""
    content = {"a": [0.5, None, "x\n"] * 100_000}
    tracemalloc.start()
    text = dumped(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text == json.dumps(content, indent=2) + "\n"
    assert peak < 4 * len(text)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("[{Pad: {pad: [0, 0, 1099511627776, 1]}}]", "batch"),  # 2^40 samples more: 8 TiB of places
        ("[{Select: {dim: 0, index: 0}}, {Linear: 3, dtype: bfloat16}]", "Linear works on the last dimension"),
    ],
)
def test_the_batch_is_changed(layers, words, tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSCOPE_TRACEBACK", "1")
    (tmp_path / "x.yaml").write_text(f"input: [1]\nlayers: {layers}")
    result = CliRunner().invoke(main, ["analyze", str(tmp_path / "x.yaml")])
    assert result.exit_code in (0, 2), result.exception
    assert words in result.output


def test_what_a_step_refuses_has_a_place(tmp_path):
    """torch refuses the backward pass: its version counter says that the input of the block was overwritten."""
    layers = "[{Linear: 2}, {layers: [{ReLU: {inplace: true}}], checkpoint: true}]"
    (tmp_path / "x.yaml").write_text(f"input: [3]\nlayers: {layers}")
    result = CliRunner().invoke(main, ["memory", str(tmp_path / "x.yaml")])
    assert result.exit_code == 2
    assert "x.yaml:2:34: error: ReLU overwrites what a block under `checkpoint` reads" in result.stderr
