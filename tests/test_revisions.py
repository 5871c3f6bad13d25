"""Files at a revision are what git has there; mistakes are told in words, with what to do."""

import io
import os
import subprocess
import zipfile

import numpy as np
import pytest

import archscope
from archscope import revisions
from archscope.errors import SpecError
from archscope.ops.contents import Stored, array
from archscope.revisions import Place, asked, place_of, revision
from archscope.spec import library
from tests.repository import BLOCKS, NET, Repository, params


def count(spec):
    return archscope.analyze(archscope.load(spec)).total.params


def words(spec):
    with pytest.raises(SpecError) as error:
        archscope.load(spec)
    return str(error.value)


def test_a_design_at_a_revision_includes_what_lay_beside_it_then(repository, monkeypatch):
    assert count("models/net.yaml") == params(kernel=5)
    assert count("main~1:models/net.yaml") == count("HEAD~1:models/net") == params()
    assert count("main:models/net.yaml") == params(width=9)
    monkeypatch.chdir("models")  # git sees a path from the top, and one that begins with a dot from here
    assert count("main:models/net.yaml") == count("main:./net.yaml") == count("main:../models/net.yaml") == params(9)


def test_places_are_what_git_shows(repository, monkeypatch):
    monkeypatch.chdir("models")
    for text in ("main:models/net.yaml", "main:./net.yaml", "HEAD~1:models/blocks.yaml"):
        assert (
            revisions.read(asked(text)) == subprocess.run(["git", "show", text], check=True, capture_output=True).stdout
        )


def test_a_mistake_names_its_revision_and_line(repository):
    repository.commit(bad=NET.replace("unit: width", "unit: depth"))
    assert "HEAD:./models/blocks.yaml:4:30: error: `out_channels` of Conv2d" in words("HEAD:models/bad.yaml")
    repository.commit(bad=NET.replace("layers:", "layer:"))
    assert "HEAD:./models/bad.yaml:6:1: error: unknown key `layer`" in words("HEAD:models/bad.yaml")


def test_a_file_of_the_disk_comes_first(repository):
    (repository.folder / "main:.").mkdir()
    (repository.folder / "main:." / "net.yaml").write_text("input: [3]\nlayers: [Linear: 7]\n")
    assert count("main:./net.yaml") == 3 * 7 + 7


def test_an_absolute_path_in_the_repository_is_of_the_revision(repository):
    repository.commit(top=NET.replace("blocks.yaml", str(repository.folder / "models" / "blocks.yaml")))
    repository.write(blocks=BLOCKS.replace("kernel=3", "kernel=7"))
    assert count("models/top.yaml") == params(kernel=7)
    assert count("HEAD:models/top.yaml") == params(kernel=5)


def test_links_lead_to_what_they_led_to(repository):
    os.symlink("net.yaml", repository.folder / "models" / "link.yaml")
    repository.commit()
    (repository.folder / "models" / "link.yaml").unlink()
    assert count("HEAD:models/link.yaml") == params(kernel=5)


def test_values_of_constants_are_of_the_revision(repository):
    """A file of NumPy's; what stands on the disk by now holds something else."""
    for number in (1.0, 2.0):
        target = repository.folder / "models" / "values.npz"
        np.savez(target, shift=np.full(3, number, np.float32))
        if number == 1.0:
            repository.commit()
    stored = Stored("HEAD:./models/values.npz", "shift")
    assert array(stored, (3,), "float").tolist() == [1.0, 1.0, 1.0]
    assert zipfile.is_zipfile(io.BytesIO(revisions.read(place_of("HEAD:./models/values.npz"))))


def test_blocks_may_lie_with_archscope(repository):
    """What ships with the program is not of the repository."""
    (name,) = {"resnet50"} & {*library.names()}
    repository.commit(own=f"extends: {name}\nvars: {{classes: 7}}\n")
    assert count("HEAD:models/own.yaml") == count(name) - 2048 * 993 - 993


# -- the commit that a branch is held against --


