"""Android devices, by the `adb` program that is installed here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from cloformer.errors import GateError, MissingRuntimeError, UnsupportedError, UsageError

__all__ = ["INSTALL", "Adb", "Listed", "find_adb", "parse_devices"]

INSTALL = "apt-get install adb, or the platform tools of Android's SDK"
_SECONDS = 60.0  # for a device that answers in one
_STATES = {
    "unauthorized": "allow this computer on the device's screen (USB debugging), and run it again",
    "offline": "plug it in again, or: adb reconnect",
    "no permissions": "let your user use the USB device (a udev rule), then: adb kill-server",
}


@dataclass(frozen=True)
class Listed:
    """A line of `adb devices`: ``state`` is "device" for one that can be used."""

    serial: str
    state: str


def parse_devices(text: str) -> list[Listed]:
    """What `adb devices` printed. What the server says before the list, in lines with a star, is left out."""
    lines = [line.strip() for line in text.splitlines()]
    start = next((place for place, line in enumerate(lines) if line.startswith("List of devices")), -1) + 1
    found = []
    for line in lines[start:]:
        serial, _, state = line.partition("\t")
        if state and not line.startswith("*"):
            # "no permissions (user in plugdev group; ...)" goes on with advice.
            found.append(Listed(serial, state.partition(" (")[0].partition(";")[0].strip()))
    return found


@dataclass(frozen=True)
class Adb:
    """One device: ``program`` is adb's path, ``serial`` the device's."""

    program: str
    serial: str

    def shell(self, *command: str, seconds: float = _SECONDS) -> str:
        """What a command of the device's shell prints, its own failure included.

        Raises :class:`GateError` if the device does not answer in time, or is gone.
        """
        return (
            self._ask(["shell", shlex.join(command)], seconds)
            .decode("utf-8", "replace")
            .replace("\r\n", "\n")
        )

    def read(self, path: str, package: str) -> bytes | None:
        """A file of an app, as the shell or as the app itself may read it; None if neither can, or it is empty."""
        for command in (["cat", path], ["run-as", package, "cat", path]):
            # Nothing but the file goes to standard output, where errors would look like it.
            content = self._ask(["exec-out", f"{shlex.join(command)} 2>/dev/null"], _SECONDS)
            if content:
                return content
        return None

    def _ask(self, command: Sequence[str], seconds: float) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - found on the path, as a shell would
                [self.program, "-s", self.serial, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise GateError(
                f"{self.serial} did not answer within {seconds:.0f} s", "wake it, and raise --time-limit"
            ) from None
        except OSError as error:
            raise MissingRuntimeError(f"{self.program} does not run: {error}", INSTALL) from None
        # 1 is what the command on the device ended with, too; adb's own failures say so.
        error_text = done.stderr.decode("utf-8", "replace").strip()
        if done.returncode and error_text.startswith(("error:", "adb:")):
            raise GateError(
                f"{self.serial} is gone: {error_text.splitlines()[0][:160]}", "connect it, and run it again"
            )
        return done.stdout


def find_adb(serial: str | None = None) -> Adb:
    """The device called ``serial``, or the only one there is.

    Raises :class:`MissingRuntimeError` without adb or without a device, :class:`UsageError` where there are several
    to choose from, or none of that name, :class:`UnsupportedError` for one that cannot be used as it is.
    """
    program = shutil.which("adb")
    if program is None:
        raise MissingRuntimeError("a phone is reached by adb, and there is none here", INSTALL)
    try:
        done = subprocess.run([program, "devices"], capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingRuntimeError(f"{program} does not run: {error}", INSTALL) from None
    if done.returncode:
        why = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        raise MissingRuntimeError(f"adb failed: {why[:200]}", "adb kill-server, and run it again")
    found = parse_devices(done.stdout)
    names = ", ".join(item.serial for item in found)
    if serial is not None:
        found = [item for item in found if item.serial == serial]
        if not found and names:
            raise UsageError(f"adb has no device {serial!r}", f"--device adb:SERIAL takes: {names}")
    if not found:
        raise MissingRuntimeError(
            f"adb has no device{'' if serial is None else f' {serial!r}'}",
            "connect one with USB debugging allowed (`adb devices` lists it), or: adb connect HOST:PORT",
        )
    if len(found) > 1:
        raise UsageError(f"adb has {len(found)} devices", f"name one with --device adb:SERIAL: {names}")
    (item,) = found
    if item.state != "device":
        raise UnsupportedError(
            f"{item.serial} cannot be used: {item.state}",
            _STATES.get(item.state, "`adb devices` must list it as `device`"),
        )
    return Adb(program, item.serial)
