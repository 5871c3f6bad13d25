"""Files of a git repository as they were at a revision: what ``git show REVISION:PATH`` shows.

``main:./models/net.yaml`` is a file's name like others, wherever a spec is read: what stands behind the colon begins
with a dot and is seen from the working folder, as git sees it. A file on the disk that is called so comes first.

git is run by its name with a list of arguments, without a shell and without asking anybody; nothing is written. No path
is handed to it: files are looked up in the list of those of a commit. A revision that begins with ``-`` would be an
option, and is refused.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from archscope.errors import SpecError, closest
from archscope.errors.diagnostics import Diagnostic

if TYPE_CHECKING:
    import subprocess

_NAME = re.compile(r"([^:]+):(\.{1,2}(?:/[^\0]*)?)")
#: as people say it; neither `input: [3]` nor `https://...` is so
_ASKED = re.compile(r"([^:\0\n\r]+):(?!\s|//)([^\0\n\r]+)")
#: what no name of a commit holds
_STRANGE = re.compile(r"[\x00-\x20\x7f]")
_LINK, _SUBMODULE = "120000", "160000"
_MOST_LINKS = 40
_SHALLOW = "this clone is shallow: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout"
#: digits by which people know a commit
_DIGITS = 10


class Place(NamedTuple):
    """A file of a revision.

    Attributes:
        path: as seen from the working folder; it begins with a dot.
    """

    revision: str
    path: str

    def __str__(self) -> str:
        return f"{self.revision}:{self.path}"

    def __fspath__(self) -> str:
        return str(self)

    @property
    def short(self) -> str:
        """``main:net.yaml``."""
        return f"{self.revision}:{posixpath.basename(self.path)}"


def place_of(name: str | os.PathLike[str]) -> Place | None:
    """What a name says of a revision; ``None`` of one that is just a file's."""
    match = _NAME.fullmatch(os.fspath(name).replace(os.sep, "/"))
    return None if match is None else Place(match[1], match[2])


def asked(text: str) -> Place | None:
    """What ``REVISION:PATH`` means when a person says it: git sees the path from the top of the repository.

    Raises:
        SpecError: it is said outside a repository.
    """
    match = _ASKED.fullmatch(text)
    if match is None or Path(text).drive:
        return None
    place = place_of(text)
    return place or Place(match[1], _seen(match[2]))


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file of that name, on the disk or in its revision.

    Raises:
        SpecError: there is no such revision.
    """
    if os.path.isfile(path):
        return True
    place = place_of(path)
    return place is not None and _object(place) is not None


def read(place: Place, most: int | None = None) -> bytes:
    """What a file of a revision holds.

    Args:
        most: so many bytes of it.

    Raises:
        SpecError: there is no such revision, or no such file in it.
    """
    name = _object(place)
    if name is None:
        raise missing(place)
    if most is None:
        return _git("cat-file", "blob", name)
    size = int(_git("cat-file", "-s", name))
    with _started("cat-file", "blob", name) as running:
        assert running.stdout is not None
        content = running.stdout.read(most)
    if len(content) < min(size, most):
        raise _failure(f"git cannot read {place}")
    return content


def beside(path: Path, folder: Path | None) -> Path:
    """A path as one in a folder names it: of a revision's folder, an absolute one in the repository is of it, too."""
    place = None if folder is None else place_of(folder)
    if place is None or not path.is_absolute():
        return path
    top = _repository().top
    inside = os.path.relpath(os.path.realpath(path), top)
    return path if inside.startswith("..") else Path(place._replace(path=_seen(Path(inside).as_posix())))


# -- revisions ---


