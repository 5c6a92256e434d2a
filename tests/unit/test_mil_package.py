"""Packages whose files are damaged, missing, elsewhere or something else: each is refused with its reason."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from mil_package import MODEL, WEIGHTS, block, edit, run, weight

from cloformer.errors import InputError
from cloformer.export.formats.coreml.mil import Interpreter, read_package

ENTRY = 64  # the first value's place in a weight file, behind the header


def test_the_sound_package_runs(package: Path) -> None:
    """Or the tests below would show nothing."""
    assert next(iter(run(package).values())).shape == (1, 8, 4, 4)


# --- the folder and its list


def test_a_folder_without_anything(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no Manifest\.json"):
        read_package(tmp_path)


@pytest.mark.parametrize("path", ["missing.mlpackage", "a file", "nul\0"])
def test_no_folder_at_all(tmp_path: Path, path: str) -> None:
    (tmp_path / "a file").write_text("no folder")
    with pytest.raises(InputError):
        read_package(tmp_path / path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00garbage",
        b"[]",
        b"null",
        b"{}",
        b'{"itemInfoEntries": [], "rootModelIdentifier": "a"}',
        b'{"itemInfoEntries": {"a": {"path": 7}}, "rootModelIdentifier": "a"}',
        b'{"itemInfoEntries": {"a": {"path": null}}, "rootModelIdentifier": "a"}',
        b'{"itemInfoEntries": {"a": {"path": "b"}}, "rootModelIdentifier": ["a"]}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"9" * 100_000,
        b" " * (2 << 20),
    ],
    ids=lambda content: content[:24].decode("ascii", "replace"),
)
def test_a_list_that_is_none(package: Path, content: bytes) -> None:
    (package / "Manifest.json").write_bytes(content)
    with pytest.raises(InputError):
        read_package(package)


@pytest.mark.parametrize(
    "entry",
    [
        "../../outside",
        "/etc/passwd",
        "com.apple.CoreML/../../../outside",
        "",
        ".",
        "missing",
        "a" * 5000,
        "nul\0",
    ],
)
def test_a_list_that_points_elsewhere(package: Path, entry: str) -> None:
    (package.parent / "outside").write_bytes((package / MODEL).read_bytes())
    listing = json.loads((package / "Manifest.json").read_text())
    listing["itemInfoEntries"][listing["rootModelIdentifier"]]["path"] = entry
    (package / "Manifest.json").write_text(json.dumps(listing))
    with pytest.raises(InputError):
        read_package(package)


@pytest.mark.parametrize("name", ["Manifest.json", MODEL, WEIGHTS])
@pytest.mark.parametrize("target", ["a sound file", "/dev/zero", "itself", "missing"])
def test_links_that_leave_the_package(package: Path, name: str, target: str) -> None:
    file = package / name
    outside = package.parent / "a sound file"
    shutil.copy(file, outside)
    file.unlink()
    file.symlink_to({"a sound file": outside, "itself": file}.get(target, Path(target)))
    with pytest.raises(InputError):
        read_package(package)


@pytest.mark.parametrize("name", ["Manifest.json", MODEL, WEIGHTS])
def test_pipes_are_not_waited_for(package: Path, name: str) -> None:
    (package / name).unlink()
    os.mkfifo(package / name)
    with pytest.raises(InputError):
        read_package(package)


def test_links_within_the_package_are_followed(package: Path) -> None:
    (package / WEIGHTS).rename(package / "Data/elsewhere.bin")
    (package / WEIGHTS).symlink_to(package / "Data/elsewhere.bin")
    run(package)


# --- the weights


def patch(package: Path, offset: int, data: bytes) -> None:
    """Other bytes in the weight file."""
    content = bytearray((package / WEIGHTS).read_bytes())
    content[offset : offset + len(data)] = data
    (package / WEIGHTS).write_bytes(content)


@pytest.mark.parametrize(
    "name",
    [
        "@model_path/../../../outside",
        "@model_path/../../../../../../../../etc/passwd",
        "@model_path//etc/passwd",
        "/etc/passwd",
        "weights/weight.bin",
        "@model_path/",
        "@model_path/weights",
        "@model_path/missing",
        "@model_path/nul\0",
        "@model_path/" + "a" * 5000,
        "",
    ],
)
def test_weights_that_lie_elsewhere(package: Path, name: str) -> None:
    shutil.copy(package / WEIGHTS, package.parent / "outside")
    edit(package, lambda model: setattr(weight(model).blobFileValue, "fileName", name))
    with pytest.raises(InputError):
        read_package(package)


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (4, struct.pack("<I", 1)),
        (ENTRY, b"\0\0\0\0"),
        (ENTRY + 4, struct.pack("<I", 6)),
        (ENTRY + 4, struct.pack("<I", 99)),
        (ENTRY + 8, struct.pack("<Q", 0)),
        (ENTRY + 8, struct.pack("<Q", 1 << 60)),
        (ENTRY + 16, struct.pack("<Q", 1 << 60)),
        (ENTRY + 16, struct.pack("<Q", (1 << 64) - 1)),
    ],
    ids=["version", "sentinel", "type", "unknown type", "no bytes", "2**60 bytes", "outside", "far outside"],
)
def test_weight_files_that_lie(package: Path, offset: int, data: bytes) -> None:
    patch(package, offset, data)
    with pytest.raises(InputError):
        read_package(package)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 127, 128, -1])
def test_weight_files_that_end_early(package: Path, size: int) -> None:
    content = (package / WEIGHTS).read_bytes()
    (package / WEIGHTS).write_bytes(content[:size])
    with pytest.raises(InputError):
        read_package(package)


def test_one_weight_under_many_names_is_held_once(package: Path) -> None:
    """A thousand constants at one place are one value; a thousand entries for the same bytes are refused."""

    def copy(model: Any) -> None:
        original = next(item for item in block(model).operations if item.attributes["val"] == weight(model))
        for index in range(1000):
            added = block(model).operations.add()
            added.CopyFrom(original)
            added.outputs[0].name = f"copy_{index}"

    edit(package, copy)
    constants = Interpreter(read_package(package).program.functions["main"]).constants
    assert len({constants[f"copy_{index}"].data_ptr() for index in range(1000)}) == 1

    content = (package / WEIGHTS).read_bytes()
    entries = [len(content) + ENTRY * index for index in range(1000)]
    (package / WEIGHTS).write_bytes(content + content[ENTRY : 2 * ENTRY] * 1000)

    def spread(model: Any) -> None:
        copies = [item for item in block(model).operations if item.outputs[0].name.startswith("copy_")]
        for item, offset in zip(copies, entries, strict=True):
            item.attributes["val"].blobFileValue.offset = offset

    edit(package, spread)
    with pytest.raises(InputError, match="overlaps"):
        read_package(package)
