"""What runs the model inside an app. Another one is a module of its system's template, and a row here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloformer.errors import UnsupportedError, UsageError

from .systems import SYSTEMS, System

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["RUNTIMES", "Runtime", "choose_runtime", "runtimes_of"]


@dataclass(frozen=True)
class Runtime:
    """``format`` is what it runs, in apps of ``system``. ``module`` is the folder of the template that only apps with this
    runtime have; ``processors`` are those that its library exists for, as Android names them."""

    name: str
    title: str
    format: str
    system: str
    module: str | None = None
    processors: tuple[str, ...] = ()

    def settings(self, provider: str | None = None) -> str:
        """What the build reads of it, after the system's own settings; without a ``provider`` the model's own is taken."""
        if self.module is None:
            return ""
        return f"runtime={self.module}\nabis={','.join(self.processors)}\nprovider={provider or ''}\n"


_ALL = ("arm64-v8a", "armeabi-v7a", "x86", "x86_64")

RUNTIMES = {
    row.name: row
    for row in (
        Runtime("onnxruntime", "ONNX Runtime", "onnx", "android", "ort", _ALL),
        Runtime("litert", "LiteRT", "litert", "android", "litert", _ALL),
        Runtime("executorch", "ExecuTorch", "executorch", "android", "executorch", ("arm64-v8a", "x86_64")),
        Runtime("coreml", "Core ML", "coreml", "ios"),
    )
}


def runtimes_of(system: System) -> list[Runtime]:
    return [row for row in RUNTIMES.values() if row.system == system.name]


def choose_runtime(system: System, artifact: Artifact, name: str | None) -> Runtime:
    """The runtime of the artifact's format; ``name`` is the one that was asked for.

    Raises :class:`UnsupportedError` for a format that no app of the system carries, and :class:`UsageError` for a runtime
    that does not run it, or not there.
    """
    rows = runtimes_of(system)
    asked = RUNTIMES[name] if name is not None else None
    if asked is not None and asked not in rows:
        raise UsageError(
            f"{asked.title} is in no {system.title} app",
            f"leave --runtime out, or bundle for {SYSTEMS[asked.system].title}: `cloformer bundle {asked.system}`",
        )
    found = next((row for row in rows if row.format == artifact.format), None)
    if found is None:
        *others, last = [row.format for row in rows]
        carried = f"{', '.join(others)} or {last}" if others else last
        raise UnsupportedError(
            f"{artifact.folder} is {artifact.format}, and {system.title} apps carry {carried}",
            f"export it: `cloformer export --format {(asked or rows[0]).format}`",
        )
    if asked is not None and asked is not found:
        raise UsageError(
            f"--runtime {asked.name} runs {asked.format}, and {artifact.folder} is {artifact.format}",
            f"give --runtime {found.name} or leave it out, or export it: `cloformer export --format {asked.format}`",
        )
    return found
