"""What only a page has: its name where a browser installs it, and the list of the files that it loads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cloformer.io.read import read_json, sha256_of
from cloformer.io.write import canonical_json

__all__ = ["files_list", "name_it"]

_WEB_MANIFEST = "app.webmanifest"
_MAX_BYTES = 2**20
# For people and for cloformer; and what keeps the others, which a browser looks after by itself.
_NOT_LOADED = {"README.md", "THIRD_PARTY_NOTICES.txt", ".gitattributes", "jsconfig.json", "sw.js"}


def name_it(folder: Path, app_name: str) -> None:
    """The name under which a browser installs the page, in place of the template's."""
    path = folder / _WEB_MANIFEST
    found = read_json(path, _MAX_BYTES, "install cloformer again")
    assert isinstance(found, dict)  # it is the template's
    named = {**found, "name": app_name, "short_name": app_name}
    path.write_text(canonical_json(named), "utf-8")


def files_list(folder: Path, names: Mapping[str, str], list_file: str) -> str:
    """The text of ``list_file``: SHA-256 of each of the files ``names`` that a page loads, as they are in ``folder``, and a
    ``version`` that is another one as soon as one of them is."""
    loaded = sorted(name for name in names if name not in {list_file, *_NOT_LOADED})
    files = {name: sha256_of(folder / name) for name in loaded}
    version = hashlib.sha256(canonical_json(files).encode()).hexdigest()
    return canonical_json({"version": version, "files": files})
