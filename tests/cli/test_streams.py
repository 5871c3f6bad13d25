"""The command line at the borders of a shell: devices, closed and full streams, code pages, Ctrl-C, our own faults."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from archscope.cli import main
from archscope.cli.main import LazyGroup

ARCHSCOPE = f"{sys.executable} -m archscope"
SPEC = "name: little\ninput: [3, 8, 8]\nlayers: [Flatten, {Linear: 2}]\n"
CONV = "input: [1, 8, 8]\nlayers: [{Conv2d: {out_channels: 2, kernel_size: 3}, name: a}]\n"
HOSTILE = 'name: "li\\u202ettle \\x9bx"\nsource: "a\\x1b[31mb\\x07"\ninput: [3, 8, 8]\nlayers: [Flatten, {Linear: 2}]\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "little.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path


def shell(command, **options):
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, **options)


# -- where output goes ------------------------------------------------------------------------------------------------


def targets():
    """Every option that names a file to write, with a command line that needs nothing else: option, words, suffix."""
    for command, words in COMMANDS.items():
        found = main.get_command(click.Context(main), command)
        for param in found.params:
            if isinstance(param, click.Option) and param.metavar == "FILE" and param.name not in READ:
                for suffix in SUFFIXES.get((command, param.name), SUFFIXES.get(param.name, ("",))):
                    yield pytest.param(command, words, param.opts[0], suffix, id=f"{command} {param.opts[0]}{suffix}")
    for chart, words in CHARTS.items():
        yield pytest.param("plot", (chart, *words), "-o", ".svg", id=f"plot {chart}")


COMMANDS = {
    "analyze": ("little.yaml",), "compare": ("little.yaml",), "expand": ("little.yaml",), "export": ("little.yaml",),
    "graph": ("little.yaml",), "list": (), "memory": ("little.yaml",), "predict": ("little.yaml", "--device", "t4"),
    "receptive-field": ("conv.yaml",), "reconcile": ("little.yaml", "--no-run"), "schema": (),
    "sweep": ("little.yaml", "--vary", "batch=1:3", "--sort", "macs"), "verify": ("little.yaml",),
}  # fmt: skip
CHARTS = {"stages": ("little.yaml",), "memory": ("little.yaml",), "roofline": ("little.yaml", "--device", "t4")}
READ = ("profile_file", "calibration_file", "image", "heat")  # --heat needs torch
SUFFIXES = {
    "plot": (".svg",), "draw": (".svg",), ("graph", "output"): (".svg", ".png"),
    ("export", "output"): (".py", ".dot", ".json"),
    ("sweep", "outs"): (".csv", ".parquet", ".html"), ("sweep", "emitted"): (".yaml",),
}  # fmt: skip


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("command", "words", "option", "suffix"), list(targets()))
def test_every_output_leaves_a_link_and_writes_through_a_pipe(command, words, option, suffix, folder, monkeypatch):
    """What a rename would destroy: the link is one, its target holds the result, a pipe gives it to its reader."""
    monkeypatch.setattr("archscope.spec.library.names", lambda: ["lenet5"])  # `list` counts them all
    (folder / "conv.yaml").write_text(
        "input: [1, 8, 8]\nlayers: [{Conv2d: {out_channels: 2, kernel_size: 3}, name: a}]\n"
    )
    if option == "--draw":
        words = ("conv.yaml", "a")
    link, real = folder / f"link{suffix}", folder / f"real{suffix}"
    real.write_text("old")
    real.chmod(0o604)
    link.symlink_to(real.name)
    result = CliRunner().invoke(main, [command, *words, option, str(link)])
    assert result.exit_code == 0, result.output
    assert link.is_symlink()
    written = real.read_bytes()
    assert written != b"old"
    assert real.stat().st_mode & 0o777 == 0o604
    pipe = folder / f"pipe{suffix}"
    os.mkfifo(pipe)
    copy = folder / "copy"
    with copy.open("wb") as out, subprocess.Popen(["cat", str(pipe)], stdout=out) as reader:
        result = CliRunner().invoke(main, [command, *words, option, str(pipe)])
        reader.terminate() if result.exit_code else reader.wait(10)
    assert result.exit_code == 0, result.output
    read = copy.read_bytes()
    assert read[:1] == written[:1]
    assert abs(len(read) - len(written)) <= 200  # names of files and times stand in some of them
    assert pipe.is_fifo()


def test_process_substitution_and_standard_output_by_name(folder):
    out = shell(f"{ARCHSCOPE} expand little.yaml -o >(tr a-z A-Z) | cat; {ARCHSCOPE} expand little.yaml -o /dev/stdout")
    assert "NAME: LITTLE" in out.stdout
    assert "name: little" in out.stdout


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("analyze little.yaml > /dev/full", 2, "standard output cannot be written: No space left on device"),
        ("analyze little.yaml --json - > /dev/full", 2, "standard output cannot be written: No space left on device"),
        ("analyze little.yaml >&-", 2, "standard output cannot be written: it is closed"),
        ("analyze little.yaml --csv - >&-", 2, "standard output cannot be written: it is closed"),
        ("--help >&-", 2, "standard output cannot be written: it is closed"),
        ("expand little.yaml -o flat.yaml >&-", 0, ""),
        ("analyze - <&-", 2, "standard input cannot be read: it is closed"),
        ("analyze little.yaml 2>&-", 0, ""),
        ("analyze nosuch 2>&-", 2, ""),
        ("verify nosuch 2> /dev/full", 2, ""),
        ("analyze resnet50 --html - | true; exit ${PIPESTATUS[0]}", 141, ""),
    ],
)
def test_streams_that_are_closed_or_full(command, code, words, folder):
    done = shell(f"{ARCHSCOPE} {command}")
    assert done.returncode == code, done.stderr
    assert done.stderr.strip() == (f"error: {words}" if words else "")


def test_what_a_code_page_lacks_is_replaced(folder):
    """cp1252 has neither the arrow of a sweep's table nor Chinese characters."""
    (folder / "named.yaml").write_text(SPEC.replace("little", "汉字 little"), "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = shell(
        f"{ARCHSCOPE} analyze named.yaml && {ARCHSCOPE} sweep named.yaml --vary batch=1:5 --pareto macs",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "?? little" in done.stdout


# -- what stands in it ------------------------------------------------------------------------------------------------

SHOWN = [
    ("analyze", "x.yaml"), ("analyze", "x.yaml", "--markdown", "-"), ("analyze", "x.yaml", "--csv", "-"),
    ("expand", "x.yaml"),
    ("compare", "x.yaml", "x.yaml"), ("compare", "x.yaml", "--csv", "-"), ("compare", "x.yaml", "--markdown", "-"),
    ("memory", "x.yaml"), ("explain", "x.yaml"), ("receptive-field", "x.yaml"), ("reconcile", "x.yaml", "--no-run"),
    ("verify", "x.yaml"), ("export", "x.yaml", "--to", "dot"), ("export", "x.yaml", "--to", "mermaid"),
    ("export", "x.yaml", "--to", "json"), ("predict", "x.yaml", "--device", "t4"),
    ("sweep", "x.yaml", "--vary", "batch=1:3"),
    ("analyze", "no\x1b[31msuch\u202e"), ("ops", "\x9bConv"), ("explain", "x.yaml", "\u202ea"), ("no\x07such",),
    ("compare", "x.yaml", "--columns", "\x1b[2J"), ("analyze", "x.yaml", "--csv", "no\x1bwhere/x"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", SHOWN, ids=lambda words: ascii(" ".join(words)))
def test_no_command_shows_control_characters_or_turns_a_line(arguments, folder):
    (folder / "x.yaml").write_text('name: "li\\u202ettle \\u2066"\nsource: "\\u202ea"\n' + SPEC.partition("\n")[2])
    result = CliRunner().invoke(main, arguments, color=False)
    assert result.exit_code in (0, 2)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", result.stdout + result.stderr)


def test_a_control_character_in_a_spec_is_a_mistake_with_a_place(folder):
    """Also where it is written as an escape, which the text of the file does not show."""
    (folder / "x.yaml").write_text(HOSTILE)
    result = CliRunner().invoke(main, ["analyze", "x.yaml"])
    assert result.exit_code == 2
    assert "x.yaml:1:7: error: the character U+009B cannot stand in a spec" in result.stderr


# -- what ends it early -----------------------------------------------------------------------------------------------


class Broken(LazyGroup):
    """One command, which fails in a way that nobody has thought of."""

    error: BaseException = IndexError("tuple index\nout of range \x1b[31m")

    def get_command(self, ctx, cmd_name):
        def fail():
            raise self.error

        return click.Command("fail", callback=fail)


def test_what_slips_through_is_a_line_that_asks_for_a_report(monkeypatch):
    result = CliRunner().invoke(Broken("archscope"), ["fail"])
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: archscope failed (IndexError: tuple index out of range \ufffd[31m, in ")
    assert "please report it" in line
    monkeypatch.setenv("ARCHSCOPE_TRACEBACK", "1")
    assert isinstance(CliRunner().invoke(Broken("archscope"), ["fail"]).exception, IndexError)


def test_ctrl_c_is_130(monkeypatch):
    monkeypatch.setattr(Broken, "error", KeyboardInterrupt())
    result = CliRunner().invoke(Broken("archscope"), ["fail"])
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_ctrl_c_while_python_imports_the_program(folder):
    """The signal comes as soon as the first of our modules has begun to be imported."""
    slow = folder / "click.py"  # which every command imports, in the place of the true one
    slow.write_text("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{os.environ['PYTHONPATH']}"}
    child = subprocess.Popen(
        [sys.executable, "-m", "archscope", "list"], stderr=subprocess.PIPE, text=True, env=environment
    )
    while not (folder / "begun").exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=20)
    assert (child.returncode, said) == (130, "interrupted\n")
