"""An emulated arm64 device: QEMU runs ONNX Runtime or LiteRT for linux/arm64 here, instruction by instruction.

It computes what an arm64 processor computes, by the kernels that the runtime has for one. It is no phone: another
operating system, one emulated core, and no time that means anything.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloformer.errors import GateError, InputError, MissingRuntimeError, UnsupportedError, UsageError, choose
from cloformer.io.cache import cache_folder, placed
from cloformer.io.numbers import whole
from cloformer.io.progress import Progress

from ..artifact.folder import Artifact
from ..formats import FORMATS
from ..formats.runners import Array
from ..source.signature import TensorSpec
from .runtime import RUNTIMES, DeviceRuntime
from .toolchain import Toolchain, find_toolchain

__all__ = [
    "OPTIMIZATIONS",
    "TITLE",
    "Arm64Device",
    "DeviceRun",
    "Recording",
    "refuse_other_formats",
    "runtime_of",
]

TITLE = "emulated device (arm64, qemu-user)"
PROCESSOR = "cortex-a76"  # half-precision arithmetic and dot products, as phones have had since 2019
OPTIMIZATIONS = {"off": 0, "basic": 1, "extended": 2, "all": 99}  # as ONNX Runtime numbers them
# As ONNX numbers them; the runners refuse others.
_TYPES = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float16": 10}
_COUNTS = "counts"  # the file that the plugin writes, beside the cases
_EVENTS = "events"  # what the names of the profiler's files begin with
_REFUSED = 11  # the runner's exit status if the runtime does not take the model
_SECONDS_TO_LOAD, _SECONDS_TO_RUN = 600.0, 300.0  # CloFormer-XXS takes about 5 and 10

# ONNX Runtime reads what the processor can do from here, and crashes in QEMU 7.2 on the host's own. Part 0xd0b is
# the Cortex-A76; the features are those that QEMU emulates for it.
_CPUINFO = """processor\t: 0
BogoMIPS\t: 100.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""
# The host has as many processors as it has, and the emulated device one.
_FILES = {"proc/cpuinfo": _CPUINFO} | {
    f"sys/devices/system/cpu/{name}": "0\n" for name in ("online", "possible", "present")
}


@dataclass(frozen=True)
class DeviceRun:
    """The outputs of each case by name, and the instructions that each took: the runtime's call alone, exact. None if
    the emulator cannot count."""

    outputs: tuple[Mapping[str, Array], ...]
    instructions: tuple[int, ...] | None


@dataclass(frozen=True)
class Recording:
    """An inference under the runtime's own profiler: its ``events``, the model as the runtime ``optimized`` it, and the
    instructions since the inference began, at each of the profiler's ``readings`` of its clock.

    The clock goes on by one microsecond with each reading.
    """

    events: bytes
    optimized: bytes
    readings: tuple[int, ...]


