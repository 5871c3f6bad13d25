"""What README.md and docs/ show, taken from them: their code blocks, their headings, their links.

A block ``console`` shows a command line and what it prints; ``python`` runs, in the order of the page, with the names
of those before it, and so does ``pycon``, which shows what comes of each line; ``yaml`` with ``input`` or ``extends``
is a whole spec. A ``title`` is a file that the rest of the page may use; one that begins with ``wrong`` is a spec
that must be refused. ``main:net.yaml`` is committed on that branch; what the page shows as ``net.yaml`` lies in the
working folder.

A page whose titles are places in the repository (``archscope/ops/new.py``, as Python or as a ``diff`` of what is
there) is a walk-through: what it shows is run in a copy with those changes, and so are the lines of its ``sh`` blocks
that begin with ``pytest``.
"""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from archscope.cli import main
from tests.repository import Repository

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
#: what commands and specs on a page may name
BESIDE = ("docs", "reports", "specs", "tests")
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?P<options>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)
_TITLE = re.compile(r'title="([^"]+)"')
_LINK = re.compile(r"(?<!`)!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+?)(?: \{#([\w-]+)\})?$", re.M)


class Block(NamedTuple):
    """A code block of a page.

    Attributes:
        title: the file that it is; may be empty.
        line: of its fence, counted from 1.
    """

    language: str
    title: str
    text: str
    line: int

    @property
    def branch(self) -> str:
        """The branch where it is committed; empty of a file in the working folder."""
        return self.title.rpartition(":")[0]

    @property
    def path(self) -> str:
        """Its file."""
        return self.title.rpartition(":")[2]

    @property
    def is_change(self) -> bool:
        """Whether its title is a place in the repository."""
        top, slash, _ = self.title.partition("/")
        return bool(slash) and (ROOT / top).is_dir()

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The command lines of a console block, each with what it prints."""
        parts = re.split(r"^\$ (.+)\n", self.text, flags=re.M)
        assert not parts[0], f"line {self.line}: a console block begins with `$ `"
        return list(zip(parts[1::2], parts[2::2], strict=True))


class Document:
    """A page."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.text = path.read_text(encoding="utf-8")

    def __repr__(self) -> str:
        return self.name

    def blocks(self, language: str | None = None) -> list[Block]:
        """Its code blocks, or those in a language."""
        return [block for block in self._blocks() if language in (None, block.language)]

    def _blocks(self) -> Iterator[Block]:
        for match in _BLOCK.finditer(self.text):
            title = _TITLE.search(match["options"])
            text = re.sub(f"^{match['indent']}", "", match["text"], flags=re.M)
            line = self.text.count("\n", 0, match.start()) + 1
            yield Block(match["language"], title[1] if title else "", text, line)

    @property
    def changes(self) -> list[Block]:
        """Blocks that change the repository."""
        return [block for block in self.blocks() if block.is_change]

    @property
    def trials(self) -> list[str]:
        """The ``pytest`` lines of its shell blocks."""
        return [line for block in self.blocks("sh") for line in block.text.splitlines() if line.startswith("pytest ")]

    @property
    def scripts(self) -> list[Block]:
        """Python blocks that run."""
        return [block for block in self.blocks() if block.language in ("python", "pycon") and not block.title]

    def run(self) -> None:
        """Run its Python blocks, in order."""
        names: dict[str, Any] = {}
        for block in self.scripts:
            if block.language == "pycon":
                self._asked(block, names)
                continue
            code = compile("\n" * block.line + block.text, str(self.path), "exec")  # a traceback shows the page's line
            exec(code, names)

    def _asked(self, block: Block, names: dict[str, Any]) -> None:
        """Run a block of questions and answers; they share the names of the page."""
        test = doctest.DocTestParser().get_doctest(block.text, {}, self.name, self.name, block.line)
        test.globs = names
        said: list[str] = []
        failed, _ = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
        assert not failed, "".join(said)

    @property
    def prose(self) -> str:
        """It without code blocks."""
        return _BLOCK.sub("", self.text)

    @property
    def links(self) -> list[str]:
        """Where its links and pictures lead, those to other servers aside."""
        return [to for to in _LINK.findall(re.sub(r"`[^`\n]*`", "", self.prose)) if not re.match(r"\w+:", to)]

    @property
    def anchors(self) -> set[str]:
        """The anchors of its headings."""
        return anchors(self.prose)

    def renewed(self) -> str:
        """It with what its commands print today; to be called in its workplace."""

        def block(match: re.Match[str]) -> str:
            if match["language"] != "console":
                return match[0]
            begin, _, _ = match[0].partition("\n")
            shown = "\n".join(f"$ {command}\n{printed(command)}" for command, _ in self._block_at(match).commands)
            return f"{begin}\n{shown}```"

        return _BLOCK.sub(block, self.text)

    def _block_at(self, match: re.Match[str]) -> Block:
        return Block(match["language"], "", match["text"], self.text.count("\n", 0, match.start()) + 1)

    def lay_out(self, folder: Path) -> None:
        """Make a folder the page's workplace: what it may name of the repository, and the files that it shows."""
        for name in BESIDE:
            (folder / name).symlink_to(ROOT / name)
        files = [block for block in self.blocks() if block.title and not block.is_change]
        for branch in dict.fromkeys(block.branch for block in files if block.branch):
            repository = Repository(folder, branch)
            for block in files:
                if block.branch == branch:
                    repository.write_file(block.path, block.text)
                    repository.git("add", block.path)
            repository.git("commit", "-q", "-m", "as it was")
        for block in files:
            if not block.branch:
                (folder / block.path).parent.mkdir(parents=True, exist_ok=True)
                (folder / block.path).write_text(block.text, encoding="utf-8")


