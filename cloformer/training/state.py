"""Where a run stands, on disk: two files, written in turn, of which one is whole at any moment.

Both take their space when the run begins, so a disk that fills up later costs nothing that was done. A file that is
being written says so in its first eight bytes, which are the header's length and zero until all else is written.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from cloformer.errors import InputError
from cloformer.io.fields import Fields
from cloformer.io.read import decoding, opened, parse_json, read_bytes
from cloformer.io.safetensors import LENGTH, check_head
from cloformer.io.write import open_in_place

__all__ = ["Slots", "State"]

_MAX_HEADER, _MAX_BYTES = 2**24, 2**34
_ADVICE = "train on from its weights"
_SPARE = 4096  # for numbers in the metadata that grow


@dataclass(frozen=True)
class State:
    """Everything that the next step depends on; ``position`` is plain JSON with a whole number under "step"."""

    tensors: Mapping[str, Tensor]
    position: Mapping[str, object]


class Slots:
    """The two files in ``folder``. :class:`InputError` if they cannot be written or read."""

    def __init__(self, folder: Path) -> None:
        self.paths = [folder / "state.0", folder / "state.1"]

    def reserve(self, first: State) -> None:
        """Write the first state to both, so that both have their space."""
        for path in self.paths:
            self._write(path, first)

    def save(self, state: State) -> None:
        """Replace the older of the two, or a broken one."""
        steps = [-1 if found is None else found for found in map(_step_of, self.paths)]
        self._write(self.paths[steps.index(min(steps))], state)

    def load(self) -> State | None:
        """The newer one; None if neither is whole."""
        from safetensors.torch import load

        steps = [(step, path) for path in self.paths if (step := _step_of(path)) is not None]
        for _, path in sorted(steps, reverse=True):
            with contextlib.suppress(InputError), decoding(str(path), _ADVICE):
                data = read_bytes(path, _MAX_BYTES, _ADVICE)
                check_head(data)
                return State(load(data), _position(data))
        return None

    def _write(self, path: Path, state: State) -> None:
        from safetensors.torch import save

        text = json.dumps(dict(state.position), sort_keys=True)
        data = save(dict(state.tensors), {"position": text, "spare": " " * max(_SPARE - len(text), 0)})
        try:
            with open_in_place(path) as file:
                for offset, content in ((0, bytes(LENGTH)), (LENGTH, data[LENGTH:]), (0, data[:LENGTH])):
                    file.seek(offset)
                    file.write(content)
                    if offset:
                        file.truncate(len(data))
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{path} cannot be written: {error.strerror or error}",
                "free some space, and go on with --resume: what was saved before is whole",
            ) from None


def _step_of(path: Path) -> int | None:
    """Read from the head of the file alone; None if it is not there or not whole."""
    try:
        with opened(path, _ADVICE, follow_links=False) as file:
            length = int.from_bytes(file.read(LENGTH), "little")
            size = os.fstat(file.fileno()).st_size
            if not 0 < length <= min(size - LENGTH, _MAX_HEADER):
                return None
            position = _position(length.to_bytes(LENGTH, "little") + file.read(length))
            return Fields(position).whole("step")
    except (InputError, ValueError):
        return None


def _position(data: bytes) -> dict[str, object]:
    header = Fields(parse_json(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")].decode()))
    return Fields(parse_json(str(header.child("__metadata__").take("position")), nan_is_null=True)).rest()
