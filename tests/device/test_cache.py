"""The files that a device is made of, kept in the user's cache: whole, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloformer.errors import InputError
from cloformer.io.cache import cache_folder, placed


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cloformer"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder().is_absolute() and cache_folder().name == "cloformer"


def test_what_is_kept_is_whole_or_not_there(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "thing"
    with pytest.raises(ZeroDivisionError), placed(place) as folder:
        (folder / "half").write_text("")
        raise ZeroDivisionError
    assert not place.exists() and list(place.parent.iterdir()) == []
    with placed(place) as folder:
        (folder / "whole").write_text("first")
    with placed(place) as folder:  # another process was quicker
        (folder / "whole").write_text("second")
    assert (place / "whole").read_text() == "first" and list(place.parent.iterdir()) == [place]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="XDG_CACHE_HOME"), placed(tmp_path / "file" / "thing"):
        pass
