"""Data sets in every form, and everything that can be wrong with them."""

from __future__ import annotations

import gzip
import io
import os
import resource
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_folders import CLASSES, write_folders

from cloformer.errors import InputError
from cloformer.export.accuracy import arrays as reading
from cloformer.export.accuracy.data import check_images, read_dataset


def idx(values: np.ndarray) -> bytes:  # type: ignore[type-arg]
    lengths = b"".join(length.to_bytes(4, "big") for length in values.shape)
    return bytes([0, 0, 8, values.ndim]) + lengths + values.tobytes()


def write_idx(root: Path) -> Path:
    root.mkdir()
    for prefix, count in (("train", 6), ("t10k", 4)):
        pixels = np.arange(count * 28 * 28, dtype=np.uint64).astype(np.uint8).reshape(count, 28, 28)
        (root / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
        (root / f"{prefix}-labels-idx1-ubyte").write_bytes(idx((np.arange(count) % 3).astype(np.uint8)))
    return root


def test_folders(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "insects")
    (root / "train" / "ant" / ".DS_Store").write_bytes(b"x")
    (root / "train" / "ant" / "Thumbs.db").write_bytes(b"x")
    data = read_dataset(root)
    assert (data.name, data.classes, data.named) == ("insects", CLASSES, True)
    assert data.train is not None
    assert list(data.train.labels) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.train.load(0).size == (10, 12)
    assert data.train.where(4) == str(root / "train" / "bee" / "1.png")
    said: list[str] = []
    check_images(data.train, said.append)
    assert said == ["checking images: 0 of 9"]


@pytest.mark.parametrize("halves", [("val",), ("test",)])
def test_images_to_evaluate_on(tmp_path: Path, halves: tuple[str, ...]) -> None:
    root = write_folders(tmp_path / "data", halves=halves)
    for path in (root, root / halves[0]):
        data = read_dataset(path)
        assert data.train is None
        assert len(data.val.labels) == 9


def test_idx(tmp_path: Path) -> None:
    data = read_dataset(write_idx(tmp_path / "mnist"))
    assert data.train is not None
    assert (len(data.train.labels), list(data.val.labels), data.classes, data.named) == (
        6, [0, 1, 2, 0], ("0", "1", "2"), False,
    )  # fmt: skip
    assert np.array_equal(
        np.asarray(data.train.load(1))[..., 2], (np.arange(784, 1568) % 256).reshape(28, 28)
    )
    check_images(data.train, print)


def test_names_for_numbers(tmp_path: Path) -> None:
    root = write_idx(tmp_path / "mnist")
    names = tmp_path / "names.txt"
    names.write_text("ant\nbee\nwasp\n")
    assert read_dataset(root, names).classes == CLASSES
    shutil.copy(names, root / "labels.txt")
    assert read_dataset(root).classes == CLASSES


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    pixels, labels = np.zeros((4, 5, 6, 3), np.uint8), np.array([0, 1, 0, 1])
    np.savez(path, train_images=pixels, train_labels=labels, val_images=pixels, val_labels=labels)
    data = read_dataset(path)
    assert data.name == "some"
    assert data.val.load(3).size == (6, 5)


def test_what_is_no_image_is_left_out_and_named(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "data")
    (root / "train" / "bee" / "0.png").rename(root / "train" / "bee" / "no ending")
    (root / "train" / "bee" / "notes.txt").write_text("words")
    (root / "val" / "ant" / "list.csv").write_text("words")
    (root / "val" / "ant" / ".DS_Store").write_text("words")
    data = read_dataset(root)
    assert data.train is not None
    assert len(data.train.labels) == len(data.val.labels) == 9
    assert [(item.folder.name, item.files) for item in data.left_out] == [
        ("train", ("bee/notes.txt",)), ("val", ("ant/list.csv",)),
    ]  # fmt: skip


def _emptied(root: Path) -> None:
    for file in (root / "train" / "bee").iterdir():
        file.unlink()


def _of_words(root: Path) -> None:
    _emptied(root)
    (root / "train" / "bee" / "notes.txt").write_text("words")


def _twice(root: Path) -> None:
    shutil.copytree(root / "train" / "bee", root / "train" / "Bee ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_emptied, "bee is empty"),
        (_of_words, "bee has no image"),
        (_twice, "two classes that are called 'Bee'"),
        (lambda root: shutil.rmtree(root / "val"), "no val/"),
        (lambda root: shutil.rmtree(root / "val" / "bee"), "'bee' is in .*train and not in .*val"),
        (lambda root: shutil.rmtree(root / "train" / "bee"), "'bee' is in .*val and not in .*train"),
        (lambda root: (root / "train" / "bee" / "more").mkdir(), "folder in a class folder"),
        (lambda root: [shutil.rmtree(root / "train" / name) for name in CLASSES[1:]], "1 class folder,"),
    ],
)
def test_folders_that_are_wrong(tmp_path: Path, change: Callable[[Path], object], words: str) -> None:
    root = write_folders(tmp_path / "data")
    change(root)
    with pytest.raises(InputError, match=words) as refused:
        read_dataset(root)
    assert len(refused.value.lines) <= 3


