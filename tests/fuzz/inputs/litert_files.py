"""LiteRT files: parts that do not fit together, fields changed at random, offsets and lengths that lie, damaged bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

from ..artifacts import any_reader, copied, model_of, rehash
from ..case import ANY, BAD, InputClass, Place, Run, Trial
from ..flat_words import HOSTILE, shared, with_word, without_constants
from ..sound import Sound
from ..values import damage
from .onnx_files import model_codes

__all__ = ["LITERT_FILES", "changed_run", "of_one_graph", "run_of"]

Edit = Callable[[Any], object]


def run_of(
    place: Place, format_name: str, content: Callable[[bytes], bytes], codes: frozenset[int] | None = None
) -> Run:
    """The artifact with another model, which its manifest names as if it had been exported so."""
    artifact = copied(place, format_name)
    path = model_of(artifact)
    path.write_bytes(content(path.read_bytes()))
    rehash(artifact)
    arguments = any_reader(place, artifact, format_name)
    return Run("", arguments, codes or model_codes(arguments), ("out", "artifact-reports"))


def changed_run(
    place: Place, format_name: str, change: Callable[[bytes], tuple[bytes, str]], *, is_rehashed: bool
) -> Run:
    """The artifact with its model changed, which says how; unless it ``is_rehashed``, its manifest names the model as it was."""
    artifact = copied(place, format_name)
    path = model_of(artifact)
    before = path.read_bytes()
    after, words = change(before)
    path.write_bytes(after)
    if is_rehashed:
        rehash(artifact)
    codes = ANY if is_rehashed or after == before else BAD
    arguments = any_reader(place, artifact, format_name)
    return Run(
        words if is_rehashed else f"{words}; hash as it was", arguments, codes, ("out", "artifact-reports")
    )


def _written(content: Callable[[bytes], bytes], place: Place) -> Run:
    return run_of(place, "litert", content)


def _edited(edit: Edit, place: Place) -> Run:
    def change(data: bytes) -> bytes:
        model = _model(data)
        edit(model)
        return _packed(model)

    return run_of(place, "litert", change, ANY)


def _model(data: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def _packed(model: Any) -> bytes:
    from cloformer.export.formats.litert.file import packed

    return packed(model)


def of_one_graph(count: int, depth: int) -> Callable[[bytes], bytes]:
    """A model of ``count`` graphs that are one, each of as many operators that are one, if ``depth`` is 2."""

    def content(_data: bytes) -> bytes:
        nothing = bytes.fromhex("04000400") + (4).to_bytes(4, "little")
        # A table of one field, the fourth of a graph: its operators.
        layout = [12, 8, 0, 0, 0, 4]
        graph = b"".join(item.to_bytes(2, "little") for item in layout) + (12).to_bytes(4, "little")
        inside = shared(count, nothing, 4) if depth == 2 else (0).to_bytes(4, "little")
        graphs = shared(count, graph + (4).to_bytes(4, "little") + inside, 12)
        # The model: a version, and the third field of a model, its graphs.
        head = b"".join(item.to_bytes(2, "little") for item in (10, 12, 4, 0, 8))
        root = (20).to_bytes(4, "little") + b"TFL3" + head + b"\0\0"
        return (
            root + (12).to_bytes(4, "little") + (3).to_bytes(4, "little") + (4).to_bytes(4, "little") + graphs
        )

    return content


_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "a head alone": lambda data: data[:8],
    "its first 64 bytes": lambda data: data[:64],
    "all but the last kilobyte": lambda data: data[:-1024],
    "zeros": lambda data: data[:8] + bytes(1 << 20),
    "ones": lambda data: data[:8] + b"\xff" * (1 << 16),
    "random bytes": lambda data: data[:8] + np.random.default_rng(0).bytes(10_000),
    "a root beyond the file": lambda data: b"\xff\xff\xff\x7f" + data[4:],
    "a root at itself": lambda data: bytes(4) + data[4:],
    "an ONNX file": lambda data: b"\x08\x0a" + data,
    "an archive in the place": lambda data: b"PK\x03\x04" + data[4:],
    "3,000 graphs that are one": of_one_graph(3_000, 1),
    "3,000 graphs of 3,000 operators, all one": of_one_graph(3_000, 2),
}


def _operators(model: Any) -> Any:
    return model.subgraphs[0].operators


def _tensors(model: Any) -> Any:
    return model.subgraphs[0].tensors


def _itself(model: Any) -> None:
    item = _operators(model)[1]
    item.inputs = [*item.outputs, *list(item.inputs)[1:]]


def _each(change: Callable[[Any], object], part: Callable[[Any], Any]) -> Edit:
    return lambda model: [change(item) for item in part(model)]


def _external(model: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    model.externalBufferGroups = [schema.ExternalBufferGroupT(name=b"/etc/passwd")]
    model.externalBuffers = [schema.ExternalBufferT(id=1, group=0, offset=0, length=64)]
    for tensor in _tensors(model):
        tensor.externalBuffer = 1


def _outside(model: Any) -> None:
    for buffer in model.buffers[1:]:
        buffer.data, buffer.offset, buffer.size = None, 1 << 40, 1 << 20


_TROUBLES: dict[str, Edit] = {
    "an operator that reads what it gives": _itself,
    "operators in the reverse order": lambda model: _operators(model).reverse(),
    "no operators": lambda model: _operators(model).clear(),
    "no buffers": lambda model: model.buffers.clear(),
    "an operator that gives nothing": lambda model: setattr(_operators(model)[0], "outputs", []),
    "operators that read nothing": _each(lambda item: setattr(item, "inputs", []), _operators),
    "every operand left out": _each(lambda item: setattr(item, "inputs", [-1] * 3), _operators),
    "no options": _each(lambda item: setattr(item, "builtinOptions", None), _operators),
    "sizes below zero": _each(lambda item: setattr(item, "shape", [-1, -7]), _tensors),
    "no shapes": _each(lambda item: setattr(item, "shape", []), _tensors),
    "values of a thousand axes": _each(lambda item: setattr(item, "shape", [1] * 1000), _tensors),
    "strings for numbers": _each(lambda item: setattr(item, "type", 5), _tensors),
    "another type for every value": _each(lambda item: setattr(item, "type", 9), _tensors),
    "an unknown type": _each(lambda item: setattr(item, "type", 99), _tensors),
    "one name for all": _each(lambda item: setattr(item, "name", b"\x1b[2J"), _tensors),
    "all values in one buffer": _each(lambda item: setattr(item, "buffer", 3), _tensors),
    "constants of a byte": _each(lambda item: setattr(item, "data", np.zeros(1, np.uint8)), lambda m: m.buffers),
    "variables": _each(lambda item: setattr(item, "isVariable", True), _tensors),
    "constants in another file": _external,
    "constants behind the file": _outside,
    "two functions": lambda model: model.signatureDefs.append(model.signatureDefs[0]),
    "two graphs": lambda model: model.subgraphs.append(model.subgraphs[0]),
    "an output that is an input": lambda model: setattr(model.subgraphs[0], "outputs", model.subgraphs[0].inputs),
    "strides of 0": _each(lambda item: item.builtinOptions and item.builtinOptions.__dict__.update(strideW=0, strideH=0), _operators),
    "a kind of its own": _each(lambda item: item.__dict__.update(customCode=b"\x1b[2J", builtinCode=32), lambda m: m.operatorCodes),
}  # fmt: skip


def _parts(found: Any, depth: int = 0) -> Iterator[tuple[Any, str]]:
    """Every field of every part of a model that holds something."""
    for name, value in vars(found).items():
        if value is None:
            continue
        yield found, name
        items = value if isinstance(value, list) else [value]
        for item in items:
            if hasattr(item, "Pack") and depth < 8:
                yield from _parts(item, depth + 1)


def _edit(model: Any, random: Generator) -> str:
    """One to three fields, wherever they are."""
    done = []
    for _ in range(int(random.choice((1, 1, 1, 2, 3)))):
        found = list(_parts(model))
        owner, name = found[int(random.integers(len(found)))]
        value = getattr(owner, name)
        new = _another(value, random)
        setattr(owner, name, new)
        done.append(f"{type(owner).__name__}.{name}: {str(new)[:40]} instead of {str(value)[:40]}")
    return "; ".join(done)


def _another(value: Any, random: Generator) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, np.integer)):
        return int(random.choice((0, 1, 2, 3, 7, value + 1, max(value - 1, 0), 100, 127)))
    if isinstance(value, (float, np.floating)):
        return float(random.choice((0.0, -1.0, 1e30, float("nan"), float("inf"))))
    if isinstance(value, (bytes, str)):
        return b"\x1b[2J\n::set-output name=a::b" if isinstance(value, bytes) else "\x1b[2J"
    if isinstance(value, np.ndarray) and value.size:
        made = value.copy()
        number = HOSTILE[int(random.integers(len(HOSTILE)))]
        place = int(random.integers(made.size))
        made[place] = (
            number % 128 if made.dtype.itemsize == 1 else np.array(number).astype(np.int64).astype(made.dtype)
        )
        return made
    if isinstance(value, list) and value:
        at = int(random.integers(len(value)))
        return [*value[:at], *value[at + 1 :]] if random.random() < 0.5 else [*value, value[at]]
    return None


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = [Trial(name, partial(_written, content)) for name, content in _BYTES.items()]
    return trials + [Trial(name, partial(_edited, edit)) for name, edit in _TROUBLES.items()]


def _drawn(place: Place) -> Run:
    """Fields, words and bytes with the hash made right; and bytes with the hash as it was."""
    way = place.random.random()

    def change(data: bytes) -> tuple[bytes, str]:
        model = _model(data)
        if way < 0.4:
            words = _edit(model, place.random)
            try:
                return _packed(model), words
            except Exception:  # what cannot be written is no file
                return data[: len(data) // 2], f"half of it, instead of {words}"
        if way < 0.8:
            constants = [item.data.tobytes() for item in model.buffers if item.data is not None]
            return with_word(data, without_constants(data, constants), place.random)
        return damage(data, place.random)

    return changed_run(place, "litert", change, is_rehashed=way < 0.95)


def _odd(_sound: Sound) -> Sequence[Trial]:
    return ()


LITERT_FILES = InputClass("LiteRT file", _listed, _drawn, 600, _odd)
