"""What mkdocs does besides while it builds the site (`hooks` in mkdocs.yml).

In order: pages that nobody writes are added (`reference_pages`, CONTRIBUTING, CHANGELOG and others of the repository),
and links that lead out of docs/ go to the repository, or become plain text where no address of one is known
(REPOSITORY_URL).
"""

from __future__ import annotations

import logging
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
from reference_pages import pages

ROOT = Path(__file__).resolve().parents[1]
FROM_ROOT = {
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "conduct.md": "CODE_OF_CONDUCT.md",
}
"""Page of the site -> file of the repository that it shows."""

LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)")
HOW_RUN = re.compile(r"<!-- not run: .+? -->\n")
log = logging.getLogger("mkdocs.hooks")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the files with those that are generated."""
    shown = {page: (ROOT / name).read_text(encoding="utf-8") for page, name in FROM_ROOT.items()}
    for place, text in {**pages(), **shown}.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text of a page as the site needs it: links that work there, no notes for the tests."""
    source = FROM_ROOT.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    folder = posixpath.dirname(source)

    def relinked(link: re.Match[str]) -> str:
        words, target, anchor = link[1], posixpath.normpath(posixpath.join(folder, link[2])), link[3] or ""
        return f"[{words}]({address(target, page, config)}{anchor})" if address(target, page, config) else words

    return LINK.sub(relinked, HOW_RUN.sub("", markdown))


def address(target: str, page: Page, config: MkDocsConfig) -> str:
    """Return where a file of the repository is for a page of the site; "" where it is nowhere."""
    pages_of = {name: place for place, name in FROM_ROOT.items()}
    inside = pages_of.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
    if inside is not None:
        return posixpath.relpath(inside, posixpath.dirname(page.file.src_uri) or ".")
    if not (ROOT / target).exists():
        log.warning("%s links to %s, which is not there", page.file.src_uri, target)
    return f"{config.repo_url.rstrip('/')}/blob/main/{target}" if config.repo_url else ""
