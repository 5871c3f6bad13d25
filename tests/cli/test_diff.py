"""``archscope diff`` end to end."""

import json

import pytest
from click.testing import CliRunner

from archscope.cli import main
from tests.repository import NET, macs, params


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["diff", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_branch(repository):
    out = run("--base", "main", "models").stdout
    assert f"Designs since {repository.git('merge-base', 'main', 'HEAD')[:10]}, where this branch left main" in out
    assert f"+{params(kernel=5) - params()}" in out
    assert "Conv2d, kernel_size 3x3 -> 5x5, padding 1x1 -> 2x2" in out
    assert "no layer differs" not in out


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        (("--at-most", f"macs={macs(kernel=5)}"), 0), (("--at-most", f"macs={macs(kernel=5) - 1}"), 1),
        (("--at-most", "training_bytes=1MiB"), 0), (("--at-most", "training_bytes=1kB"), 1),
        (("--at-least", "params=1"), 0), (("--at-least", "params=1M"), 1),
        (("--grows-at-most", "params=200"), 0), (("--grows-at-most", "params=100%"), 1),
        (("--where", "macs / params > 10"), 0), (("--where", "macs / params < 10"), 1),
        (("--where", "macs / params < 10", "--exit-zero"), 0),
    ],
)  # fmt: skip
def test_limits_end_with_1(repository, limit, code):
    out = run("--base", "main", "models", *limit, code=code).stdout
    assert ("FAILED" in out) == (code == 1 or "--exit-zero" in limit)


def test_an_untouched_design_is_not_held(repository):
    out = run("--base", "HEAD", "models", "--at-most", "macs=1").stdout
    assert "1 as it was" in out


def test_a_wrong_spec_ends_with_2_and_the_others_are_told(repository):
    repository.write(bad="input: [3]\nlayers: 3\n")
    result = run("--base", "main", "models", "--at-most", "macs=1", code=2)
    assert "models/bad.yaml:2:9: error: `layers:` is a list of layers" in result.stderr
    assert "FAILED Net: macs: expected <= 1" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["models"], "Missing option '--base'"),
        (["models", "--base", "mani"], "git knows no revision `mani` here\n  hint: did you mean `main`?"),
        (["models", "--base=-p"], "'-p' is no revision"),
        (["net.yaml", "--base", "main"], "there is no file net.yaml"),
        (["-", "--base", "main"], "there is no file or design called -"),
        (["models", "--base", "main", "--at-most", "macs"], "'macs' is not of the form figure=number, as in macs=4.1G"),
        (["models", "--base", "main", "--at-most", "mac=3"], "designs have no figure `mac`; did you mean `macs`?"),
        (["models", "--base", "main", "--where", "mac < 3"], "designs have no figure `mac`"),
        (["models", "--base", "main", "--columns", "mac"], "designs have no figure `mac`"),
    ],
)
def test_mistakes(repository, arguments, says):
    result = run(*arguments, code=2)
    assert says in result.stderr
    assert result.stdout == ""


def test_other_figures_and_another_run(repository):
    data = json.loads(run("--base", "main", "models", "--columns", "macs", "--batch", "3", "--json", "-").stdout)
    ((figure,),) = (design["figures"] for design in data["designs"])
    assert (figure["name"], figure["after"]) == ("macs", 3 * macs(kernel=5))


def test_a_single_design_of_a_revision_stands_in_every_command(repository):
    result = CliRunner().invoke(main, ["compare", "HEAD~1:models/net.yaml", "models/net.yaml", "--columns", "params"])
    assert "Net (HEAD~1:net.yaml)" in result.stdout
    assert f"{params()}" in result.stdout
    assert f"{params(kernel=5)}" in result.stdout


def test_warnings_of_what_changed_are_told(repository):
    idle = "  - unit: width\n  - {ReLU: , name: idle}\n  - {ReLU: , from: unit}\n"
    repository.write(net=NET.replace("  - unit: width\n", idle))
    assert "`idle` contributes to no output" in run("--base", "main", "models").stderr
    assert run("--base", "main", "models", "-q").stderr == ""
