"""What runs the model inside an app. Another one is a module of its system's template, and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloformer.errors import UnsupportedError, UsageError

from .npm_files import NpmFiles
from .onnxruntime_web import ONNXRUNTIME_WEB
from .providers import ANDROID, BROWSER
from .systems import SYSTEMS, System

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["RUNTIMES", "Runtime", "check_provider", "choose_runtime", "providers_of", "runtimes_of"]


@dataclass(frozen=True)
class Runtime:
    """``format`` is what it runs, in apps of ``system``. ``module`` is the folder of the template that only apps with this
    runtime have; ``processors`` are those that its library exists for, as Android names them. ``providers`` are where it can run a
    model, each with what that needs; ``files`` are its own, which the project carries."""

    name: str
    title: str
    format: str
    system: str
    module: str | None = None
    processors: tuple[str, ...] = ()
    providers: Mapping[str, str] = field(default_factory=dict)
    files: NpmFiles | None = None

    def settings(self, provider: str | None = None) -> dict[str, object]:
        """What the build or the page reads of it; without a ``provider`` an Android app takes the model's own, and a page the
        first."""
        if self.files is not None:
            named = {"name": self.name, "version": self.files.version}
            return {"runtime": named, "provider": provider or next(iter(self.providers)), "threads": None}
        if self.module is None:
            return {}
        return {"runtime": self.module, "abis": ",".join(self.processors), "provider": provider or ""}


_ALL = ("arm64-v8a", "armeabi-v7a", "x86", "x86_64")

RUNTIMES = {
    row.name: row
    for row in (
        Runtime("onnxruntime", "ONNX Runtime", "onnx", "android", "ort", _ALL, ANDROID),
        Runtime("litert", "LiteRT", "litert", "android", "litert", _ALL),
        Runtime("executorch", "ExecuTorch", "executorch", "android", "executorch", ("arm64-v8a", "x86_64")),
        Runtime("coreml", "Core ML", "coreml", "ios"),
        Runtime(
            "onnxruntime-web", "ONNX Runtime Web", "onnx", "web", providers=BROWSER, files=ONNXRUNTIME_WEB
        ),
    )
}


def runtimes_of(system: System) -> list[Runtime]:
    return [row for row in RUNTIMES.values() if row.system == system.name]


def providers_of(system: System | None = None) -> list[str]:
    """The providers of a system's runtimes; without a system, or where it has none, all that there are."""
    rows = RUNTIMES.values() if system is None else runtimes_of(system)
    names = dict.fromkeys(name for row in rows for name in row.providers)
    return list(names) if names or system is None else providers_of()


def check_provider(runtime: Runtime, provider: str | None) -> None:
    """Raises :class:`UsageError` for a provider that the runtime has not."""
    if provider is None or provider in runtime.providers:
        return
    if runtime.providers:
        raise UsageError(
            f"{runtime.title} has no provider {provider}",
            f"--provider takes: {', '.join(runtime.providers)}",
        )
    raise UsageError(
        f"--provider is one of ONNX Runtime's, and {runtime.title} runs this model",
        "leave it out, or bundle an ONNX artifact: `cloformer export --format onnx`",
    )


def choose_runtime(system: System, artifact: Artifact, name: str | None) -> Runtime:
    """The runtime of the artifact's format; ``name`` is the one that was asked for.

    Raises :class:`UnsupportedError` for a format that no app of the system carries, and :class:`UsageError` for a runtime
    that does not run it, or not there.
    """
    rows = runtimes_of(system)
    asked = RUNTIMES[name] if name is not None else None
    if asked is not None and asked not in rows:
        raise UsageError(
            f"{asked.title} is in no {system.product}",
            f"leave --runtime out, or bundle for {SYSTEMS[asked.system].title}: `cloformer bundle {asked.system}`",
        )
    found = next((row for row in rows if row.format == artifact.format), None)
    if found is None:
        *others, last = [row.format for row in rows]
        carried = f"{', '.join(others)} or {last}" if others else last
        raise UnsupportedError(
            f"{artifact.folder} is {artifact.format}, and {system.product}s carry {carried}",
            f"export it: `cloformer export --format {(asked or rows[0]).format}`",
        )
    if asked is not None and asked is not found:
        raise UsageError(
            f"--runtime {asked.name} runs {asked.format}, and {artifact.folder} is {artifact.format}",
            f"give --runtime {found.name} or leave it out, or export it: `cloformer export --format {asked.format}`",
        )
    return found
