"""What a model may weigh, as people write it, and what is said of one that weighs more."""

from __future__ import annotations

from pathlib import Path

import pytest
from outcome import Command

from cloformer.io.numbers import bytes_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5MB", 5_000_000),
        ("4.5 MiB", 4_718_592),
        ("300kB", 300_000),
        ("300KB", 300_000),
        ("17", 17),
        ("0B", 0),
        ("1GiB", 2**30),
    ],
)
def test_sizes(text: str, found: int) -> None:
    assert bytes_in(text) == found


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "5 M", "5mb", "1e6", "5MB ", "\u0665MB", "nan", "5  MB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        bytes_in(text)


def test_a_larger_one_is_refused_and_replaces_nothing(command: Command, tmp_path: Path) -> None:
    asked = ("export", "--model", "user_models:vit", "--image-size", "64", "--output", tmp_path)
    first = command(*asked, "--max-size", "100MB")
    assert first.code == 0, first.err
    (folder,) = tmp_path.iterdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    weight = len(before["model.onnx"])
    assert command("inspect", folder, "--max-size", str(weight)).code == 0
    for refused in (
        command(*asked, "--max-size", f"{weight - 1}B"),
        command("inspect", folder, "--max-size", f"{weight - 1}B"),
    ):
        assert refused.code == 1
        assert f"{weight:,} bytes, and --max-size allows {weight - 1:,}" in refused.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    shown = command("inspect", folder, "--max-size", "1kB", "--json")
    assert shown.code == 1 and shown.json["fits"] is False
