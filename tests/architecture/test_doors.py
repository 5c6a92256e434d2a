"""Each mechanism is one module: files from outside are opened, words printed and foreign exceptions met there alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FILES = [
    path
    for top in (ROOT / "cloformer", ROOT / "export")
    for path in sorted(top.rglob("*.py"))
    if not any(parent.is_symlink() for parent in (path, *path.parents))
]
FILES.append(ROOT / "cli.py")
DOOR = "cloformer/io/"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(tree: ast.AST, inside: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Every node, with the name of the innermost function or class around it."""
    for node in ast.iter_child_nodes(tree):
        is_scope = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        yield node, inside
        yield from _functions(node, node.name if is_scope else inside)  # type: ignore[attr-defined]


# Why every exception is met there. Everywhere else the exceptions that are expected are named.
CATCHES_ALL = {
    ("cli.py", "_run"): "what nobody expected is a bug, which has an exit code of its own",
    ("cloformer/checkpoint_file.py", "_read_safetensors"): "safetensors, and torch",
    ("cloformer/checkpoint_file.py", "_read_torch"): "torch's unpickler, and its reader of archives",
    ("cloformer/io/read.py", "decoding"): "foreign decoders: the one place for all others",
    (
        "cloformer/io/staging.py",
        "_explained_when_full",
    ): "whichever framework meets a full disk; others pass through",
    ("cloformer/io/staging.py", "_create"): "takes away what it made, and raises it again",
    ("cloformer/training/teacher.py", "open_teacher"): "a user's module, or a runtime",
    ("export/commands/bench.py", "bench"): "tells an error, which is raised again, from a signal",
    ("export/commands/compare.py", "compare"): "the same",
    ("export/formats/coreml/exporter.py", "check"): "coremltools",
    (
        "export/formats/coreml/exporter.py",
        "write",
    ): "coremltools, of a network that none of its authors foresaw",
    (
        "export/formats/executorch/exporter.py",
        "_lowered",
    ): "ExecuTorch, of a network that none of its authors foresaw",
    ("export/formats/executorch/session.py", "executed"): "ExecuTorch's runtime",
    ("export/formats/executorch/work_limit.py", "refuse_endless"): "torch, of shapes that do not fit",
    ("export/formats/doctor.py", "_imports"): "an installed package that is broken",
    ("export/formats/runner.py", "runtime_errors"): "a runtime, of a file that anybody made",
    ("export/latency/worker.py", "serve"): "a runtime, or a user's module, in a process of its own",
    ("export/source/counts.py", "_of_node"): "torch, of an operator on tensors without data",
    ("export/parity/answered.py", "_given"): "a user's module",
    ("export/parity/walk.py", "_attempt"): "an operator of torch, one of which does not end the rest",
    (
        "export/formats/onnx/exporter.py",
        "_exported",
    ): "torch.onnx, of a network that none of its authors foresaw",
    ("export/formats/onnx/simplified.py", "simplified_by_onnxsim"): "onnxsim, of orders that it made itself",
    ("export/formats/litert/exporter.py", "_converted"): "litert-torch, of such a network",
    ("export/formats/litert/exporter.py", "unsupported"): "torch, which takes operators apart",
    ("export/formats/doctor.py", "_of_an_extra"): "an installed package that is broken",
    ("export/formats/onnx/exporter.py", "unsupported"): "torch, which takes operators apart",
    (
        "export/passes/__init__.py",
        "apply_passes",
    ): "a pass of ours, of such a network: a bug is told with its place",
    ("export/passes/fix_sizes.py", "_value"): "an operator of torch",
    ("export/source/attempt.py", "attempt"): "a user's module",
    ("export/source/trace.py", "lower"): "torch, which takes operators apart",
    ("export/source/follow.py", "followed"): "torch, which is told more then, and raises again",
    ("export/source/libraries/made.py", "called"): "a library's own function",
    ("export/source/libraries/package.py", "_imported"): "an installed package that is broken",
    ("export/source/trace.py", "_export"): "a user's module, and torch on its way through it",
    ("export/source/user_module.py", "_module"): "a user's module",
    (
        "export/source/user_module.py",
        "_from_its_place",
    ): "the same: what failed is imported again the next time",
    ("export/source/user_module.py", "_called"): "a user's factory",
}


