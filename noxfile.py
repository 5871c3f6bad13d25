"""The matrix of supported versions by hand: ``pip install nox uv``, then ``nox --list``.

What each session saw is in ``docs/contributing/versions.md``; the same runs in ``.github/workflows/ci.yml``.
"""

import nox

nox.options.sessions = ["static"]
nox.options.default_venv_backend = "uv|virtualenv"
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
#: what the tests of the static side need besides archscope itself
STATIC = ".[static-test]"


@nox.session(python=PYTHONS)
@nox.parametrize("libraries", ["pinned", "lowest"])
def static(session: nox.Session, libraries: str) -> None:
    """The static side, without torch: with the libraries of constraints.txt, or the oldest that are admitted."""
    if libraries == "pinned":
        session.install("--constraint", "constraints.txt", "--editable", STATIC)
    else:
        lowest = f"{session.create_tmp()}/lowest.txt"
        project = ["--resolution", "lowest-direct", "--python-version", str(session.python), "pyproject.toml"]
        session.run("uv", "pip", "compile", "--quiet", *project, "--extra", "static-test", "-o", lowest, external=True)
        session.install("--requirement", lowest)
        session.install("--no-deps", "--editable", ".")
    session.run("pytest", "--static", *session.posargs)


@nox.session(python=PYTHONS)
@nox.parametrize("torch", ["2.13.0", "2.14.1"])
def everything(session: nox.Session, torch: str) -> None:
    """All of ``.ci/run``, with one version of torch."""
    session.run("bash", ".ci/run", env={"PYTHON": f"python{session.python}", "TORCH": torch}, external=True)
