"""Prints what CHANGELOG.md says of the version in pyproject.toml, as the text of a release.

Ends with status 1 where it says nothing of that version, calls it unreleased, or where a tag that is given (``--tag
v1.2.3``) is another one.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def section(changelog: str, version: str) -> str:
    """Return what stands under the heading of a version."""
    heading = re.search(rf"^## \[?{re.escape(version)}\]?(?P<when>.*)$", changelog, re.MULTILINE)
    if heading is None or "unreleased" in heading["when"].lower():
        raise SystemExit(f"CHANGELOG.md has no released section {version}: write '## {version} - YYYY-MM-DD'")
    rest = changelog[heading.end() :]
    following = re.search(r"^## ", rest, re.MULTILINE)
    return rest[: following.start() if following else None].strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tag", help="the tag of the release")
    tag = parser.parse_args().tag
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag not in (None, f"v{version}"):
        raise SystemExit(f"The tag is {tag!r}, pyproject.toml says {version}: make one of them the other")
    sys.stdout.write(section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version) + "\n")
