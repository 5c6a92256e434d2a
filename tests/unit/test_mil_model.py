"""Models that are damaged, or lie: each is refused with its reason, soon and in little memory."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from coremltools.proto import MIL_pb2, Model_pb2
from google.protobuf.descriptor import FieldDescriptor
from mil_package import (
    MODEL,
    block,
    blocks_in_blocks,
    change_input,
    change_size,
    edit,
    immediate,
    operation,
    run,
    weight,
)

from cloformer.errors import InputError, UnsupportedError
from cloformer.export.formats.coreml.mil import read_package


@pytest.mark.parametrize("keep", [1, 10, 100, 0.5, 0.99])
def test_a_model_that_ends_early(package: Path, keep: float) -> None:
    content = (package / MODEL).read_bytes()
    (package / MODEL).write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(InputError):
        read_package(package)


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage" * 99, b"\0" * 5000, bytes(range(256)) * 40],
    ids=["none", "text", "zeros", "bytes"],
)
def test_a_model_that_is_none(package: Path, content: bytes) -> None:
    (package / MODEL).write_bytes(content)
    with pytest.raises(InputError):
        read_package(package)


def test_a_model_of_another_kind(package: Path) -> None:
    def change(model: Any) -> None:
        model.neuralNetwork.preprocessing.add()

    edit(package, change)
    with pytest.raises(UnsupportedError, match="neuralNetwork"):
        read_package(package)


@pytest.mark.parametrize(
    ("depth", "error"), [(1, UnsupportedError), (5, UnsupportedError), (100_000, InputError)]
)
def test_blocks_in_blocks(package: Path, depth: int, error: type[Exception]) -> None:
    """One is control flow; a hundred thousand would exhaust the stack of whoever followed them."""
    (package / MODEL).write_bytes(blocks_in_blocks(depth))
    with pytest.raises(error):
        read_package(package)


LIES: dict[str, Callable[[Any], Any]] = {
    "weight of 2**60": lambda model: change_size(model, 1 << 60),
    "weight of 2**63 in two": lambda model: change_size(model, 1 << 32, 1 << 31),
    "weight of nothing, endless": lambda model: change_size(model, 1 << 62, 1 << 62, 0),
    "weight of 100,000 axes": lambda model: change_size(model, *[1 << 63] * 100_000),
    "weight larger than stored": lambda model: change_size(model, 8, 4, 3, 4),
    "weight smaller than stored": lambda model: change_size(model, 8, 4, 3, 2),
    "input of 2**60": lambda model: change_input(model, 1 << 60),
    "rank that is not": lambda model: setattr(weight(model).type.tensorType, "rank", 3),
    "weight of another type": lambda model: setattr(weight(model).type.tensorType, "dataType", MIL_pb2.INT16),
    "weight of strings": lambda model: setattr(weight(model).type.tensorType, "dataType", MIL_pb2.STRING),
    "no type": lambda model: weight(model).type.Clear(),
    "entry beyond the file": lambda model: setattr(weight(model).blobFileValue, "offset", 1 << 20),
    "entry at 2**64": lambda model: setattr(weight(model).blobFileValue, "offset", (1 << 64) - 1),
    "entry at the header": lambda model: setattr(weight(model).blobFileValue, "offset", 0),
    "entry between": lambda model: setattr(weight(model).blobFileValue, "offset", 65),
    "fewer numbers": lambda model: immediate(model).immediateValue.tensor.ints.values.pop(),
    "more numbers": lambda model: immediate(model).immediateValue.tensor.ints.values.append(1),
    "no numbers": lambda model: immediate(model).immediateValue.Clear(),
    "no value": lambda model: immediate(model).ClearField("immediateValue"),
    "strings for numbers": lambda model: immediate(model).immediateValue.tensor.strings.values.extend(
        ["1", "1"]
    ),
    "bytes for numbers": lambda model: setattr(immediate(model).immediateValue.tensor.bytes, "values", b"1"),
    "constant of unknown size": lambda model: (
        immediate(model).type.tensorType.dimensions[0].unknown.SetInParent()
    ),
    "value that is not there": lambda model: setattr(
        operation(model, "relu").inputs["x"].arguments[0], "name", "z"
    ),
    "value before it is made": lambda model: block(model).operations.insert(0, operation(model, "relu")),
    "value made twice": lambda model: block(model).operations.append(operation(model, "relu")),
    "output that is not there": lambda model: block(model).outputs.append("z"),
    "name that rings a bell": lambda model: setattr(operation(model, "relu").outputs[0], "name", "\x07"),
    "name without an end": lambda model: setattr(operation(model, "relu"), "type", "a" * 100_000),
    "no function": lambda model: model.mlProgram.functions.clear(),
    "no block": lambda model: model.mlProgram.functions["main"].block_specializations.clear(),
    "default that is not there": lambda model: setattr(model.description, "defaultFunctionName", "z"),
    "image of no size": lambda model: model.description.input[0].type.imageType.SetInParent(),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_models_that_lie(package: Path, lie: Callable[[Any], Any]) -> None:
    edit(package, lie)
    with pytest.raises(InputError):
        read_package(package)


def test_an_operator_that_nobody_knows(package: Path) -> None:
    edit(package, lambda model: setattr(operation(model, "relu"), "type", "frobnicate"))
    with pytest.raises(UnsupportedError, match="frobnicate"):
        run(package)


WRONG_PARTS: dict[str, Callable[[Any], Any]] = {
    "parameter nobody knows": lambda model: operation(model, "relu").inputs["y"].CopyFrom(operation(model, "relu").inputs["x"]),
    "parameter missing": lambda model: operation(model, "conv").inputs.pop("weight"),
    "parameter without a value": lambda model: operation(model, "conv").inputs["weight"].arguments.pop(),
    "weight for strides": lambda model: operation(model, "conv").inputs["strides"].CopyFrom(operation(model, "conv").inputs["weight"]),
    "string for a weight": lambda model: operation(model, "conv").inputs["weight"].CopyFrom(operation(model, "conv").inputs["pad_type"]),
    "output too many": lambda model: operation(model, "relu").outputs.add(name="z").type.CopyFrom(operation(model, "relu").outputs[0].type),
    "no output": lambda model: operation(model, "const").outputs.pop(),
    "output of another size": lambda model: setattr(operation(model, "conv").outputs[0].type.tensorType.dimensions[1].constant, "size", 9),
    "strides of nothing": lambda model: immediate(model).immediateValue.tensor.ints.values.__setitem__(0, 0),
    "strides backwards": lambda model: immediate(model).immediateValue.tensor.ints.values.__setitem__(0, -1),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_PARTS.values(), ids=WRONG_PARTS.keys())
def test_operations_that_cannot_be_computed(package: Path, wrong: Callable[[Any], Any]) -> None:
    edit(package, wrong)
    with pytest.raises(InputError):
        run(package)


def places(message: Any) -> Iterator[tuple[Any, FieldDescriptor]]:
    """Every field that is set in a message and in those below it."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            keyed = field.message_type.GetOptions().map_entry
            if keyed and field.message_type.fields_by_name["value"].message_type is None:
                continue
            several = value.values() if keyed else value if isinstance(value, Sequence) else [value]
            for item in several:
                yield from places(item)


