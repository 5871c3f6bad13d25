"""README.md and docs/ tell the truth: what they show is run and compared, and where they lead there is something.

``python -m tests.test_docs`` writes the present output into the console blocks of all pages, or of those named.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import archscope
from archscope.cli import main
from archscope.errors import SpecError
from archscope.figures import FIGURES
from archscope.figures.table import COLUMNS
from archscope.ops import REGISTRY
from archscope.setting.devices import DEVICES
from archscope.setting.precision import PRECISIONS
from archscope.spec.schema import schema
from archscope.verify import verify
from docs import reference
from tests.documents import DOCS, ROOT, Document, anchors, changed, documents, others, printed

pytestmark = pytest.mark.needs("torch")  # what a page shows is run as a whole
PAGES = documents()
#: pages that are run as they stand: a walk-through changes the program, and tests/test_extending.py walks it
PLAIN = [page for page in PAGES if not page.changes]
COMMANDS = [pytest.param(page, *one, id=f"{page}: {one[0]}") for page in PLAIN for block in page.blocks("console")
            for one in block.commands]  # fmt: skip
SPECS = [pytest.param(page, block, id=f"{page}:{block.line}") for page in PAGES for block in page.blocks("yaml")]


@pytest.fixture
def workplace(request, tmp_path, monkeypatch):
    """A folder with the files that the page shows."""
    request.getfixturevalue("page").lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(("page", "command", "shown"), COMMANDS)
def test_console_blocks_show_what_is_printed(page, command, shown):
    assert shown.rstrip("\n") == printed(command).rstrip("\n")


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("page", [page for page in PLAIN if page.scripts], ids=repr)
def test_python_blocks_run(page):
    page.run()


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(("page", "block"), SPECS)
def test_yaml_blocks_are_specs_or_parts_of_one(page, block):
    held = yaml.safe_load(block.text)
    if isinstance(held, dict) and not held.keys() & {"input", "inputs", "extends"}:
        assert held.keys() <= schema()["properties"].keys()
    elif isinstance(held, dict) and block.title.startswith("wrong"):
        with pytest.raises(SpecError):
            archscope.load(block.title)
    elif isinstance(held, dict):
        design = archscope.load(block.title or block.text)
        assert archscope.analyze(design).total is not None
        assert verify(design).ok


@pytest.mark.parametrize("page", [*PAGES, *others()], ids=repr)
def test_links_lead_somewhere(page):
    assert not [to for to in page.links if not _leads(page, to)]


def _leads(page: Document, to: str) -> bool:
    name, _, anchor = to.partition("#")
    path = (page.path.parent / name).resolve() if name else page.path
    if DOCS / "reference" in path.parents:
        return _is_made(path, anchor)
    return path.exists() and (not anchor or anchor in Document(path).anchors)


def _is_made(path: Path, anchor: str) -> bool:
    text = reference.pages().get(path.relative_to(DOCS).as_posix())
    return text is not None and (not anchor or anchor in anchors(text))


def test_that_a_dead_link_is_seen(tmp_path):
    page = Document(DOCS / "memory.md")
    assert _leads(page, "counting.md")
    assert not _leads(page, "countin.md")
    assert not _leads(page, "counting.md#no-such-heading")
    assert _leads(page, "reference/settings.md#devices")
    assert not _leads(page, "reference/settings.md#no-such-heading")
    assert not _leads(page, "reference/no-such-page.md")


#: pictures, each with the command that draws it
PICTURES = dict(re.findall(r"^\| `(.+)` \| `(.+)` \|$", (DOCS / "img" / "README.md").read_text(encoding="utf-8"), re.M))


def test_every_picture_has_its_command_and_its_page():
    shown = {(page.path.parent / to).resolve().name for page in PAGES for to in page.links if "img/" in to}
    assert shown == set(PICTURES) == {path.name for path in (DOCS / "img").iterdir() if path.suffix in (".svg", ".png")}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PICTURES if name.endswith(".svg")])
def test_pictures_say_what_is_drawn_today(name, tmp_path, monkeypatch):
    """The words in them; lines and fonts follow the libraries that draw."""
    from docs.img import picture  # it needs rich

    monkeypatch.chdir(ROOT)
    command = PICTURES[name].replace(f"docs/img/{name}", str(tmp_path / name))
    program, *arguments = shlex.split(command.replace("python docs/img/picture.py", "picture"))
    if program == "picture":
        picture.draw(arguments[0], arguments[1:])
    else:
        assert CliRunner().invoke(main, arguments).exit_code == 0
    assert words(tmp_path / name) == words(DOCS / "img" / name)


def words(picture):
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text(encoding="utf-8"))


def test_every_command_has_a_page_and_those_that_compute_an_example():
    names = set(main.COMMANDS)
    assert {path.stem for path in (DOCS / "commands").glob("*.md")} - {"index"} == names
    assert all(f"<!-- made: options {name} -->" in (DOCS / f"commands/{name}.md").read_text() for name in names)
    shown = " ".join(command for page in PAGES for block in page.blocks("console") for command, _ in block.commands)
    drawn = {"calibrate", "graph", "plot", "profile"}  # what depends on the machine, and pictures
    assert not [name for name in names - drawn - {"schema"} if f"archscope {name} " not in shown]


@pytest.mark.parametrize(("page", "headings"), [
    ("reference/figures.md", FIGURES), ("reference/columns.md", COLUMNS),
    ("reference/settings.md", (*PRECISIONS, *DEVICES)),
    ("reference/errors.md", ["SpecError", "UsageError", "MissingLibrary"]), ("reference/python.md", archscope.__all__),
])  # fmt: skip
def test_the_reference_has_all_that_is_registered(page, headings):
    text = reference.pages()[page]
    assert not [name for name in headings if not re.search(rf"\b{re.escape(name)}\b", text)]


def test_the_reference_has_every_op_and_all_its_arguments():
    text = "".join(text for name, text in reference.pages().items() if name.startswith(reference.OPS))
    for name, op in REGISTRY.items():
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert not [field.name for field in op.fields if f"| `{field.name}` |" not in section], name
        assert op.elementwise_rule is None or "elementwise work" in section or not op.elementwise_rule


def test_formulas_are_those_of_the_op():
    """Counted by hand for a dense layer, and for one that has none."""
    text = reference.filled("<!-- made: formulas Linear -->\n<!-- made: formulas Identity -->\n")
    assert text == "```text\nparams = F_in x F_out + F_out\nmacs = N x F_out x F_in\nelementwise = N x F_out\n```\n"


def test_the_language_begins_with_resnet_50():
    (text,) = [block.text for block in Document(DOCS / "language.md").blocks("yaml") if "name: ResNet-50" in block.text]
    result = verify(archscope.load(text))
    assert result.ok
    assert len(result.verdicts) == 2


class TestTutorial:
    """Its design is short and true to its paper."""

    DESIGN, MORE = (block.text for block in Document(DOCS / "tutorial.md").blocks("yaml") if "wrong" not in block.title)

    def test_it_takes_less_than_sixty_lines(self):
        assert len(self.DESIGN.splitlines()) < 60

    def test_it_is_true_to_its_paper(self):
        result = verify(archscope.load(self.DESIGN + self.MORE.removeprefix("expect:\n")))
        assert len(result.verdicts) == 5
        assert result.ok

    def test_without_the_module_it_is_the_papers_resnet_50(self):
        """torchvision's parameters; the MACs of the paper's stride placement, 3.86e9 in Table 2."""
        total = archscope.analyze(archscope.load(self.DESIGN, set={"reduction": 0})).total
        assert total.params == 25557032
        assert round(total.macs / 1e9, 2) == 3.86


def update(names: list[str]) -> None:
    for page in documents():
        if not names or page.name in names:
            with tempfile.TemporaryDirectory() as folder:
                page.path.write_text(_renewed(page, Path(folder)), encoding="utf-8")


def _renewed(page: Document, folder: Path) -> str:
    """A page with what its commands print; those of a walk-through run in a copy with its changes."""
    if page.changes:
        changed(folder, page)
        code = "from tests.documents import *; print(Document(Path(sys.argv[1]).absolute()).renewed(), end='')"
        command = [sys.executable, "-c", f"import sys; {code}", page.name]
        options = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(folder)}}
        return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout
    page.lay_out(folder)
    os.chdir(folder)
    try:
        return page.renewed()
    finally:
        os.chdir(ROOT)


if __name__ == "__main__":
    sys.exit(update(sys.argv[1:]))