class Arm64Device:
    """Looks for what it is made of; :class:`MissingRuntimeError` names what is not there, with the command that
    installs it. ``optimization`` is a level of :data:`OPTIMIZATIONS`, for the runtimes that have them; None: "all"."""

    def __init__(self, optimization: str | None = None) -> None:
        if optimization is not None:
            choose("optimization level", optimization, OPTIMIZATIONS, "--optimization")
        self.optimization = optimization
        self._tools: Toolchain = find_toolchain()

    def level(self, runtime: DeviceRuntime) -> str | None:
        """The optimization level that the runtime runs with; None if it has none."""
        return (self.optimization or "all") if runtime.has_levels else None

    @property
    def counts(self) -> bool:
        """Whether the emulator can count instructions."""
        return self._tools.takes_plugins

    def refuse_without_counts(self) -> None:
        """:class:`MissingRuntimeError` if the emulator cannot count."""
        if not self.counts:
            raise MissingRuntimeError(
                f"QEMU {self._tools.emulator_version} here takes no plugins, so nothing counts instructions",
                "use a qemu-user that is linked dynamically (Debian 12's is), or one built with --enable-plugins",
                "without limits and baselines, `cloformer parity` compares outputs all the same",
            )

    def environment(self, artifact: Artifact) -> dict[str, str]:
        """What decides the artifact's count besides the model; known before anything runs."""
        runtime = runtime_of(artifact)
        level = self.level(runtime)
        return {
            "device": TITLE,
            "qemu": self._tools.emulator_version,
            "processor": PROCESSOR,
            runtime.package: runtime.version,
            "libc": self._tools.libc_version,
            "threads": "1",
        } | ({} if level is None else {"optimization": level})

    def run(
        self,
        artifact: Artifact,
        cases: Sequence[Mapping[str, Array]],
        progress: Progress = lambda _: None,
    ) -> DeviceRun:
        """Run the artifact on each case, one after the other in one process.

        Raises :class:`UnsupportedError` for a format that no runtime there takes, :class:`InputError` if the runtime does not
        take the model, :class:`GateError` if it does not end, or gives no counts.
        """
        with tempfile.TemporaryDirectory(prefix="cloformer-device-") as name:
            folder = Path(name)
            lines = self._run_in(folder, artifact, artifact.model_path, cases, None, progress)
            outputs = tuple(_read(artifact, folder, index, lines) for index in range(len(cases)))
            return DeviceRun(outputs, _read_counts(folder / _COUNTS, len(cases)) if self.counts else None)

    def record(
        self,
        artifact: Artifact,
        model: bytes,
        case: Mapping[str, Array],
        progress: Progress = lambda _: None,
    ) -> Recording:
        """The second inference of ``model``, which is the artifact's or the same with other names of operators, under the
        runtime's own profiler. Raises as :meth:`run` does, and :class:`MissingRuntimeError` if the emulator cannot count.
        """
        self.refuse_without_counts()
        with tempfile.TemporaryDirectory(prefix="cloformer-device-") as name:
            folder = Path(name)
            (folder / "model").write_bytes(model)
            self._run_in(folder, artifact, folder / "model", (case, case), folder / _EVENTS, progress)
            events, optimized = list(folder.glob(f"{_EVENTS}_*.json")), folder / f"{_EVENTS}.onnx"
            if len(events) != 1 or not optimized.is_file():
                raise GateError(f"the runtime's profiler wrote nothing on the {TITLE}")
            return Recording(events[0].read_bytes(), optimized.read_bytes(), _read_readings(folder / _COUNTS))

    def _run_in(
        self,
        folder: Path,
        artifact: Artifact,
        model: Path,
        cases: Sequence[Mapping[str, Array]],
        events: Path | None,
        progress: Progress,
    ) -> list[str]:
        """The lines that the runner printed; ``events`` is where the profiler's files go, if it runs."""
        refuse_other_formats(artifact)
        runtime_of(artifact).refuse_unsafe(artifact)
        for index, case in enumerate(cases):
            for place, spec in enumerate(artifact.signature.inputs):
                _write(folder / f"{index}.in.{place}", case[spec.name], spec)
        progress("preparing the emulated device")
        command = self._command(artifact, model, folder, len(cases), events)
        progress(f"running {len(cases)} inferences on the {TITLE}: CloFormer-XXS takes 10 s each")
        return _run(command, len(cases), artifact)

    def _command(
        self, artifact: Artifact, model: Path, folder: Path, cases: int, events: Path | None
    ) -> list[str]:
        """The emulator with the runner in it; what is not there yet is compiled and downloaded first."""
        tools, root, runtime = self._tools, _root(self._tools.libraries), runtime_of(artifact)
        emulator = [tools.emulator, "-cpu", PROCESSOR, "-L", str(root)]
        emulator += ["-E", f"LD_LIBRARY_PATH={tools.libraries}", "-E", "ORT_DISABLE_TELEMETRY=1"]
        runner = tools.runner(runtime.runner)
        if self.counts:
            plugin = tools.counter()
            if "," in f"{plugin}{folder}":  # what QEMU takes for the next argument
                raise UsageError(
                    "QEMU takes no path with a comma in it", "set XDG_CACHE_HOME and TMPDIR to others"
                )
            emulator += ["-plugin", f"{plugin},out={folder / _COUNTS}"]
        program = [str(runner), str(runtime.library()), str(model.resolve())]
        level = self.level(runtime)
        program += [] if level is None else [str(OPTIMIZATIONS[level])]
        program += [] if events is None else [f"profile={events}"]
        program += [str(folder), str(cases)]
        for spec in artifact.signature.inputs:
            shape = "x".join(str(size) for size in spec.written_shape) or "scalar"
            program += ["in", str(_TYPES[spec.dtype]), shape, spec.name]
        for spec in artifact.signature.outputs:
            program += ["out", spec.name]
        return [*emulator, *program]