def _catches_all() -> Iterator[tuple[str, str, bool]]:
    """File, function, and whether a reason stands beside it."""
    for path in FILES:
        text = path.read_text("utf-8")
        lines = text.splitlines()
        for node, function in _functions(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler):
                kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
                if node.type is None or names & {"Exception", "BaseException"}:
                    raised = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                    yield _name(path), function, "#" in lines[node.lineno - 1] or raised


def test_every_exception_is_met_where_there_is_a_reason() -> None:
    found = list(_catches_all())
    assert {(file, function) for file, function, _ in found} == set(CATCHES_ALL)
    assert not [(file, function) for file, function, has_reason in found if not has_reason]


# What opens or parses a file, as it is written.
OPENS = re.compile(
    r"\b(open|fdopen|GzipFile|InferenceSession)\(|\.(open|read_text|read_bytes)\("
    r"|\b(json|tomllib)\.loads?\(|\b(np|torch|onnx|pickle)\.load\w*\(|\bsafe_open\(|\bImage\.open\(|FromString\("
)
# Files that are not from outside, or that the guarded reader has opened.
OPENED = {
    "export/formats/litert/metadata.py": "an archive in bytes that the door has read",
    # This package's own, which come with it.
    "export/schemas/__init__.py": "the schemas",
    "export/reports/shared/page.py": "a page's style and script",
    "export/bundle/payload.py": "the notices of its template",
    "export/device/toolchain.py": "the source of its runner, and this system's own C library",
    # What it has just written itself, in a folder that nobody else knows.
    "export/device/arm64.py": "what its runner has just written",
    "export/device/exchange.py": "the same",
    "export/device/sources.py": "what a package manager has just written, held to its hash",
    "export/formats/coreml/exporter.py": "the package that coremltools has just written",
    "export/formats/onnx/exporter.py": "the file that torch has just written",
    "export/formats/onnx/profiler.py": "what ONNX Runtime has just written",
    "export/formats/executorch/profiler.py": "what ExecuTorch has just written",
    "export/formats/onnx/profile_events.py": "the same",
    "export/formats/onnx/counted.py": "the same, on an emulated device",
    "export/latency/messages.py": "what a process of its own says through a pipe",
    "export/latency/valgrind.py": "what Valgrind has just written",
    # This system's own words about itself.
    "export/latency/environment.py": "/proc",
    "export/latency/roofline.py": "/sys",
    "export/latency/worker.py": "/proc, and the files of an artifact to forget them in the cache",
    # Bytes or files that the guarded reader has read or opened.
    "cloformer/checkpoint_file.py": "bytes",
    "export/accuracy/arrays.py": "an open file",
    "export/artifact/kit.py": "bytes",
    "export/formats/coreml/mil/read.py": "bytes",
    "export/formats/coreml/probe.py": "bytes",
    "export/formats/executorch/file.py": "the schema that ExecuTorch comes with",
    "export/formats/executorch/payload.py": "the same",
    "export/formats/onnx/file.py": "bytes",
    "export/formats/onnx/session.py": "a file that has been looked at, for the runtime alone can open it",
    "export/source/images.py": "an open file",
    "export/source/spec.py": "text",
    # No file is read.
    "cloformer/__main__.py": "/dev/null, in place of a closed output",
    "cloformer/training/run.py": "a folder, to lock it",
}


