"""What a model may weigh, as people write it, and what is said of one that weighs more; and what a delegate may leave of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from outcome import Command

from cloformer.io.numbers import bytes_in

KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2"


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


def test_what_a_delegate_leaves_is_told_and_refused(command: Command, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(KEPT / "litert", tmp_path / "litert"))
    within = ("--max-partitions", "1", "--max-undelegated", "0")
    sound = command("inspect", folder, *within)
    assert sound.code == 0
    assert "delegate    1 partition, nothing outside" in sound.out
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    place = {"name": "cdist", "module": "head", "location": "nets:Head:7"}
    document["graph"] |= {"partitions": 2, "undelegated": [{"operator": "TOPK_V2", **place}]}
    path.write_text(json.dumps(document))
    shown = command("inspect", folder, "--max-partitions", "2", "--max-undelegated", "1")
    assert shown.code == 0
    assert "2 partitions, 1 operator outside" in shown.out and "TOPK_V2 at head (nets:Head:7)" in shown.out
    for limit, told in (
        ("--max-partitions", "2 partitions"),
        ("--max-undelegated", "1 operator outside the delegate"),
    ):
        shown = command("inspect", folder, limit, "0" if limit == "--max-undelegated" else "1")
        assert shown.code == 1
        assert told in shown.err and "the first: TOPK_V2 at head (nets:Head:7)" in shown.err
        assert command("inspect", folder, limit, "0", "--json").json["fits"] is False


def test_a_format_without_delegates_has_none_to_limit(command: Command, tmp_path: Path) -> None:
    for asked in (("inspect", KEPT / "onnx"), ("export", "--format", "onnx", "--output", tmp_path)):
        shown = command(*asked, "--max-partitions", "1")
        assert shown.code == 2
        assert "are for formats with delegates, and onnx has none" in shown.err