def damage(model: Any, chance: random.Random) -> None:
    """Somewhere in the model: another number, no value, or one value less."""
    message, field = chance.choice(list(places(model)))
    value = getattr(message, field.name)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        del value[chance.randrange(len(value))]
    elif isinstance(value, int):
        with contextlib.suppress(ValueError):  # the field is too small for this number
            setattr(message, field.name, chance.choice([0, 1, 2, 3, 64, 1 << 27, (1 << 31) - 1, 1 << 60, -1]))
    else:
        message.ClearField(field.name)


def test_damage_anywhere_is_told_as_such(package: Path) -> None:
    """Nothing but a reason comes out, from the reader or from the operator that meets it first."""
    refused = 0
    for seed in range(1000):
        model = Model_pb2.Model.FromString((package / MODEL).read_bytes())
        damage(model, random.Random(seed))
        try:
            run(package, model)
        except (InputError, UnsupportedError):
            refused += 1
    assert 300 < refused < 1000  # much of a model is not read: descriptions, versions


def test_refused_before_memory_is_asked_for(package: Path, tmp_path: Path, python: str) -> None:
    """One process reads them all, so each may take what is left of the bound."""
    lies = ["weight of 2**60", "weight of 100,000 axes", "entry at 2**64"]
    for place, lie in enumerate(lies):
        edit(Path(shutil.copytree(package, tmp_path / f"{place}.mlpackage")), LIES[lie])
    code = """
        import resource, sys, time
        from pathlib import Path
        from coremltools.proto import Model_pb2
        from cloformer.errors import InputError
        from cloformer.export.formats.coreml.mil import read_package

        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for path in sys.argv[1:]:
            begin = time.monotonic()
            try:
                read_package(Path(path))
            except InputError:
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held, time.monotonic() - begin)
    """
    paths = [str(tmp_path / f"{place}.mlpackage") for place in range(len(lies))]
    done = subprocess.run([python, "-c", textwrap.dedent(code), *paths], capture_output=True, check=True)
    refusals = [line.split() for line in done.stdout.splitlines()]
    assert len(refusals) == len(lies)
    for kibibytes, seconds in refusals:
        assert float(kibibytes) < 64 << 10
        assert float(seconds) < 5