def _opens(path: Path) -> bool:
    """Whether it does so in code: strings and comments may speak of it."""
    tree = ast.parse(path.read_text("utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(OPENS.search(f"{ast.unparse(call.func)}(") for call in calls)


def test_files_from_outside_are_opened_at_the_door() -> None:
    found = {_name(path) for path in FILES if not _name(path).startswith(DOOR) and _opens(path)}
    assert found == set(OPENED)


WRITES = re.compile(
    r"\.(write_text|write_bytes|touch|symlink_to|hardlink_to)\(|\bos\.(replace|rename|link)\(|\bshutil\.\w+\("
    r"|\b(np|torch|onnx)\.save\w*\(|\btempfile\.\w+\(|\bjson\.dump\(|\bsave_file\("
)
WRITTEN = {
    "export/artifact/predict.py": "into memory: the one writer writes what is there",
    "export/artifact/kit.py": "into an export's staging folder",
    "export/artifact/origins.py": "the same",
    "export/artifact/vectors.py": "the same",
    "export/pipeline/export.py": "the same",
    "export/formats/coreml/exporter.py": "the same",
    "export/formats/executorch/exporter.py": "the same",
    "export/formats/litert/exporter.py": "the same",
    "export/formats/onnx/exporter.py": "the same",
    "export/bundle/payload.py": "into a bundle's staging folder",
    "export/bundle/probe.py": "the same",
    "export/formats/coreml/probe.py": "the same",
    "export/bundle/project.py": "the same",
    "export/bundle/carry.py": "the same",
    "export/bundle/page.py": "the same",
    "export/bundle/npm_files.py": "the same, and into the cache's staging folder",
    "export/bundle/served.py": "into a connection",
    "export/latency/baseline.py": "into a baseline's staging folder",
    "cloformer/training/hub.py": "into a hub folder's staging folder",
    "export/device/sources.py": "a temporary folder, and into the cache's staging folder",
    "export/calibration/calibrate.py": "the same",
    "export/commands/compare.py": "a temporary folder",
    "export/pipeline/another_choice.py": "a temporary folder below where an export is written",
    "export/pipeline/preview.py": "a temporary folder",
    "export/pipeline/steps.py": "a temporary folder",
    "export/device/arm64.py": "a temporary folder, and the cache's staging folder",
    "export/device/exchange.py": "a temporary folder",
    "export/device/phone.py": "a temporary folder",
    "export/formats/onnx/profiler.py": "a temporary folder",
    "export/formats/executorch/profiler.py": "a temporary folder",
    "export/formats/onnx/runner.py": "a temporary folder",
    "export/latency/parent.py": "a temporary file",
    "export/latency/valgrind.py": "a temporary folder",
    "export/device/adb.py": "nothing: it looks for a program",
    "export/device/toolchain.py": "nothing: it looks for programs",
}


def test_files_are_written_by_the_one_writer() -> None:
    found = set()
    for path in FILES:
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        if not _name(path).startswith(DOOR) and any(
            WRITES.search(f"{ast.unparse(call.func)}(") for call in calls
        ):
            found.add(_name(path))
    assert found == set(WRITTEN)


PRINTS = re.compile(
    r"^(print|sys\.(__)?std(out|err)(__)?\.write|sys\.std(out|err)\.buffer|typer\.echo|click\.echo)$"
)


def test_words_are_printed_in_one_place() -> None:
    printing, drawing = set(), set()
    for path in FILES:
        for call in (
            node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
        ):
            if PRINTS.match(ast.unparse(call.func)):
                printing.add(_name(path))
            if ast.unparse(call.func) in ("Console", "rich.print"):
                drawing.add(_name(path))
    assert printing == {"cloformer/io/output.py"}
    # A progress bar on a terminal, whose words are made harmless beside it; and colours for words that are harmless already.
    assert drawing == {"cloformer/io/colour.py", "export/commands/progress.py"}


def test_numbers_are_read_from_words_in_one_place() -> None:
    """Everywhere else digits would be those of every script."""
    loose = re.compile(r"\.(isdecimal|isdigit|isnumeric)\(|\\d")
    assert [_name(path) for path in FILES if loose.search(path.read_text("utf-8"))] == []


def test_reports_count_things_by_the_one_who_knows_their_plurals() -> None:
    """Of several things there are several; of how many nobody knows before there may be one."""
    loose = re.compile(r"(?<!of )\{len\([^{}]*\)(?::,)?\} [a-z -]*s\b(?! than)")
    told = [
        path for path in FILES if _name(path).startswith(("export/reports/", "export/commands/", "cli.py"))
    ]
    found = {_name(path): loose.findall(path.read_text("utf-8")) for path in told}
    assert {name: lines for name, lines in found.items() if lines} == {
        "export/commands/bench.py": ["{len(candidates)} rows"],  # for there is another number than one
    }
