"""What MkDocs calls while it builds the site: pages made of the registries, and files from beside docs/."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent.parent))  # errors are taken from tests/, which no package brings
from docs import reference

#: files outside of docs/ that pages link to, by their place on the site
_BESIDE = {"CHANGELOG.md": "changelog.md"}
_KEPT = re.compile(r"\.(md|html|svg|png|csv)$")
_LINK = re.compile(r"(\]\()((?:\.\./)+)([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """A page for each family of ops stands in the navigation."""
    pages: list[Any] = [f"{reference.OPS}/index.md"]
    pages += [{reference.title(family): f"{reference.OPS}/{family}.md"} for family in reference.families()]
    for section in config.nav or []:
        for entry in section.get("Reference", []):
            if "Ops" in entry:
                entry["Ops"] = pages
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that are made, and the kept reports."""
    for name, text in reference.pages().items():
        files.append(File.generated(config, name, content=text))
    for path in sorted((reference.ROOT / "reports").iterdir()):
        if _KEPT.search(path.name):
            files.append(_copied(config, f"reports/{path.name}", f"reports/{path.name.replace('README', 'index')}"))
    for name, place in _BESIDE.items():
        files.append(_copied(config, name, place))
    return files


def _copied(config: MkDocsConfig, name: str, place: str) -> File:
    if name.endswith(".md"):  # from disk it would have the repository's date, and an edit link
        return File.generated(config, place, content=(reference.ROOT / name).read_text(encoding="utf-8"))
    return File.generated(config, place, abs_src_path=str(reference.ROOT / name))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Tables in place of their markers; links that leave docs/ lead to where that is on the site."""
    here = posixpath.dirname(page.file.src_uri)

    def placed(match: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join("docs", here, match[2], match[3]))
        if place.startswith("docs/"):
            return match[0]
        place = _BESIDE.get(place, place).replace("README.md", "index.md")
        return match[1] + posixpath.relpath(place, here or ".")

    if page.file.src_uri.startswith("reports/"):
        return markdown
    return _LINK.sub(placed, reference.filled(markdown))
