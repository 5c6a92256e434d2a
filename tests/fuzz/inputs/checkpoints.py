"""Checkpoints: .safetensors and .pth of a module, and what a trained CloFormer's metadata say of it."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from ..bombs import zip_of
from ..case import ANY, SOUND, InputClass, Place, Run, Trial
from ..sound import MODEL, Sound
from ..tensors import TROUBLES, drawn_tensors, joined, parts
from ..values import NAMES, damage
from .trained import drawn_trained, listed_trained, odd_trained

__all__ = ["CHECKPOINTS"]

State = dict[Any, Any]


# A module's own.


def _arguments(place: Place, file: str) -> tuple[str, ...]:
    """One of the commands that take any module's weights."""
    sound = place.sound
    choices = (
        ("export", "--model", MODEL, "--weights", file, "--image-size", "32", "--dry-run", "--output", "out"),
        ("export", "--weights", file, "--dry-run", "--output", "out", "--json"),
        ("parity", str(sound.onnx), "--model", MODEL, "--weights", file, "--no-operators"),
        ("evaluate", file, "--data", str(sound.data["arrays.npz"]), "--labels", str(sound.labels), "--limit", "1"),
        ("hub", file, "--output", "out/hub"),
        ("train", "--weights", file, "--data", str(sound.data["arrays.npz"]), "--labels", str(sound.labels),
         "--output", "out/run", "--teacher", "no_such_module:teacher"),
    )  # fmt: skip
    return choices[place.number % len(choices)]


def _run(place: Place, what: str, name: str, data: bytes, codes: frozenset[int]) -> Run:
    (place.folder / name).write_bytes(data)
    return Run(what, _arguments(place, name), codes)


def _of_safetensors(content: Callable[[bytes], bytes], place: Place) -> Run:
    return _run(place, "", "weights.safetensors", content(place.sound.weights.read_bytes()), ANY)


def _state(sound: Sound) -> State:
    return dict(torch.load(sound.weights.with_suffix(".pth"), weights_only=True))


def _saved(value: Any, **how: Any) -> bytes:
    target = io.BytesIO()
    torch.save(value, target, **how)
    return target.getvalue()