class Revision(NamedTuple):
    """A commit that designs are held against.

    Attributes:
        asked: what was asked for.
        commit: in full.
        left: whether it is where the present branch left what was asked for, and not that itself.
    """

    asked: str
    commit: str
    left: bool

    @property
    def short(self) -> str:
        """The commit by its first digits."""
        return self.commit[:_DIGITS]

    def __str__(self) -> str:
        if self.left:
            return f"{self.short}, where this branch left {self.asked}"
        return self.asked if self.commit.startswith(self.asked) else f"{self.asked} ({self.short})"

    def place(self, path: str | os.PathLike[str]) -> Place:
        """A file of the disk as it was then.

        Raises:
            SpecError: it is outside the repository.
        """
        return self._place(os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path)))

    def _place(self, real: str) -> Place:
        relative = os.path.relpath(real, os.path.realpath(os.curdir)).replace(os.sep, "/")
        place = Place(self.short, relative if relative.startswith(".") else f"./{relative}")
        _from_top(place)
        return place

    def files(self, folder: str | os.PathLike[str]) -> Iterator[str]:
        """The files that were in a folder then, as seen from the working folder, in order.

        Raises:
            SpecError: it is outside the repository.
        """
        inside = _from_top(self._place(os.path.realpath(folder)))
        top = "" if inside == "." else f"{inside}/"
        for path in _tree(_repository(), self.commit):
            if path.startswith(top):
                yield str(Path(folder) / path[len(top) :])

    def renamed(self) -> dict[str, str]:
        """What files of the working tree were called then, both as seen from here, as far as git recognises them."""
        options = ("--no-ext-diff", "--find-renames", "--diff-filter=R", "--name-status", "-z")
        words = os.fsdecode(_git("-c", "diff.relative=false", "diff", *options, self.commit)).split("\0")
        paths = (os.path.normpath(_seen(path)) for path in words if path and not re.fullmatch(r"R\d+", path))
        return {after: before for before, after in zip(paths, paths, strict=True)}


def revision(asked: str, *, tip: bool = False) -> Revision:
    """The commit that a branch is held against: where it left the one that is asked for, as a pull request shows it.

    Args:
        tip: the very one that is asked for.

    Raises:
        SpecError: no repository, no such revision, or nothing that both come from.
    """
    commit = _commit(asked)
    if tip:
        return Revision(asked, commit, left=False)
    head = _commit("HEAD")
    base = os.fsdecode(_git("merge-base", commit, head, may_fail=True)).strip()
    if not base:
        shallow = _is_shallow()
        hint = _SHALLOW if shallow else "--tip holds designs against the revision itself"
        raise _failure(f"git knows no commit that both {asked} and this branch come from", hint)
    return Revision(asked, base, left=base != commit)


class _Repository(NamedTuple):
    """A repository, and where in it the working folder is.

    Attributes:
        prefix: of the working folder as seen from the top; empty, or it ends with a slash.
    """

    top: str
    prefix: str


def _repository() -> _Repository:
    return _opened(os.getcwd())


@lru_cache(8)
def _opened(folder: str) -> _Repository:
    said = os.fsdecode(_git("rev-parse", "--show-toplevel", "--show-prefix")).split("\n")
    return _Repository(said[0], said[1])


def _seen(path: str) -> str:
    """A path from the top of the repository as seen from the working folder."""
    relative = posixpath.relpath(posixpath.join("/", path), posixpath.join("/", _repository().prefix))
    return relative if relative.startswith(".") else f"./{relative}"


def _from_top(place: Place) -> str:
    """The path of a place as seen from the top of the repository."""
    repository = _repository()
    path = posixpath.normpath(posixpath.join(repository.prefix, place.path))
    if path == ".." or path.startswith(("../", "/")):
        raise _failure(f"{place.path} is outside the repository {repository.top}, so that {place.revision} has none")
    return path


def _object(place: Place) -> str | None:
    """What git calls the content of a file; ``None`` where there is none."""
    repository = _repository()
    tree, path = _tree(repository, _commit(place.revision)), _from_top(place)
    for _ in range(_MOST_LINKS):
        mode, name = tree.get(path, ("", None))
        if mode != _LINK or name is None:
            return None if mode == _SUBMODULE else name
        target = os.fsdecode(_git("cat-file", "blob", name))
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return None


