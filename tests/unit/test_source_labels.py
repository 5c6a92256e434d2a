"""Class names: whoever wrote the file, the names are the names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloformer.errors import InputError
from cloformer.export.source.labels import check_names, first_repeated, read_labels


@pytest.mark.parametrize(
    "data",
    [
        "ant\nbee\nwasp\n",
        "ant\nbee\nwasp",
        "\ufeffant\nbee\nwasp\n",
        "ant\r\nbee\r\nwasp\r\n",
        "\ufeffant\r\nbee\r\nwasp\r\n\r\n\n",
        "ant\rbee\rwasp\r",
        " ant \n\tbee\nwasp  \n  \n",
    ],
)
def test_however_they_are_written(tmp_path: Path, data: str) -> None:
    """A byte order mark is no part of the first name, nor a carriage return of any."""
    (tmp_path / "labels.txt").write_bytes(data.encode())
    assert read_labels(tmp_path / "labels.txt") == ("ant", "bee", "wasp")


def test_a_name_may_be_there_twice(tmp_path: Path) -> None:
    """In ImageNet's own list, "crane" (a bird, and a machine) and "maillot" are."""
    names = ("kite", "crane", "maillot", "crane", "maillot")
    (tmp_path / "labels.txt").write_text("\n".join(names))
    assert read_labels(tmp_path / "labels.txt") == names
    assert first_repeated(names) == ("crane", 2, 4)
    assert first_repeated(names[:3]) is None


def test_names_in_any_script(tmp_path: Path) -> None:
    names = (
        "naïve",
        "蜂",
        "نحلة",
        "דבורה",
        "пчела",
        "मधुमक्खी",
        "👩\u200d🔬",
        "a b",
        "0",
        "-",
        "e\u0301",
        "C\u200eD",
    )
    (tmp_path / "labels.txt").write_text("\n".join(names))
    assert read_labels(tmp_path / "labels.txt") == names


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no name|empty line"),
        (b"\n\n", "no name|empty line"),
        (b"a\n\nb\n", "line 2 is an empty line"),
        (b"a\nb\x1b[31mc\n", "line 2, b.*has a character that no name has"),
        (b"a\0b\n", "has a character"),
        ("a\u2028b\n".encode(), "has a character"),
        ("a\x85b\n".encode(), "has a character"),
        (b"a\x0cb\n", "has a character"),
        (b"caf\xe9\n", "is not UTF-8"),
        ("ab".encode("utf-16"), "is not UTF-8"),
        (b"x" * 2000, "has 2000 characters"),
        (b"x\n" * 2**24, "too large"),
    ],
    ids=range(12),
)
def test_what_is_no_list_of_names(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "labels.txt").write_bytes(data)
    with pytest.raises(InputError, match=words) as refused:
        read_labels(tmp_path / "labels.txt")
    assert len(refused.value.lines) == 2
    assert all(line.isprintable() for line in refused.value.lines)


def test_places_that_are_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError):
            read_labels(path)


def test_many_names_are_read_at_once() -> None:
    names = [str(number) for number in range(200_000)]
    assert len(check_names(names)) == len(names)