def changed(folder: Path, *pages: Document) -> None:
    """Make a folder a copy of the repository, as far as it is run, with the changes of walk-throughs."""
    touched = {block.title.partition("/")[0] for page in pages for block in page.changes}
    for name in ("archscope", "docs", "reports", "specs", "tests", "pyproject.toml", "README.md"):
        if name in touched | {"archscope"}:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / name).symlink_to(ROOT / name)
    for page in pages:
        for block in page.changes:
            change(folder / block.title, block)


def change(file: Path, block: Block) -> None:
    """Make a file of a block, or change it by one: what its lines without ``+`` are stands there once."""
    if block.language != "diff":
        assert not file.exists(), file
        file.write_text(block.text, encoding="utf-8")
        return
    lines = [(line[:1], line[1:] + "\n") for line in block.text.splitlines()]
    before = "".join(text for mark, text in lines if mark != "+")
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{block.title}: this stands there {text.count(before)} times:\n{before}"
    file.write_text(text.replace(before, "".join(text for mark, text in lines if mark != "-")), encoding="utf-8")


def documents() -> list[Document]:
    """README.md and every page below docs/."""
    return [Document(path) for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))]


def others() -> list[Document]:
    """The other pages that lie at the top, and those of folders."""
    tops = (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("[!.]*/README.md")))
    return [Document(path) for path in tops if path != ROOT / "README.md"]


def anchors(prose: str) -> set[str]:
    """The anchors of the headings of a page without code blocks."""
    return {anchor or slug(heading) for heading, anchor in _HEADING.findall(prose)}


def slug(heading: str) -> str:
    """The anchor of a heading, as MkDocs and GitHub make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def printed(command: str) -> str:
    """What a command line prints, both streams; ``| head -N`` and ``| tail -N`` cut it."""
    command, *cuts = command.split(" | ")
    program, *arguments = shlex.split(command)
    if program == "archscope":
        result = CliRunner(env={"COLUMNS": "100"}).invoke(main, arguments)
        assert result.exit_code in (0, 1, 2), result.output
        output = result.output
    else:
        assert program in ("cat", "diff"), program
        output = subprocess.run([program, *arguments], text=True, capture_output=True, check=False).stdout
    lines = [line.rstrip() for line in output.splitlines()]
    for cut in cuts:
        end, count = cut.split(" -")
        lines = lines[: int(count)] if end == "head" else lines[-int(count) :]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)
