"""The guarded reader: regular files, bounded bytes, bounded JSON, UTF-8; and nothing that is waited for."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloformer.errors import GateError, InputError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import decoding, opened, parse_json, read_bytes, read_json, read_text, sha256_of
from cloformer.io.safetensors import check_head, with_sorted_header


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """A reader that waits fails."""

    def waited(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, waited)
    signal.setitimer(signal.ITIMER_REAL, 20)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def _odd_places(folder: Path) -> dict[str, Path]:
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "broken").symlink_to(folder / "nowhere")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "to-pipe").symlink_to(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
    names = [
        "pipe",
        "folder",
        "broken",
        "circle",
        "to-pipe",
        "socket",
        "nowhere",
        "nowhere/at/all",
        "zero\0byte",
    ]
    names += ["n" * 300, "folder/", "folder/."]
    return {name: folder / name for name in names} | {
        device: Path(device) for device in ("/dev/zero", "/dev/tty", "/proc/self/mem")
    }


def test_what_is_no_file_is_refused_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name, path in _odd_places(tmp_path).items():
        for read in (
            sha256_of,
            lambda path: read_bytes(path, 100, "advice"),
            lambda path: read_json(path, 9, "a"),
        ):
            with pytest.raises(InputError) as refused:
                read(path)
            assert len(refused.value.lines) == 2, name
            assert all(line.isprintable() for line in refused.value.lines), name
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_has_no_more_bytes_than_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size in (0, 1, 99, 100):
        path.write_bytes(bytes(size))
        assert read_bytes(path, 100, "-") == bytes(size)
    for size in (101, 2**21):
        path.write_bytes(bytes(size))
        with pytest.raises(InputError, match="more than 100 bytes"):
            read_bytes(path, 100, "-")
    # A file of the system's whose size is said to be zero.
    with pytest.raises(InputError, match="more than 10 bytes"):
        read_bytes(Path("/proc/self/status"), 10, "-")
    path.write_bytes(b"")
    os.truncate(path, 2**40)  # of nothing but holes
    with pytest.raises(InputError, match="more than 100 bytes"):
        read_bytes(path, 100, "-")


def test_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_text(tmp_path / "link", 100, "-") == "text"
    with pytest.raises(InputError, match="it is a link"):
        read_text(tmp_path / "link", 100, "-", follow_links=False)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
        (b"\xef\xbb\xbf", ""),
        (b"a\r\nb", "a\r\nb"),
        (b"caf\xe9", None),
        (b"\xff\xfec\0", None),
        (b"\xed\xa0\x80", None),
    ],
)
def test_text(tmp_path: Path, data: bytes, text: str | None) -> None:
    (tmp_path / "file").write_bytes(data)
    if text is not None:
        assert read_text(tmp_path / "file", 100, "-") == text
        return
    with pytest.raises(InputError, match="is not UTF-8"):
        read_text(tmp_path / "file", 100, "-")


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1,]", "NaN", "[Infinity]", "-Infinity", "1e999", "9" * 5000, str(2**63), '"\n"', "{} {}", "'a'",
        "[" * 65 + "]" * 65, "[" * 100_000, '{"a":' * 70 + "1" + "}" * 70,
    ],
)  # fmt: skip
def test_what_is_no_json_here(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(text)
    (tmp_path / "file").write_text(text)
    with pytest.raises(InputError, match="is not JSON that can be read"):
        read_json(tmp_path / "file", 10**6, "-")


def test_what_is_json(tmp_path: Path) -> None:
    assert parse_json("[" * 64 + "]" * 64)
    assert parse_json(str(-(2**63))) == -(2**63)
    assert parse_json("[NaN, -Infinity, 1.5]", nan_is_null=True) == [None, None, 1.5]
    (tmp_path / "file").write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null, true, "\\ud83d\\ude00"]}')
    assert read_json(tmp_path / "file", 100, "-") == {"a": [1, 2.5, None, True, "\U0001f600"]}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=20,
    )
)  # fmt: skip
def test_every_value_comes_back(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_an_error(data: bytes) -> None:
    try:
        value = parse_json(data.decode("utf-8", "replace"))
    except ValueError:
        return
    assert json.loads(json.dumps(value)) == value


def test_a_foreign_decoder_s_exceptions_are_bad_input() -> None:
    for error in (
        ZeroDivisionError(),
        MemoryError(),
        RecursionError("deep\nlines"),
        KeyError("x"),
        StopIteration(),
    ):
        with (
            pytest.raises(InputError, match=r"^file\.bin cannot be read: .") as refused,
            decoding("file.bin", "try"),
        ):
            raise error
        assert len(refused.value.lines) == 2
        assert refused.value.__cause__ is error
    with pytest.raises(GateError), decoding("file.bin", "-"):
        raise GateError("ours")
    with pytest.raises(KeyboardInterrupt), decoding("file.bin", "-"):
        raise KeyboardInterrupt


def test_an_error_while_a_file_is_open_is_about_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(InputError, match="file cannot be read: Input/output error"),
        opened(tmp_path / "file", "-") as file,
    ):
        assert file.read() == b"x"
        raise OSError(5, "Input/output error")


def test_fields() -> None:
    fields = Fields({"a": {"b": [1, 2]}, "c": None, "d": 2.5, "e": "x"}, "top")
    assert fields.child("a").wholes("b", 0, 9) == (1, 2)
    assert fields.optional("c", fields.text) is None
    assert fields.number("d", 0, 3) == 2.5
    assert fields.default("z", fields.text, "no") == "no"
    with pytest.raises(FieldError, match=r"^top\.e is not a field"):
        fields.done()
    assert fields.rest() == {"e": "x"}
    fields.done()


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("meen", ". Did you mean mean?"), ("Std", ". Did you mean std?"), ("colour_order", ". Did you mean color_order?"),
        ("resize", ". Did you mean resize_size?"), ("size", ". Did you mean resize_size?"),
        ("zoom", "."), ("", "."), ("m" * 10_000, "."),
    ],
)  # fmt: skip
def test_an_unknown_field_is_told_which_one_was_meant(unknown: str, meant: str) -> None:
    """Among all that were asked for, there or not; never one that is nothing like it."""
    fields = Fields({"mean": 1, unknown: 2})
    fields.take("mean")
    for name in ("std", "color_order", "resize_size"):
        fields.default(name, fields.number, 0)
    with pytest.raises(FieldError) as refused:
        fields.done()
    said = f"is not a field that is known here{meant} Known are: mean, std, color_order, resize_size"
    assert refused.value.problem == said


WRONG: list[tuple[str, object]] = [
    ("whole", True), ("whole", 1.0), ("whole", "1"), ("whole", -1), ("whole", 2**63), ("number", math.nan),
    ("number", math.inf), ("number", False), ("number", "1"), ("text", 1), ("text", "a\0"), ("text", "\ud800"),
    ("text", "x" * 10_001), ("truth", 1), ("child", []), ("objects", {}), ("objects", [1]), ("sha256", "0" * 63),
    ("sha256", "g" * 64), ("texts", ["a", 1]), ("table", {"a": 1}), ("counts", {"a": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "value"), WRONG, ids=str)
def test_fields_of_another_type(method: str, value: object) -> None:
    fields = Fields({"name": value})
    with pytest.raises(FieldError) as refused:
        list(getattr(fields, method)("name"))
    assert refused.value.path.startswith("name")
    assert len(str(refused.value)) < 200


def _file(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


F32 = {"dtype": "F32", "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(8),
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        _file({"a": 1}),
        _file({"a": F32 | {"shape": [1] * 65}}, bytes(4)),
        _file({"a": F32 | {"shape": [2**40]}}, bytes(4)),
        _file({"a": F32 | {"shape": [-1]}}, bytes(4)),
        _file({"a": F32 | {"shape": [1.0]}}, bytes(4)),
        _file({"__metadata__": []}),
        _file({"__metadata__": {"a": 1}}),
        _file({"__metadata__": {"a": {}}}),
    ],
)
def test_heads_of_safetensors_that_are_wrong(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        check_head(data)


def test_heads_of_safetensors() -> None:
    from safetensors.numpy import load, save

    arrays = {"b": np.ones((2, 0, 3), np.float32), "a": np.arange(3, dtype=np.int64)}
    data = with_sorted_header(save(arrays, {"z": "1", "a": "2" * 20_000}))
    assert check_head(data) == {"z": "1", "a": "2" * 20_000}
    assert all(np.array_equal(load(data)[name], value) for name, value in arrays.items())
    assert check_head(_file({"__metadata__": None})) == {}