@pytest.mark.parametrize("content", [b"", b"no image", None], ids=["empty", "text", "truncated"])
def test_a_broken_image_is_found(tmp_path: Path, content: bytes | None) -> None:
    root = write_folders(tmp_path / "data")
    broken = root / "train" / "wasp" / "1.png"
    broken.write_bytes(broken.read_bytes()[:-60] if content is None else content)
    data = read_dataset(root)
    assert data.train is not None
    with pytest.raises(InputError, match=r"image .*wasp.1\.png cannot be read"):
        check_images(data.train, print)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="0 class folders"):
        read_dataset(tmp_path)
    root = write_folders(tmp_path / "data")
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\n")
    with pytest.raises(InputError, match="folders have names"):
        read_dataset(root, names)


def _shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train-labels-idx1-ubyte", _shorter, "has 5 values, and 6 are announced"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(p.read_bytes() + b"\0"), "more than 6 values"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(idx(np.zeros(5, np.uint8))), "5 labels for 6 images"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(b"\0\0\x0d\1" + bytes(4)), "no idx file"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(b"\0\0\x08\1\xff\xff\xff\xff"), "are announced"),
        ("train-labels-idx1-ubyte", Path.unlink, "no file of labels"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(idx(np.array([0, 1, 3, 0, 1, 3], np.uint8))), "class 2"),
        ("t10k-images-idx3-ubyte.gz", Path.unlink, "has no t10k-images"),
        ("train-images-idx3-ubyte.gz", _shorter, "cannot be read"),
        ("train-images-idx3-ubyte.gz", lambda p: p.write_bytes(b"\x1f\x8b junk"), "cannot be read"),
    ],
)  # fmt: skip
def test_idx_files_that_are_wrong(
    tmp_path: Path, name: str, change: Callable[[Path], object], words: str
) -> None:
    root = write_idx(tmp_path / "mnist")
    change(root / name)
    with pytest.raises(InputError, match=words):
        read_dataset(root)


