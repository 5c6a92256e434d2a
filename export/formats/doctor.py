"""What is installed, what works here, and which combinations are known to be bad."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import sys
from dataclasses import dataclass

from cloformer.io.quiet import quiet_natively
from cloformer.io.words import reason_of

from . import FORMATS
from .row import Format

__all__ = ["Finding", "Report", "examine"]

_REQUIRED = (
    "torch", "numpy", "onnx", "onnxruntime", "onnxscript", "onnxsim", "coremltools", "safetensors",
    "typer", "pillow", "jsonschema",
)  # fmt: skip
# As pyproject.toml has it: torch from the first to below the second.
ALLOWED = ((2, 7), (2, 16))
# The torch that all tests run with, and those that `make torch-versions` runs a chosen part of them with.
TESTED_WHOLE, TESTED_IN_PART = "2.13", ("2.7", "2.14", "2.15")
_OPTIONAL = {
    "accelerate": "`cloformer train`: pip install 'cloformer[train]'",
    "kornia": "`cloformer train` with random colours: pip install 'cloformer[train]'",
    "pillow-heif": "HEIC photographs: pip install 'cloformer[heic]'",
    "fast-sugiyama": "`cloformer view`: pip install 'cloformer[view]'",
    "pycocotools": "`cloformer evaluate --coco`: pip install 'cloformer[coco]'",
    "scikit-image": "photographs for the tests: pip install 'cloformer[test]'",
    "timm": "`--model timm:NAME`: pip install timm",
    "torchvision": "`--model torchvision:NAME`: pip install torchvision",
    "transformers": "`--model hf:FOLDER`: pip install transformers",
}
# Counted: docs/runtimes.md has this and other networks.
_LEAST_WORK = (
    "on an arm64 core CloFormer-XXS at 224 pixels takes 296 million instructions in LiteRT (149 in int8) and 592 in ONNX Runtime "
    "(231), counted; `cloformer parity ARTIFACT --device arm64` counts yours"
)


@dataclass(frozen=True)
class Finding:
    """One thing found: ``level`` is "ok", "note" (works, but know this) or "problem"."""

    level: str
    text: str


@dataclass(frozen=True)
class Report:
    """Versions by package (None: not installed) and findings."""

    versions: dict[str, str | None]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        return all(finding.level != "problem" for finding in self.findings)

    def to_json(self) -> dict[str, object]:
        return {
            "healthy": self.healthy,
            "versions": self.versions,
            "findings": [{"level": f.level, "text": f.text} for f in self.findings],
        }


def examine() -> Report:
    """Look at the installation; loads every framework once, since that it is listed does not mean it loads."""
    versions = {name: _version(name) for name in (*_REQUIRED, *_OPTIONAL)}
    findings = [
        Finding("problem", f"{name} is not installed: pip install --upgrade cloformer")
        for name in _REQUIRED
        if versions[name] is None
    ]
    findings += [
        Finding("note", f"{name} is not installed ({use})")
        for name, use in _OPTIONAL.items()
        if not versions[name]
    ]
    findings += _combinations(versions)
    findings += [
        _loads(name, module)
        for name, module in (("ONNX export", "torch.onnx"), ("ONNX Runtime", "onnxruntime"))
    ]
    findings.append(_core_ml())
    findings += [_of_an_extra(row) for row in FORMATS.values() if row.extra is not None]
    findings.append(Finding("note", _LEAST_WORK))
    here: dict[str, str | None] = {"python": platform.python_version(), "system": platform.platform()}
    return Report(here | versions, tuple(findings))


def _combinations(versions: dict[str, str | None]) -> list[Finding]:
    found = []
    torch, numpy, coremltools = (_number(versions[name]) for name in ("torch", "numpy", "coremltools"))
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        found.append(
            Finding("problem", "Python 3.10 to 3.13 is needed: coremltools 9.0 has wheels for no other")
        )
    first, end = (f"{major}.{minor}" for major, minor in ALLOWED)
    if torch and not ALLOWED[0] <= torch < ALLOWED[1]:
        problem = f"torch {versions['torch']} is not of {first} to below {end}"
        found.append(Finding("problem", f"{problem}: pip install 'torch>={first},<{end}'"))
    if coremltools and coremltools != (9, 0):
        found.append(
            Finding(
                "problem", f"coremltools {versions['coremltools']} is not 9.0: pip install coremltools==9.0"
            )
        )
    if coremltools and numpy and numpy >= (2, 4):
        found.append(
            Finding(
                "note",
                "numpy 2.4 and coremltools 9.0: torch.jit.trace graphs that compute sizes from tensors fail to "
                "convert (coremltools issue 2633); exports by cloformer have no such sizes and are not affected",
            )
        )
    if torch:
        found.append(Finding("note", _tested(f"{torch[0]}.{torch[1]}")))
    if importlib.util.find_spec("torchvision") and not _imports("torchvision"):
        found.append(
            Finding(
                "note",
                "torchvision is installed but does not fit this torch; timm: and torchvision: models need it, nothing else",
            )
        )
    return found


def _tested(torch: str) -> str:
    """What is known of this torch."""
    part = ", ".join(TESTED_IN_PART)
    known = {TESTED_WHOLE: "all tests run with it"} | dict.fromkeys(
        TESTED_IN_PART, "a chosen part of the tests runs with it"
    )
    here = known.get(torch, "no test has run with it")
    return f"torch {torch}: {here} (tested: {TESTED_WHOLE} whole, {part} in part; coremltools 9.0 says it was tested up to 2.7)"


def _core_ml() -> Finding:
    if not _imports("coremltools"):
        return Finding("problem", "coremltools does not load: pip install --force-reinstall coremltools==9.0")
    if sys.platform == "darwin":
        return Finding("ok", "Core ML: exports, and runs here")
    return Finding(
        "ok",
        f"Core ML: exports and type-checks here; running a model needs macOS (this is {platform.system()})",
    )


def _of_an_extra(row: Format) -> Finding:
    """A format whose packages are installed if it is asked."""
    install = f"pip install 'cloformer[{row.extra}]'"
    if row.missing:
        return Finding(
            "note", f"{row.title} is not written here, without {', '.join(row.missing)}: {install}"
        )
    try:
        with quiet_natively(row.name):
            row.exporter()
    except Exception as error:  # a package that is there and broken raises what it likes
        return Finding("problem", f"{row.title} is not written here: {reason_of(error)}: {install}")
    return Finding("ok", f"{row.title}: exports, and runs here")


def _loads(title: str, module: str) -> Finding:
    return (
        Finding("ok", f"{title} loads")
        if _imports(module)
        else Finding("problem", f"{title}: {module} does not load")
    )


def _imports(module: str) -> bool:
    from cloformer.io.quiet import quiet

    with quiet(module):
        try:
            importlib.import_module(module)
        except Exception:  # a package that is there and broken raises what it likes
            return False
    return True


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _number(version: str | None) -> tuple[int, int] | None:
    match = re.match(r"([0-9]+)\.([0-9]+)", version or "")
    return (int(match[1]), int(match[2])) if match else None