def _run(command: Sequence[str], cases: int, artifact: Artifact) -> list[str]:
    """The lines that the runner printed."""
    model, runtime = artifact.model_path, runtime_of(artifact)
    limit = _SECONDS_TO_LOAD + cases * _SECONDS_TO_RUN
    # Nothing of this process's own environment: what it holds would lie on the emulated stack.
    plain = {"PATH": os.defpath, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=plain)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise GateError(
            f"{model} did not end on the {TITLE} within {limit:.0f} s",
            "so it could not be verified; try a smaller model",
        ) from None
    if done.returncode:
        # The runner's own words come last; before them, the emulator may have said something.
        said = [line for line in reversed(done.stderr.splitlines()) if re.search(r"\w", line)]
        why = said[0] if said else "nothing was said"
        if done.returncode == _REFUSED:
            way = (
                "try --optimization basic, or export it in fp32"
                if runtime.has_levels
                else "export it in fp32"
            )
            raise InputError(
                f"{runtime.title} {runtime.version} for arm64 does not run {model}: {why[:300]}",
                f"where a kernel is missing, {way}",
            )
        raise GateError(f"the {TITLE} failed with status {done.returncode}: {why[:200]}")
    lines = done.stdout.splitlines()
    if runtime.tells_version and f"runtime {runtime.version}" not in lines:
        raise GateError(
            f"the {TITLE} did not run {runtime.title} {runtime.version}, and so nothing is verified"
        )
    return lines


def runtime_of(artifact: Artifact) -> DeviceRuntime:
    """What runs the artifact there."""
    return RUNTIMES[artifact.format]


def refuse_other_formats(artifact: Artifact) -> None:
    """:class:`UnsupportedError` for an artifact that no runtime there takes."""
    if artifact.format not in RUNTIMES:
        titles = " and ".join(FORMATS[name].title for name in RUNTIMES)
        raise UnsupportedError(
            f"{artifact.folder} is {artifact.format}, and the {TITLE} runs {titles}",
            f"leave --device out, or export it with --format {' or --format '.join(RUNTIMES)}",
        )


def _root(libraries: Path) -> Path:
    """What the emulated program finds instead of the host's files: its loader, and what its processor is."""
    made_of = "\0".join((str(libraries), *_FILES, *_FILES.values()))
    place = cache_folder() / "devices" / f"root-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    if not place.is_dir():
        with placed(place) as folder:
            (folder / "lib").symlink_to(libraries)
            for name, text in _FILES.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, "ascii")
    return place


def _write(path: Path, value: Array, spec: TensorSpec) -> None:
    """The bare numbers. :class:`InputError` if they are not what the model takes."""
    if value.shape != spec.shape or value.dtype != np.dtype(spec.dtype):
        raise InputError(
            f"{spec.name} is given as {value.dtype} {list(value.shape)}, and the model takes {spec.dtype} "
            f"{list(spec.shape)}",
            "the artifact's vectors do not fit its model: export it again",
        )
    laid_out = value.transpose(0, 2, 3, 1) if spec.channels_last else value
    path.write_bytes(np.ascontiguousarray(laid_out, np.dtype(spec.dtype).newbyteorder("<")).tobytes())


def _read(artifact: Artifact, folder: Path, index: int, lines: Sequence[str]) -> dict[str, Array]:
    """The outputs of a case in the types and shapes that the runner told; one that it did not tell is left out."""
    names = {number: dtype for dtype, number in _TYPES.items()}
    found = {}
    for line in lines:
        kind, *fields = line.split() or [""]
        if kind != "output" or len(fields) != 4 or int(fields[0]) != index:
            continue  # another fact, or what the runtime had to say
        shape = () if fields[3] == "scalar" else tuple(int(size) for size in fields[3].split("x"))
        content = (folder / f"{index}.out.{fields[1]}").read_bytes()
        dtype = np.dtype(names[int(fields[2])]).newbyteorder("<")
        found[artifact.signature.outputs[int(fields[1])].name] = np.frombuffer(content, dtype).reshape(shape)
    return found


def _read_counts(path: Path, cases: int) -> tuple[int, ...]:
    """Instructions of each case."""
    counts = tuple(number for kind, number in _marks(path) if kind == "end")
    if len(counts) != cases:
        raise GateError(f"the {TITLE} gave no counts of its instructions, and so nothing is verified")
    return counts


def _read_readings(path: Path) -> tuple[int, ...]:
    """Instructions of the last case until each reading of the clock in it."""
    marks = _marks(path)
    begun = max((place for place, (kind, _) in enumerate(marks) if kind == "begin"), default=len(marks))
    inside = itertools.takewhile(lambda mark: mark[0] == "reading", marks[begun + 1 :])
    return tuple(number for _, number in inside)


def _marks(path: Path) -> list[tuple[str, int]]:
    """What the plugin wrote: the kind of each mark, and instructions."""
    found = []
    for line in path.read_text("ascii").splitlines() if path.is_file() else []:
        kind, *number = line.split(" ")
        try:
            found.append((kind, whole(number[0], 1) if number else 0))
        except ValueError:
            return []
    return found