@pytest.mark.parametrize(("names", "words"), [("a\nb\n", "class 2"), ("a\n\nc\n", "empty line")])
def test_names_that_do_not_fit(tmp_path: Path, names: str, words: str) -> None:
    (tmp_path / "names.txt").write_text(names)
    with pytest.raises(InputError, match=words):
        read_dataset(write_idx(tmp_path / "mnist"), tmp_path / "names.txt")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"val_images": np.zeros((2, 4, 4), np.float32)}, "float32"),
        ({"val_images": np.zeros((2, 4, 4, 5), np.uint8)}, "give uint8 of"),
        ({"val_images": np.zeros((3, 4, 4), np.uint8)}, "2 labels for 3 images"),
        ({"val_labels": np.array([0, -1])}, "whole numbers from 0"),
        ({"val_labels": np.array([0.0, 1.0])}, "float64"),
        ({"val_labels": np.array(["a", "b"], dtype=object)}, "cannot be read"),
    ],
)
def test_arrays_that_are_wrong(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:  # type: ignore[type-arg]
    path = tmp_path / "some.npz"
    whole = {"val_images": np.zeros((2, 4, 4), np.uint8), "val_labels": np.array([0, 1])}
    np.savez(path, **{**whole, **arrays})
    with pytest.raises(InputError, match=words):
        read_dataset(path)


def test_arrays_without_a_validation(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", images=np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(InputError, match="no val_images"):
        read_dataset(tmp_path / "some.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match="cannot be read"):
        read_dataset(tmp_path / "text.npz")


WHOLE = {"val_images": np.zeros((2, 4, 4), np.uint8), "val_labels": np.array([0, 1])}


def npy(shape: object, descr: str = "|u1", data: bytes = b"") -> bytes:
    """An array's file whose header says what it likes."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def npz(**members: bytes) -> bytes:
    stream = io.BytesIO()
    labels = npy((2,), "<i8", (0).to_bytes(8, "little") + (1).to_bytes(8, "little"))
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in {"val_labels": labels, **members}.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def _encrypted(data: bytes) -> bytes:
    """With the bit set that says so, in both of the archive's lists."""
    marked = bytearray(data)
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(sign, start + 1)) >= 0:
            marked[start + at] |= 1
    return bytes(marked)


def _npz_of(method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, value in WHOLE.items():
            content = io.BytesIO()
            np.save(content, value)
            archive.writestr(f"{name}.npy", content.getvalue())
    return stream.getvalue()


def _plain(value: np.ndarray) -> bytes:  # type: ignore[type-arg]
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


HOSTILE = {
    "a plain array": _plain(np.zeros((2, 4, 4), np.uint8)),
    "an array of 175 TiB": npz(val_images=npy((13_743_895_347, 14_000), data=bytes(32))),
    "a negative length": npz(val_images=npy((-2, 4, 4), data=bytes(32))),
    "a length that is no number": npz(val_images=npy("(True, 'x')", data=bytes(32))),
    "more bytes announced than there": npz(val_images=npy((3, 4, 4), data=bytes(32))),
    "objects": npz(val_images=_plain(np.array([{"a": 1}], dtype=object))),
    "things of no size": npz(val_images=npy((10**18,), "|V0")),
    "texts": npz(val_images=npy((2,), "<U1", bytes(8))),
    "a header of code": npz(val_images=npy("__import__('os').mkdir('owned')")),
    "a deep header": npz(val_images=npy("(" * 90 + ")" * 20)),
    "encrypted": _encrypted(npz(val_images=npy((2, 4, 4), data=bytes(32)))),
    "packed by another": _npz_of(zipfile.ZIP_LZMA),
    "nothing": b"",
    "an archive's end alone": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays(tmp_path: Path, name: str) -> None:
    path = tmp_path / "some.npz"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(InputError) as refused:
        read_dataset(path)
    assert str(path) in refused.value.lines[0]
    assert 2 <= len(refused.value.lines) <= 3


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_arrays(tmp_path: Path, method: int) -> None:
    """Cut short at every length, and a bit flipped at every byte: refused, or the same arrays."""
    whole, path = _npz_of(method), tmp_path / "some.npz"
    for at in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        for data in (whole[:at], bytes(flipped)):
            path.write_bytes(data)
            try:
                found = read_dataset(path)
            except InputError:
                continue
            assert [np.asarray(found.val.load(index)).max() for index in (0, 1)] == [0, 0]


def test_memory_follows_the_size_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No number in it takes memory, and nothing unpacks without end."""
    monkeypatch.setattr(reading, "_SMALL", 2**20)
    bombs = {"bomb.npz": np.zeros((64, 1000, 1000), np.uint8), "many.npz": np.zeros((10**6, 8, 8), np.uint8)}
    for name, pixels in bombs.items():
        np.savez_compressed(tmp_path / name, val_images=pixels, val_labels=np.zeros(len(pixels), np.int64))
    np.savez(
        tmp_path / "label.npz", val_images=np.zeros((2, 4, 4), np.uint8), val_labels=np.array([0, 10**9])
    )
    for name, size in (("idx", 2**33), ("gz", 2**33), ("gz-bomb", 64 * 10**6)):
        root = write_idx(tmp_path / name)
        head = bytes([0, 0, 8, 3]) + (size // 10**6 + 1).to_bytes(4, "big") + 2 * (1000).to_bytes(4, "big")
        content = head + bytes(64 * 10**6 + 10**6 if name == "gz-bomb" else 100)
        images = root / "train-images-idx3-ubyte.gz"
        if name == "idx":
            images.unlink()
            (root / "train-images-idx3-ubyte").write_bytes(content)
        else:
            images.write_bytes(gzip.compress(content))
    del bombs, content
    child = os.fork()
    if child == 0:
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 2**26, held + 2**26))
        try:
            for name in ("bomb.npz", "many.npz", "label.npz", "idx", "gz", "gz-bomb"):
                with pytest.raises(InputError) as refused:
                    read_dataset(tmp_path / name)
                assert "MemoryError" not in str(refused.value)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("shape", [(2, 0, 4), (2, 4, 0), (0, 4, 4), (2, 70_000, 1)])
def test_images_without_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape[0], np.int64)
    np.savez(tmp_path / "some.npz", val_images=np.zeros(shape, np.uint8), val_labels=labels)
    with pytest.raises(InputError, match="of"):
        read_dataset(tmp_path / "some.npz")


def test_orders_and_types_that_numpy_writes(tmp_path: Path) -> None:
    """Fortran's order, labels of any whole type in either order of bytes, and members that are nobody's."""
    pixels = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    for kind in ("u1", "<i4", ">i8", "<u8"):
        path = tmp_path / f"{kind[-2:]}.npz"
        np.savez(path, val_images=np.asfortranarray(pixels), val_labels=np.array([1, 0], kind), other=["x"])
        found = read_dataset(path)
        assert list(found.val.labels) == [1, 0]
        assert np.array_equal(np.asarray(found.val.load(1))[..., 0], pixels[1])


def test_a_folder_s_name_that_is_none(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "data")
    for half in ("train", "val"):
        (root / half / "bee").rename(root / half / "bee\x1b[31m")
    with pytest.raises(InputError, match="no name of a class"):
        read_dataset(root)


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "some.npz")
    root = write_folders(tmp_path / "data")
    os.mkfifo(root / "train" / "bee" / "pipe.png")
    data = read_dataset(root)
    assert data.train is not None
    with pytest.raises(InputError, match="a pipe or a device"):
        check_images(data.train, print)
    with pytest.raises(InputError, match="no data set"):
        read_dataset(tmp_path / "some.npz")


def test_a_class_beyond_every_number(tmp_path: Path) -> None:
    """2**64 - 1 is not minus one."""
    arrays = {f"{half}_images": np.zeros((4, 8, 8), np.uint8) for half in ("train", "val")}
    arrays |= {f"{half}_labels": np.array([0, 1, 0, 1], np.uint64) for half in ("train", "val")}
    arrays["val_labels"][3] = 2**64 - 1
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InputError, match="labels are uint64"):
        read_dataset(tmp_path / "set.npz")