@lru_cache(8)
def _tree(repository: _Repository, commit: str) -> Mapping[str, tuple[str, str]]:
    """The files of a commit by their paths, each with its mode and the name of its content."""
    files = {}
    for line in os.fsdecode(_git("ls-tree", "-r", "-z", "--full-tree", commit)).split("\0"):
        if line:
            words, _, path = line.partition("\t")
            mode, _, name = words.split(" ")
            files[path] = (mode, name)
    return files


def _commit(asked: str) -> str:
    """The full name of a commit; those that are said by it are looked up once."""
    return _named(os.getcwd(), asked) if re.fullmatch("[0-9a-f]{10,64}", asked) else _looked_up(asked)


@lru_cache(64)
def _named(_: str, asked: str) -> str:
    return _looked_up(asked)


def _looked_up(asked: str) -> str:
    if asked.startswith("-") or _STRANGE.search(asked) or not asked:
        raise _failure(f"{asked!r} is no revision", "a branch, a tag or a commit, as in origin/main, v1.0 or HEAD~3")
    _repository()
    name = os.fsdecode(_git("rev-parse", "--verify", "--quiet", asked, may_fail=True)).strip()  # `:/words` ends there
    commit = os.fsdecode(_git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", may_fail=True)).strip()
    if name and commit:
        return commit
    if asked == "HEAD":
        raise _failure("there is no commit here yet", "what is held against a revision needs one")
    near = closest(asked, os.fsdecode(_git("for-each-ref", "--format=%(refname:short)")).split())
    hints = [_fetched(asked) or (f"did you mean `{near}`?" if near else ""), _SHALLOW if _is_shallow() else ""]
    raise _failure(f"git knows no revision `{asked}` here", "; ".join(filter(None, hints)))


def _fetched(asked: str) -> str:
    """What brings a branch of a remote."""
    remote, slash, branch = asked.partition("/")
    remotes = os.fsdecode(_git("remote")).split()
    return f"`git fetch {remote} {branch}` brings it, if it is there" if slash and remote in remotes else ""


def _is_shallow() -> bool:
    return _git("rev-parse", "--is-shallow-repository").strip() == b"true"


def missing(place: Place) -> SpecError:
    """What to say of a file that its revision does not hold."""
    path = _from_top(place)
    tree = _tree(_repository(), _commit(place.revision))
    holder = next((one for one, (mode, _) in tree.items() if mode == _SUBMODULE and path.startswith(f"{one}/")), None)
    if holder is not None:
        return _failure(f"{path} is in the submodule {holder}, whose files {place.revision} does not hold")
    near = closest(posixpath.basename(path), [posixpath.basename(one) for one in tree])
    whole = next((one for one in tree if near and posixpath.basename(one) == near), "")
    return _failure(f"{place.revision} holds no file {path}", f"did you mean `{place.revision}:{whole}`?" * bool(whole))


# -- git ---

_QUIETLY = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def _started(*arguments: str) -> subprocess.Popen[bytes]:
    import subprocess  # most runs read no revision

    try:
        return subprocess.Popen(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_QUIETLY},
        )
    except FileNotFoundError:
        raise _failure("revisions are read by git, which is not installed") from None


def _git(*arguments: str, may_fail: bool = False) -> bytes:
    """What git prints.

    Args:
        may_fail: then it is what there is, which is nothing.
    """
    with _started(*arguments) as running:
        said, wrong = running.communicate()
    if running.returncode and not may_fail:
        raise _refused(os.fsdecode(wrong).strip())
    return said


def _refused(words: str) -> SpecError:
    """What git says where it does not do it."""
    if "not a git repository" in words or "must be run in a work tree" in words:
        return _failure(f"{os.getcwd()} is in no git repository", "run it inside the one that holds the specs")
    first = words.splitlines()[0].removeprefix("fatal: ") if words else "it failed"
    more = next((line.strip() for line in words.splitlines() if line.startswith("\tgit config")), "")
    return _failure(f"git: {first}", f"`{more}` allows it" if more else "")


def _failure(message: str, hint: str = "") -> SpecError:
    return SpecError([Diagnostic(message, hint=hint)])
