"""What a fresh process imports: the static side is quick because it loads little."""

import ast
import subprocess
import sys

import pytest

from archscope.cli.main import LazyGroup

HEAVY = ("torch", "fvcore", "pandas", "matplotlib", "numpy", "scipy", "rich")
SPEC = "input: [3, 8, 8]\nlayers:\n  - Conv2d: {out_channels: 4, kernel_size: 3}\n  - Flatten\n  - Linear: 10\n"


def imported(code: str, text: str = "") -> set[str]:
    """Top-level names of the modules that a fresh interpreter has loaded after running some code."""
    code += "\nimport sys; print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


def command(*arguments: str) -> str:
    return f"from archscope.cli import main; main({list(arguments)!r}, standalone_mode=False)"


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "-"),
        ("analyze", "-", "--json", "-"),
        ("compare", "-", "--device", "h200"),
        ("compare", "-", "lenet5", "--diff", "--stages"),
        ("explain", "-"),
        ("verify", "-"),
        ("reconcile", "-", "--no-run"),
        ("expand", "-"),
        ("ops",),
        ("schema",),
        ("predict", "-", "--device", "h200"),
    ],
    ids=" ".join,
)
def test_commands_load_nothing_heavy(arguments):
    assert not imported(command(*arguments), SPEC) & set(HEAVY)


def test_a_schema_imports_the_command_that_it_is_of_and_no_other():
    code = (
        command("schema", "memory") + "\nimport sys; print([n for n in sys.modules if n.startswith('archscope.cli.')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.rpartition(".")[2] for name in ast.literal_eval(result.stdout.splitlines()[-1])}
    assert "memory" in names
    assert not names & {module for module, _ in LazyGroup.COMMANDS.values()} - {"schema", "memory"}


def test_a_graph_loads_no_other_heavy_library(tmp_path):
    names = imported(command("graph", "-", "-o", str(tmp_path / "x.svg")), SPEC)
    assert "pygraphviz" in names
    assert not names & set(HEAVY)


def test_the_library_loads_nothing_heavy():
    code = f"import archscope; archscope.explain(archscope.analyze(archscope.load({SPEC!r})).design)"
    assert not imported(code) & set(HEAVY)


def test_a_notebook_loads_nothing_heavy():
    code = f"import archscope; archscope.load({SPEC!r})._repr_html_()"
    assert not imported(code) & {*HEAVY, "jinja2"}


def test_the_library_draws_nothing_unasked():
    code = "import archscope, sys; print(*(name for name in sys.modules if name.startswith('archscope.report.')))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "\n"


def test_analyze_loads_only_what_it_needs():
    third_party = imported(command("analyze", "-"), SPEC) - set(sys.stdlib_module_names) - {"__main__"}
    third_party = {
        name for name in third_party if not name.startswith(("_", "sitecustomize", "distutils", "cython_runtime"))
    }
    assert third_party <= {"archscope", "click", "networkx", "yaml", "tabulate", "wcwidth"}


def test_the_frame_loads_pandas_only_when_asked():
    code = f"import archscope; account = archscope.analyze(archscope.load({SPEC!r})); account.frame"
    names = imported(code)
    assert "pandas" in names
    assert not names & {"torch", "matplotlib"}


def test_this_test_can_fail():
    assert "numpy" in imported("import numpy")


@pytest.mark.slow
def test_every_public_name_can_be_asked_for_twice():
    """A module of a public name would stand in its place once it is imported."""
    code = (
        "import archscope, archscope.cli.compare, archscope.report.page, archscope.verify\n"
        "for name in archscope.__all__ * 2: assert type(getattr(archscope, name)).__name__ != 'module', name"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
