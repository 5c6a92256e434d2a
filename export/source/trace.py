"""From a module to a graph that owns its constants, and from a graph back to an exported program.

The graph is the unlifted module of ``torch.export`` at the ATen level before decomposition
(``aten.conv2d``, ``aten.group_norm``, ``aten.softmax``): high enough that a pass reads like its
law. It is functional (nothing is written in place), its placeholders are the inputs in order
and its output is a flat tuple of tensors. It is traced for the shapes that are asked for: what a
module decides by the number of images is decided for that number.

Every node keeps where it came from in ``node.meta["custom"]``: the name in the trace, the
module's path and ``package.module:Class:line``, never a path of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from cloformer.errors import UnsupportedError
from cloformer.io.quiet import quiet
from cloformer.io.words import count, reason_of

from .lowering import as_program
from .origin import Origin
from .signature import DTYPES, Signature, TensorSpec

__all__ = ["Trace", "example_inputs", "lower", "lowered_name_of", "origin_of", "trace"]

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>[0-9]+)')
_TORCH_FOLDER = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class Trace:
    """A traced graph and its signature. Passes rewrite ``graph_module``; exporters only read it. ``notes`` are for people:
    what of the model is not in the graph."""

    graph_module: fx.GraphModule
    signature: Signature
    notes: tuple[str, ...] = ()


def example_inputs(specs: Sequence[TensorSpec]) -> tuple[Tensor, ...]:
    """Ones of the given shapes and types."""
    return tuple(torch.ones(spec.shape, dtype=getattr(torch, spec.dtype)) for spec in specs)


def trace(model: nn.Module, inputs: Sequence[TensorSpec], outputs: Sequence[str] = ()) -> Trace:
    """The graph of ``model`` in evaluation mode; ``outputs`` names its outputs.

    Raises :class:`UnsupportedError` where ``torch.export`` cannot follow the module
    (control flow that depends on values), with the module and line.
    """
    model.eval()
    with quiet("torch"):
        program = _export(model, inputs)
        if any(_mutates(node) for node in program.graph.nodes):
            program = program.run_decompositions({})  # nothing is decomposed; in-place becomes functional
    graph_module = _unlift(program)
    for node in graph_module.graph.nodes:
        node.meta["custom"] = {"cloformer": _read_origin(node)}
    signature = Signature(tuple(inputs), _output_specs(program, outputs))
    return Trace(graph_module, signature, tuple(_left_out(program)))


def lower(traced: Trace) -> ExportedProgram:
    """The graph exported again, constants cast once to their final types, origins kept.

    The program is functional and fixed to the signature's shapes: what every format starts from. Each node
    is known to what comes after by its name here (:func:`lowered_name_of`), through torch's decompositions
    as through coremltools, which carries ``debug_handle``, the node's place in the graph.
    """
    with quiet("torch"):
        program = as_program(traced.graph_module, example_inputs(traced.signature.inputs))
    for index, node in enumerate(program.graph.nodes):
        node.meta["custom"] = (node.meta.get("custom") or {}) | {"cloformer_node": node.name}
        node.meta["debug_handle"] = index
    return program


def origin_of(node: fx.Node) -> Origin:
    """Where ``node`` came from, through every rewrite and re-export."""
    origin = (node.meta.get("custom") or {}).get("cloformer")
    return origin if isinstance(origin, Origin) else Origin(node.name, "", "")


def lowered_name_of(node: fx.Node) -> str | None:
    """The name, in the program that :func:`lower` gave, of the node that ``node`` came from."""
    name: str | None = (node.meta.get("custom") or {}).get("cloformer_node")
    return name


def _export(model: nn.Module, specs: Sequence[TensorSpec]) -> ExportedProgram:
    try:
        return torch.export.export(
            model, example_inputs(specs), strict=False
        )  # what torch 2.7 does not do by itself
    except Exception as error:  # a user's module, or torch on its way through it, raises what it likes
        raise UnsupportedError(
            f"torch.export cannot follow the model: {reason_of(error)}",
            f"where: {_innermost_frame(error)}",
            "rewrite what depends on a tensor's values, or export the part before it",
        ) from error


def _mutates(node: fx.Node) -> bool:
    return node.op == "call_function" and getattr(getattr(node.target, "_schema", None), "is_mutable", False)


def _unlift(program: ExportedProgram) -> fx.GraphModule:
    """The program's module without its guards and hooks, its inputs and outputs plain and flat."""
    try:
        module = program.module(check_guards=False)
    except TypeError:  # torch before 2.9 has no guards to leave out
        module = program.module()
    assert isinstance(module, fx.GraphModule)
    graph_module = fx.GraphModule(module, module.graph)
    graph = graph_module.graph
    graph.set_codegen(fx.graph.CodeGen())
    output = graph.output_node()
    output.args = (tuple(leaf for leaf in pytree.tree_leaves(output.args[0]) if leaf is not None),)
    for node in list(graph.nodes):
        if node.op == "call_module" and not node.users:
            graph.erase_node(node)
    graph_module.recompile()
    return graph_module