class RunsCode:
    """Makes a folder where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("owned",)


class Strange:
    """No tensor."""


def _first(change: Callable[[torch.Tensor], Any]) -> Callable[[State], Any]:
    def apply(state: State) -> State:
        name = next(iter(state))
        return {**state, name: change(state[name])}

    return apply


def _named(name: Any) -> Callable[[State], Any]:
    return lambda state: {name if key == next(iter(state)) else key: value for key, value in state.items()}


def _in_itself(depth: int) -> Callable[[State], Any]:
    def apply(state: State) -> Any:
        for _ in range(depth):
            state = {"state_dict": state}
        return state

    return apply


def _same(state: State) -> State:
    state["again"] = state
    return state


_STATES: dict[str, Callable[[State], Any]] = {
    "nothing": lambda state: {},
    "null": lambda state: None,
    "a list": lambda state: list(state.values()),
    "a tensor": lambda state: torch.zeros(3),
    "a word": lambda state: "weights",
    "numbers for names": lambda state: dict(enumerate(state.values())),
    "numbers for tensors": lambda state: dict.fromkeys(state, 1.0),
    "null for tensors": lambda state: dict.fromkeys(state),
    "lists for tensors": lambda state: {name: value.tolist() for name, value in state.items()},
    "one tensor less": lambda state: dict(list(state.items())[1:]),
    "one tensor more": lambda state: {**state, "more": torch.zeros(1)},
    "wrapped 50 times": _in_itself(50),
    "wrapped 200 times": _in_itself(200),
    "itself": _same,
    "not a number": _first(lambda value: torch.full_like(value, float("nan"))),
    "infinity": _first(lambda value: torch.full_like(value, float("inf"))),
    "float64 beyond float32": _first(lambda value: torch.full(value.shape, 1e300, dtype=torch.float64)),
    "complex": _first(lambda value: value.to(torch.complex64)),
    "truth": _first(lambda value: value.bool()),
    "whole numbers": _first(lambda value: value.long()),
    "float8": _first(lambda value: value.to(torch.float8_e4m3fn)),
    "bfloat16": _first(lambda value: value.to(torch.bfloat16)),
    "sparse": _first(lambda value: value.to_sparse()),
    "sparse by rows": _first(lambda value: value.reshape(value.shape[0], -1).to_sparse_csr()),
    "quantized": _first(lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)),
    "on no device": _first(lambda value: value.to("meta")),
    "one number for many": _first(lambda value: torch.zeros(1).expand(1 << 40)),
    "one number for the right many": _first(lambda value: torch.zeros(1).expand(value.shape)),
    "turned": _first(lambda value: value.transpose(0, 1)),
    "flat": _first(lambda value: value.reshape(-1)),
    "no axes": _first(lambda value: value.reshape(-1)[0]),
    "no numbers": _first(lambda value: value[:0]),
    "rank 60": _first(lambda value: value.reshape(-1)[:1].reshape([1] * 60)),
    "nested": _first(lambda value: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])),
    "a parameter": _first(lambda value: torch.nn.Parameter(value)),
    "a module": lambda state: torch.nn.Linear(2, 2),
    "code in it": lambda state: {**state, "more": RunsCode()},
    "an object of its own": lambda state: {**state, "more": Strange()},
    "an optimizer beside it": lambda state: {"optimizer": [1, {"a": None}], "epoch": 3},
    **{f"a tensor called: {value.name}": _named(value.value) for value in NAMES},
    "a tensor called: half a surrogate": _named("\ud800"),
}  # fmt: skip


def _of_torch(change: Callable[[State], Any], place: Place) -> Run:
    harmless = change(_state(place.sound))
    return _run(place, "", "weights.pth", _saved(harmless), ANY)


def _records(change: Callable[[dict[str, bytes]], object]) -> Callable[[bytes], bytes]:
    """The files in the archive that torch writes, changed."""

    def content(data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            records = {name: archive.read(name) for name in archive.namelist()}
        change(records)
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for name, record in records.items():
                archive.writestr(name, record)
        return target.getvalue()

    return content


def _of_name(end: str, value: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], object]:
    def change(records: dict[str, bytes]) -> None:
        name = next(name for name in records if name.endswith(end))
        records[name] = value(records[name])

    return change


_ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "all but a byte": lambda data: data[:-1],
    "text": lambda data: b"weights\n" * 1000,
    "zeros": lambda data: bytes(100_000),
    "an empty archive": lambda data: b"PK\x05\x06" + bytes(18),
    "a pickle that runs code": lambda data: pickle.dumps(RunsCode()),
    "a pickle of a list": lambda data: pickle.dumps([1, 2, 3]),
    "a pickle 100,000 deep": lambda data: b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a pickle that asks for 2**40": lambda data: b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b".",
    "a pickle that doubles": lambda data: b"\x80\x02]" + b"(h\x00h\x00" * 10 + b".",
    "an archive that says 3 GiB": lambda data: zip_of("archive/data.pkl", bytes(100), 3 << 30),
    "no pickle in it": _records(lambda records: records.pop(next(n for n in records if n.endswith("data.pkl")))),
    "no numbers in it": _records(lambda records: [records.pop(n) for n in list(records) if "/data/" in n]),
    "a number of bytes less": _records(_of_name("/data/0", lambda record: record[:-4])),
    "another version": _records(_of_name("version", lambda record: b"999\n")),
    "a version of a word": _records(_of_name("version", lambda record: b"new\n")),
    "the other order of bytes": _records(_of_name("byteorder", lambda record: b"big")),
    "an order of bytes of a word": _records(_of_name("byteorder", lambda record: b"middle")),
    "a pickle cut": _records(_of_name("data.pkl", lambda record: record[:-20])),
    "the pickle of a function": _records(_of_name("data.pkl", lambda record: b"\x80\x02cos\nsystem\n.")),
    "a script of torch": _records(lambda records: records.update({next(iter(records)).split("/")[0] + "/code/m.py": b"x", next(iter(records)).split("/")[0] + "/constants.pkl": b"\x80\x02]."})),
    "a path that leads out": _records(lambda records: records.update({"../../owned": b"x"})),
    "the format of before 2020": lambda data: _saved(torch.load(io.BytesIO(data), weights_only=True), _use_new_zipfile_serialization=False)[:-100],
}  # fmt: skip


def _of_an_archive(content: Callable[[bytes], bytes], place: Place) -> Run:
    data = content(place.sound.weights.with_suffix(".pth").read_bytes())
    return _run(place, "", "weights.pth", data, ANY)


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = [
        Trial(f"safetensors: {name}", partial(_of_safetensors, content)) for name, content in TROUBLES.items()
    ]
    trials += [Trial(f"pth: {name}", partial(_of_torch, change)) for name, change in _STATES.items()]
    trials += [
        Trial(f"archive: {name}", partial(_of_an_archive, content)) for name, content in _ARCHIVES.items()
    ]
    return [*trials, *listed_trained(sound)]


def _drawn(place: Place) -> Run:
    way = place.random.random()
    sound = place.sound
    if way < 0.35:
        data, what = drawn_tensors(sound.weights.read_bytes(), place.random)
        return _run(place, what, "weights.safetensors", data, ANY)
    if way < 0.65:
        data, what = damage(sound.weights.with_suffix(".pth").read_bytes(), place.random)
        return _run(place, what, "weights.pth", data, ANY)
    return drawn_trained(place)


# Sound ones.


def _odd_state(name: str, change: Callable[[State], Any], how: dict[str, Any], place: Place) -> Run:
    (place.folder / name).write_bytes(_saved(change(_state(place.sound)), **how))
    return Run(
        "",
        ("export", "--model", MODEL, "--weights", name, "--image-size", "32", "--dry-run", "--output", "out"),
        SOUND,
    )


_ODD_STATES: dict[str, tuple[str, Callable[[State], Any], dict[str, Any]]] = {
    "under model": ("w.pth", lambda state: {"model": state, "epoch": 3}, {}),
    "under state_dict": ("w.pt", lambda state: {"state_dict": state, "optimizer": {}}, {}),
    "of a wrapped module": ("w.ckpt", lambda state: {f"module.{name}": value for name, value in state.items()}, {}),
    "the format of before 2020": ("w.bin", dict, {"_use_new_zipfile_serialization": False}),
    "float64": ("w.pth", lambda state: {n: v.double() if v.is_floating_point() else v for n, v in state.items()}, {}),
    "float16": ("w.pth", lambda state: {n: v.half() if v.is_floating_point() else v for n, v in state.items()}, {}),
    "bfloat16": ("w.pth", lambda state: {n: v.bfloat16() if v.is_floating_point() else v for n, v in state.items()}, {}),
    "parameters": ("w.pth", lambda state: {n: torch.nn.Parameter(v) if v.is_floating_point() else v for n, v in state.items()}, {}),
    "without counters": ("w.pth", lambda state: {n: v for n, v in state.items() if "num_batches" not in n}, {}),
    "in another order": ("w.pth", lambda state: dict(reversed(state.items())), {}),
    "turned in memory": ("w.pth", lambda state: {n: v.transpose(0, -1).contiguous().transpose(0, -1) if v.ndim > 1 else v for n, v in state.items()}, {}),
    "parts of larger tensors": ("w.pth", lambda state: {n: torch.cat([v, v])[: v.shape[0]] if v.ndim else v for n, v in state.items()}, {}),
    "a name in another script": ("昆虫 weights.pth", dict, {}),
    "a name with quotes": ("a 'b' \"c\".pth", dict, {}),
}  # fmt: skip


def _odd_safetensors(content: Callable[[bytes], bytes], place: Place) -> Run:
    (place.folder / "w.safetensors").write_bytes(content(place.sound.weights.read_bytes()))
    return Run(
        "",
        (
            "export",
            "--model",
            MODEL,
            "--weights",
            "w.safetensors",
            "--image-size",
            "32",
            "--dry-run",
            "--output",
            "out",
        ),
        SOUND,
    )


def _with_metadata(value: Any) -> Callable[[bytes], bytes]:
    def content(data: bytes) -> bytes:
        header, values = parts(data)
        return joined({**header, "__metadata__": value}, values)

    return content


_ODD_FILES: dict[str, Callable[[bytes], bytes]] = {
    "safetensors with metadata": _with_metadata({"format": "pt", "author": "Jürgen 🐝"}),
    "safetensors with empty metadata": _with_metadata({}),
    "safetensors with a long note": _with_metadata({"note": "w" * 50_000}),
    "safetensors with a note of many lines": _with_metadata({"note": "a\nb\r\nc"}),
}


def _link(place: Place) -> Run:
    (place.folder / "w.pth").symlink_to(place.sound.weights.with_suffix(".pth"))
    return Run(
        "",
        (
            "export",
            "--model",
            MODEL,
            "--weights",
            "w.pth",
            "--image-size",
            "32",
            "--dry-run",
            "--output",
            "out",
        ),
        SOUND,
    )


def _odd(sound: Sound) -> Sequence[Trial]:
    trials = [Trial(name, partial(_odd_state, *row)) for name, row in _ODD_STATES.items()]
    trials += [Trial(name, partial(_odd_safetensors, content)) for name, content in _ODD_FILES.items()]
    return [*trials, *odd_trained(sound), Trial("a link to a file", _link)]


CHECKPOINTS = InputClass("checkpoint", _listed, _drawn, 400, _odd, most=300)
