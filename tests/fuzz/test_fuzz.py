"""The fuzzer on an everyday run: some hundred inputs, always the same; and that it sees what it looks for."""

from dataclasses import replace

import pytest

from tests.fuzz.inputs import CANARY, Input, generate
from tests.fuzz.judge import judge
from tests.fuzz.runner import Runner
from tests.fuzz.shrink import shrunk

HEAD = "input: [3, 8, 8]\n"


@pytest.fixture(scope="module")
def runner():
    with Runner() as one:
        yield one


@pytest.mark.needs("torch")
@pytest.mark.parametrize("part", range(4))
def test_hostile_inputs(runner, part):
    """Times and memory are for the long run by hand: other tests run beside this one."""
    for number in range(part * 40, part * 40 + 40):
        given = generate(2026, number)
        outcome = runner.run(given)
        assert outcome.fine or outcome.kind.startswith("over 1 s"), (outcome, given)


def test_the_same_seed_draws_the_same():
    assert [generate(1, n) for n in range(50)] == [generate(1, n) for n in range(50)]
    assert len({generate(1, n) for n in range(50)}) == 50


def spec(text, *command):
    return Input("case", (("spec.yaml", text),), (command[0], "spec.yaml", *command[1:]))


ANALYZE = spec(f"{HEAD}layers: [ReLU]\n", "analyze")
SOURCE = spec(f"{HEAD}layers: [ReLU]\n", "export", "--to", "torch")


@pytest.mark.parametrize(
    ("given", "code", "out", "err", "kind"),
    [
        (ANALYZE, 0, "a table", "", "answered"),
        (ANALYZE, 3, "", "error: archscope failed", "exit code 3"),
        (ANALYZE, 2, "", "", "a refusal without a word"),
        (ANALYZE, 2, "", "error: it is wrong", "a refusal without a position: error: it is wrong"),
        (ANALYZE, 2, "", "spec.yaml:1:2: error: it is wrong", "refused"),
        (ANALYZE, 0, "a \x1b[31m name", "", "raw U+001B in analyze "),
        (ANALYZE, 0, "a \u202e name", "", "raw U+202E in analyze "),
        (ANALYZE, 0, f"<!doctype html><p><{CANARY}>", "", f"markup of a text came into a page: <{CANARY}>"),
        (ANALYZE, 0, f"<!doctype html><p on{CANARY}=1>", "", "markup of a text came into a page: <p>"),
        (ANALYZE, 0, f"<!doctype html><script>{CANARY}()</script>", "", "code of a text came into a script"),
        (ANALYZE, 0, f"<!doctype html><p>&lt;{CANARY}&gt;</p>", "", "answered"),
        (SOURCE, 0, f'"""{CANARY}()"""\nimport torch\n', "", "answered"),
        (SOURCE, 0, f"{CANARY}()\n", "", f"exported source calls {CANARY}"),
        (SOURCE, 0, "import os\n", "", "exported source imports ['os']"),
        (SOURCE, 0, "def (:\n", "", "exported source is no Python"),
    ],
)
def test_what_counts_as_a_failure(given, code, out, err, kind):
    found, _ = judge(given, code, out, err)
    assert found.startswith(kind)


def test_a_failing_input_is_made_small():
    text = HEAD + "".join(f"# line {i}\n" for i in range(40)) + "layers: [ReLU, Tanh, needle, GELU]\n"
    given = Input("case", (("spec.yaml", text),), ("analyze", "spec.yaml", "--batch", "7", "--json", "-"))

    def fails(one):
        return "needle" in dict(one.files)["spec.yaml"] and "--json" in one.arguments

    small = shrunk(given, fails)
    assert small == replace(given, files=(("spec.yaml", "needle"),), arguments=("analyze", "spec.yaml", "--json"))