def _read_origin(node: fx.Node) -> Origin:
    """The innermost module of the user's (torch's own are parts of it) and the line it was at."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(modules[-1][0]) if modules else ""
    names = [
        kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}" for _, kind in modules
    ]
    names = [name for name in names if "." in name]
    own = [name for name in names if not name.startswith("torch.")] or names
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    lines = [line for file, line in frames if not file.startswith(_TORCH_FOLDER)]
    if not own:
        return Origin(node.name, "", "")
    module, _, kind = own[-1].rpartition(".")
    return Origin(node.name, path.replace("L__self__.", ""), ":".join([module, kind, *lines[-1:]]))


def _innermost_frame(error: BaseException) -> str:
    """``file.py:line`` of the deepest frame outside torch, by the file's name alone."""
    frames = [(file, line) for file, line in _FRAME.findall(str(error)) if not file.startswith(_TORCH_FOLDER)]
    return f"{Path(frames[-1][0]).name}, line {frames[-1][1]}" if frames else "not said by torch.export"


def _returned(program: ExportedProgram) -> list[object]:
    """What the module returns, flat: nodes, None and numbers."""
    values = program.graph.output_node().args[0]
    assert isinstance(values, (tuple, list))
    # The outputs of a program begin with what it writes in place, if anything.
    return list(values)[len(values) - len(program.graph_signature.user_outputs) :]


def _left_out(program: ExportedProgram) -> Iterator[str]:
    returned = _returned(program)
    for place, value in enumerate(returned):
        if value is None:
            yield f"output {place + 1} of {len(returned)} is None in evaluation mode, and was left out"


def _output_specs(program: ExportedProgram, names: Sequence[str]) -> tuple[TensorSpec, ...]:
    returned = [value for value in _returned(program) if value is not None]
    if not returned:
        raise UnsupportedError("the model returns no tensor", "return the tensors that an app is to have")
    if names and len(names) != len(returned):
        raise UnsupportedError(f"the model has {count(returned, 'output')}, and {count(names, 'name')} given")
    single = len(returned) == 1
    names = list(names) or [("output" if single else f"output_{index}") for index in range(len(returned))]
    specs = []
    for name, node in zip(names, returned, strict=True):
        value = node.meta["val"] if isinstance(node, fx.Node) else node
        if not isinstance(value, Tensor) or str(value.dtype).removeprefix("torch.") not in DTYPES:
            kind = f"of {value.dtype}" if isinstance(value, Tensor) else f"the number {value}"
            raise UnsupportedError(
                f"output {name} is {kind}, not a tensor of {', '.join(DTYPES)}",
                "return tensors of these alone",
            )
        try:
            specs.append(TensorSpec(name, tuple(value.shape), str(value.dtype).removeprefix("torch.")))
        except ValueError as error:
            raise UnsupportedError(f"an output cannot be written: {error}") from None
    return tuple(specs)
