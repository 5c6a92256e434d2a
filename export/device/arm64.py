"""An emulated arm64 device: QEMU runs ONNX Runtime or LiteRT for arm64 here, instruction by instruction.

It computes what an arm64 processor computes, by the kernels that the runtime has for one. It is no phone: another
operating system, one emulated core, and no time that means anything.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import GateError, InputError, MissingRuntimeError, UnsupportedError, UsageError, choose
from cloformer.io.cache import cache_folder, placed
from cloformer.io.progress import Progress

from ..artifact.folder import Artifact
from ..formats import FORMATS
from ..formats.runners import Array
from .exchange import TYPES, read_counts, read_outputs, read_readings, write_input
from .runtime import KINDS, DeviceRuntime
from .toolchain import Toolchain, find_toolchain

__all__ = ["OPTIMIZATIONS", "Arm64Device", "DeviceRun", "Recording"]

PROCESSOR = "cortex-a76"  # half-precision arithmetic and dot products, as phones have had since 2019
OPTIMIZATIONS = {"off": 0, "basic": 1, "extended": 2, "all": 99}  # as ONNX Runtime numbers them
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
    installs it. ``kind`` is one of :data:`.runtime.KINDS`; ``optimization`` is a level of :data:`OPTIMIZATIONS`, for the
    runtimes that have them; None: "all"."""

    def __init__(self, optimization: str | None = None, kind: str = "arm64") -> None:
        if optimization is not None:
            choose("optimization level", optimization, OPTIMIZATIONS, "--optimization")
        self.optimization = optimization
        self.kind = KINDS[kind]
        self._tools: Toolchain = find_toolchain()

    @property
    def title(self) -> str:
        return self.kind.title

    def runtime_of(self, artifact: Artifact) -> DeviceRuntime:
        """What runs the artifact there; :class:`UnsupportedError` if nothing does."""
        runtimes = self.kind.runtimes
        if artifact.format not in runtimes:
            titles = " and ".join(FORMATS[name].title for name in runtimes)
            raise UnsupportedError(
                f"{artifact.folder} is {artifact.format}, and the {self.title} runs {titles}",
                f"leave --device out, or export it with --format {' or --format '.join(runtimes)}",
            )
        return runtimes[artifact.format]

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
        runtime = self.runtime_of(artifact)
        level = self.level(runtime)
        return {
            "device": self.title,
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
            outputs = tuple(read_outputs(artifact, folder, index, lines) for index in range(len(cases)))
            return DeviceRun(outputs, self._counted(folder, len(cases)))

    def _counted(self, folder: Path, cases: int) -> tuple[int, ...] | None:
        """Instructions of each case; None if the emulator does not count."""
        found = read_counts(folder / _COUNTS, cases) if self.counts else None
        if self.counts and found is None:
            raise GateError(
                f"the {self.title} gave no counts of its instructions, and so nothing is verified"
            )
        return found

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
                raise GateError(f"the runtime's profiler wrote nothing on the {self.title}")
            return Recording(events[0].read_bytes(), optimized.read_bytes(), read_readings(folder / _COUNTS))

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
        self.runtime_of(artifact).refuse_unsafe(artifact)
        for index, case in enumerate(cases):
            for place, spec in enumerate(artifact.signature.inputs):
                write_input(folder / f"{index}.in.{place}", case[spec.name], spec)
        progress("preparing the emulated device")
        command = self._command(artifact, model, folder, len(cases), events)
        progress(f"running {len(cases)} inferences on the {self.title}: CloFormer-XXS takes 10 s each")
        return self._run(command, len(cases), artifact)

    def _command(
        self, artifact: Artifact, model: Path, folder: Path, cases: int, events: Path | None
    ) -> list[str]:
        """The emulator with the runner in it; what is not there yet is compiled and downloaded first."""
        tools, root, runtime = self._tools, _root(self._tools.libraries), self.runtime_of(artifact)
        emulator = [tools.emulator, "-cpu", PROCESSOR, "-L", str(root)]
        library = runtime.source.library(tools)
        folders = [library.parent] * runtime.source.brings_others + [tools.libraries]
        emulator += [
            "-E",
            f"LD_LIBRARY_PATH={':'.join(map(str, folders))}",
            "-E",
            "ORT_DISABLE_TELEMETRY=1",
        ]
        runner = tools.runner(runtime.runner)
        if self.counts:
            plugin = tools.counter()
            if "," in f"{plugin}{folder}":  # what QEMU takes for the next argument
                raise UsageError(
                    "QEMU takes no path with a comma in it", "set XDG_CACHE_HOME and TMPDIR to others"
                )
            emulator += ["-plugin", f"{plugin},out={folder / _COUNTS}"]
        program = [str(runner), str(library), str(model.resolve())]
        level = self.level(runtime)
        program += [] if level is None else [str(OPTIMIZATIONS[level])]
        program += [] if self.kind.provider is None else [f"provider={self.kind.provider}"]
        program += [] if events is None else [f"profile={events}"]
        program += [str(folder), str(cases)]
        for spec in artifact.signature.inputs:
            shape = "x".join(str(size) for size in spec.written_shape) or "scalar"
            program += ["in", str(TYPES[spec.dtype]), shape, spec.name]
        for spec in artifact.signature.outputs:
            program += ["out", spec.name]
        return [*emulator, *program]

    def _run(self, command: Sequence[str], cases: int, artifact: Artifact) -> list[str]:
        """The lines that the runner printed."""
        model, runtime = artifact.model_path, self.runtime_of(artifact)
        limit = _SECONDS_TO_LOAD + cases * _SECONDS_TO_RUN
        # Nothing of this process's own environment: what it holds would lie on the emulated stack.
        plain = {"PATH": os.defpath, "LC_ALL": "C"}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=plain)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise GateError(
                f"{model} did not end on the {self.title} within {limit:.0f} s",
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
            raise GateError(f"the {self.title} failed with status {done.returncode}: {why[:200]}")
        lines = done.stdout.splitlines()
        if runtime.tells_version and f"runtime {runtime.version}" not in lines:
            raise GateError(
                f"the {self.title} did not run {runtime.title} {runtime.version}, and so nothing is verified"
            )
        return lines


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
