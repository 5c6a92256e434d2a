"""The device's side of adb, over TCP: an emulated device for Debian's real adb. It is no phone, and runs no app.

The protocol is that of Android's `packages/modules/adb`, protocol.txt: packets of a header of six little-endian words
(command, two arguments, length, sum of the bytes, the command inverted) and data; streams that one side opens, both
write to, each write answered by an OKAY, and either closes. Here are the services `shell,v2` and `exec`.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable
from types import TracebackType

__all__ = ["Daemon", "Ran"]

Ran = tuple[bytes, bytes, int]  # standard output, standard error, exit status
_NAMES = ("CNXN", "AUTH", "OPEN", "OKAY", "CLSE", "WRTE")
_COMMANDS = {name: int.from_bytes(name.encode(), "little") for name in _NAMES}
_VERSION, _MOST = 0x01000000, 64 * 1024
_TOKEN = 1  # of AUTH: sign this
_STANDARD_OUTPUT, _STANDARD_ERROR, _EXIT = 1, 2, 3  # of the shell's own packets


class Daemon:
    """Serves on ``port`` of this machine from `with` to its end; ``run`` is the device's shell. One that is not
    ``authorized`` waits for ever for somebody to allow the computer on its screen."""

    def __init__(
        self, run: Callable[[str], Ran], *, model: str = "emulated", authorized: bool = True
    ) -> None:
        self._run, self._model, self._authorized = run, model, authorized
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    def __enter__(self) -> Daemon:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(10)

    def _end(self) -> None:
        for writer in self._writers:
            writer.close()
        self._loop.call_later(0.2, self._loop.stop)  # when the other side has been told

    @property
    def serial(self) -> str:
        """As `adb connect` takes it, and `adb devices` names it."""
        return f"127.0.0.1:{self.port}"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        connection = _Connection(writer, self._run)
        try:
            while True:
                command, first, second, length, _, _ = struct.unpack("<6I", await reader.readexactly(24))
                data = await reader.readexactly(length)
                if command in (_COMMANDS["CNXN"], _COMMANDS["AUTH"]):
                    if self._authorized:
                        about = f"device::ro.product.model={self._model};features=shell_v2,cmd"
                        connection.send("CNXN", _VERSION, _MOST, about.encode())
                    elif command == _COMMANDS["CNXN"] or first == 2:  # a signature, which is not known
                        connection.send("AUTH", _TOKEN, 0, bytes(20))
                else:
                    connection.take(command, first, second, data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class _Connection:
    """The streams of one adb server."""

    def __init__(self, writer: asyncio.StreamWriter, run: Callable[[str], Ran]) -> None:
        self._writer, self._run = writer, run
        self._answered: dict[int, asyncio.Event] = {}  # by our number of a stream: its last write is answered
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, name: str, first: int, second: int, data: bytes = b"") -> None:
        command = _COMMANDS[name]
        total = sum(data) & 0xFFFFFFFF
        header = struct.pack("<6I", command, first, second, len(data), total, command ^ 0xFFFFFFFF)
        self._writer.write(header + data)

    def take(self, command: int, theirs: int, ours: int, data: bytes) -> None:
        if command == _COMMANDS["OPEN"]:
            ours = len(self._answered) + 1
            self._answered[ours] = asyncio.Event()
            task = asyncio.get_running_loop().create_task(
                self._open(ours, theirs, data.rstrip(b"\0").decode())
            )
            self._tasks.add(task)
        elif command == _COMMANDS["OKAY"] and ours in self._answered:
            self._answered[ours].set()
        elif command == _COMMANDS["WRTE"]:  # what is typed goes nowhere
            self.send("OKAY", ours, theirs)

    async def _open(self, ours: int, theirs: int, service: str) -> None:
        kind, _, command = service.partition(":")
        if kind.partition(",")[0] not in ("shell", "exec"):
            self.send("CLSE", 0, theirs)
            return
        self.send("OKAY", ours, theirs)
        output, error, status = await asyncio.get_running_loop().run_in_executor(None, self._run, command)
        if kind.startswith("shell,v2"):
            parts = [(_STANDARD_OUTPUT, output), (_STANDARD_ERROR, error), (_EXIT, bytes([status]))]
            output = b"".join(struct.pack("<BI", number, len(part)) + part for number, part in parts)
        for start in range(0, len(output), _MOST):
            self._answered[ours].clear()
            self.send("WRTE", ours, theirs, output[start : start + _MOST])
            await self._writer.drain()
            await asyncio.wait_for(self._answered[ours].wait(), 10)
        self.send("CLSE", ours, theirs)
        await self._writer.drain()