def test_a_branch_is_held_against_where_it_left(repository):
    fork = repository.git("merge-base", "main", "HEAD")
    assert revision("main").commit == fork != repository.git("rev-parse", "main")
    assert str(revision("main")) == f"{fork[:10]}, where this branch left main"
    assert revision("main", tip=True).commit == repository.git("rev-parse", "main")
    assert str(revision("HEAD~1")) == f"HEAD~1 ({fork[:10]})"
    assert str(revision(fork)) == fork


@pytest.mark.parametrize("asked", [":/more", "HEAD^{/more}", "@", "HEAD^0", "refs/heads/change"])
def test_commits_are_named_as_git_names_them(repository, asked):
    """The youngest commit whose message has the word is this or main's; git says which."""
    assert revision(asked, tip=True).commit == repository.git("rev-parse", asked)


def test_what_moved_is_recognised(repository):
    repository.git("mv", "models/net.yaml", "models/other name.yaml")
    assert revision("HEAD").renamed() == {os.path.join("models", "other name.yaml"): os.path.join("models", "net.yaml")}


# -- mistakes --


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("mian:models/net.yaml", "git knows no revision `mian` here\n  hint: did you mean `main`?"),
        ("--output=x:models/net.yaml", "'--output=x' is no revision"),
        ("a b:models/net.yaml", "'a b' is no revision"),
        ("main:models/nett.yaml", "main holds no file models/nett.yaml\n  hint: did you mean `main:models/net.yaml`?"),
        ("main:../../x.yaml", "../../x.yaml is outside the repository"),
        ("main:./../../../etc/passwd", "is outside the repository"),
        ("origin/main:models/net.yaml", "git knows no revision `origin/main` here"),
    ],
)
def test_mistakes(repository, spec, says):
    assert says in words(spec)


def test_outside_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert f"{tmp_path} is in no git repository\n  hint: run it inside" in words("main:net.yaml")


def test_a_repository_without_a_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(Repository(tmp_path).folder)
    with pytest.raises(SpecError, match="there is no commit here yet"):
        revision("HEAD")


def test_a_shallow_clone_is_told(repository, tmp_path, monkeypatch):
    """As actions/checkout makes it: one commit deep, of one branch."""
    clone = tmp_path / "clone"
    source = repository.folder.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth", "1", "-b", "change", source, clone], check=True)
    monkeypatch.chdir(clone)
    with pytest.raises(SpecError, match=r"no revision `origin/main` here\n.* this clone is shallow: `git"):
        revision("origin/main")
    subprocess.run(["git", "fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main"], check=True)
    with pytest.raises(SpecError, match=r"no commit that both origin/main and this branch come from\n.*fetch-depth: 0"):
        revision("origin/main")
    assert revision("origin/main", tip=True).commit == repository.git("rev-parse", "main")
    subprocess.run(["git", "fetch", "-q", "--unshallow"], check=True)
    assert revision("origin/main").commit == repository.git("merge-base", "main", "change")


def test_a_branch_that_was_not_fetched_is_told_how(repository, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--single-branch", "-b", "change", repository.folder, clone], check=True)
    monkeypatch.chdir(clone)
    with pytest.raises(SpecError, match="hint: `git fetch origin main` brings it"):
        revision("origin/main")


def test_a_file_of_a_submodule_is_told(repository, tmp_path):
    other = Repository(tmp_path / "other")
    other.commit(inner=NET)
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "part")
    repository.commit()
    assert "part/models/inner.yaml is in the submodule part, whose files HEAD does not hold" in words(
        "HEAD:part/models/inner.yaml"
    )


@pytest.mark.parametrize("text", ["input: [3]", "https://example.org/net.yaml"])
def test_what_is_meant_otherwise_is_no_revision(repository, text):
    assert asked(text) is None
    assert "revision" not in words(text)


def test_no_git(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "revisions are read by git, which is not installed" in words("v7:models/net.yaml")


def test_names_are_told_apart():
    assert place_of("main:./a/b.yaml") == Place("main", "./a/b.yaml")
    assert place_of("origin/main:../b.yaml") == Place("origin/main", "../b.yaml")
    assert place_of("main:.") == Place("main", ".")
    for name in ("a.yaml", "main:a.yaml", "./a:b", ":./a", "main:.a"):
        assert place_of(name) is None
