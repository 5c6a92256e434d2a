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

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from cloformer.errors import UnsupportedError
from cloformer.io.quiet import quiet
from cloformer.io.words import count, reason_of

from .attempt import example_inputs
from .causal import masks_as_given
from .decoded import Decoded
from .drawn import refuse_drawn
from .follow import Followed, followed
from .frames import forward_of, read_origin
from .lowering import as_program
from .origin import Origin
from .raised import nodes_held
from .returned import output_names
from .signature import DTYPES, Signature, TensorSpec
from .stopped import cannot_follow

__all__ = [
    "Trace",
    "computed_from",
    "lower",
    "lowered_name_of",
    "origin_of",
    "trace",
]

_FILLED = {
    torch.ops.aten.empty.memory_format: torch.ops.aten.zeros.default,
    torch.ops.aten.empty_like.default: torch.ops.aten.zeros_like.default,
    torch.ops.aten.new_empty.default: torch.ops.aten.new_zeros.default,
}


@dataclass(frozen=True)
class Trace:
    """A traced graph and its signature. Passes rewrite ``graph_module``; exporters only read it. ``notes`` are for people:
    what of the model is not in the graph."""

    graph_module: fx.GraphModule
    signature: Signature
    notes: tuple[str, ...] = ()


def trace(model: nn.Module, inputs: Sequence[TensorSpec], outputs: Sequence[str] = ()) -> Trace:
    """The graph of ``model`` in evaluation mode; ``outputs`` names its outputs.

    Raises :class:`UnsupportedError` where ``torch.export`` cannot follow the module
    (control flow that depends on values), with the module and line.
    """
    model.eval()
    with quiet("torch"):
        found = _export(model, inputs)
        program = found.program
        if any(_mutates(node) or _is_of_vmap(node) or _is_a_region(node) for node in program.graph.nodes):
            # Nothing is decomposed; in-place becomes functional, and regions become their operators.
            program = program.run_decompositions({})
    refuse_drawn(program.graph)
    graph_module = _unlift(program)
    _fill_the_empty(graph_module)
    for node in graph_module.graph.nodes:
        node.meta["custom"] = {"cloformer": _as_the_users(read_origin(node), model)}
    signature = Signature(tuple(inputs), _output_specs(program, outputs, forward_of(model)))
    return Trace(graph_module, signature, (*_left_out(program), *map(_unchecked, found.checks)))


def _as_the_users(origin: Origin, model: nn.Module) -> Origin:
    """The module's path in the user's network, which :class:`.decoded.Decoded` holds as a part."""
    if not isinstance(model, Decoded):
        return origin
    return replace(origin, module=re.sub(r"^network(\.|$)", "", origin.module))


def lower(traced: Trace) -> ExportedProgram:
    """The graph exported again, constants cast once to their final types, origins kept.

    The program is functional and fixed to the signature's shapes: what every format starts from. Each node
    is known to what comes after by its name here (:func:`lowered_name_of`), through torch's decompositions
    as through coremltools, which carries ``debug_handle``, the node's place in the graph.
    """
    with quiet("torch"):
        try:
            program = as_program(traced.graph_module, example_inputs(traced.signature.inputs))
        except Exception as error:  # torch, of operators that it cannot take apart
            raise _cannot_lower(error) from error
    for index, node in enumerate(program.graph.nodes):
        node.meta["custom"] = (node.meta.get("custom") or {}) | {"cloformer_node": node.name}
        node.meta["debug_handle"] = index
    return program


def _cannot_lower(error: Exception) -> UnsupportedError:
    node = next(
        (item for item in nodes_held(error) if isinstance(item, fx.Node) and item.op == "call_function"), None
    )
    where = "it does not say at which operator" if node is None else f"{node.target} at {origin_of(node)}"
    return UnsupportedError(
        f"torch cannot take the model apart into operators: {reason_of(error)}",
        where,
        "rewrite that line with other operators; --no-reparameterize shows whether a pass of ours is in the way",
    )


def origin_of(node: fx.Node) -> Origin:
    """Where ``node`` came from, through every rewrite and re-export."""
    origin = (node.meta.get("custom") or {}).get("cloformer")
    return origin if isinstance(origin, Origin) else Origin(node.name, "", "")


def lowered_name_of(node: fx.Node) -> str | None:
    """The name, in the program that :func:`lower` gave, of the node that ``node`` came from."""
    name: str | None = (node.meta.get("custom") or {}).get("cloformer_node")
    return name


def computed_from(nodes: Iterable[fx.Node], past: Callable[[fx.Node], bool] = lambda _: True) -> set[fx.Node]:
    """The nodes and all that they are computed from, but for what those read that ``past`` says no to."""
    found: set[fx.Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.all_input_nodes if past(node) else []
    return found


def _export(model: nn.Module, specs: Sequence[TensorSpec]) -> Followed:
    try:
        # What the module prints is no part of a command's output; torch 2.7 is strict unless it is told.
        with contextlib.redirect_stdout(sys.stderr), masks_as_given():
            return followed(model, example_inputs(specs))
    except (Exception, SystemExit) as error:  # the user's module, or torch on its way, does what it likes
        raise cannot_follow(model, specs, error) from error


def _mutates(node: fx.Node) -> bool:
    return node.op == "call_function" and getattr(getattr(node.target, "_schema", None), "is_mutable", False)


def _is_of_vmap(node: fx.Node) -> bool:
    """Whether it says for which axis what follows is done, which only torch's own interpreter understands."""
    return str(getattr(node.target, "__module__", "")).startswith("torch._functorch")


def _is_a_region(node: fx.Node) -> bool:
    """Whether it stands for all operators below a ``with torch.no_grad()`` or ``torch.autocast``, where no pass would see them."""
    return getattr(node.target, "__name__", "") in ("wrap_with_set_grad_enabled", "wrap_with_autocast")


def _fill_the_empty(graph_module: fx.GraphModule) -> None:
    """Memory that ``forward`` asks for and writes to is zero before: what is in it else is another number each time."""
    for node in graph_module.graph.nodes:
        filled = _FILLED.get(node.target)
        if filled is not None:
            node.target = filled
            node.kwargs = {name: value for name, value in node.kwargs.items() if name != "memory_format"}
    graph_module.recompile()


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
    for node in reversed(list(graph.nodes)):
        if not node.users and (node.op == "call_module" or _writes_a_buffer(node)):
            graph.erase_node(node)
    graph_module.recompile()
    return graph_module


def _writes_a_buffer(node: fx.Node) -> bool:
    """Whether it keeps a value for the next call, which no artifact has."""
    return node.target is torch.ops.aten.copy_.default and node.args[0].op == "get_attr"  # type: ignore[union-attr]


def _returned(program: ExportedProgram) -> list[object]:
    """What the module returns, flat: nodes, None and numbers."""
    values = program.graph.output_node().args[0]
    assert isinstance(values, (tuple, list))
    # The outputs of a program begin with what it writes in place, if anything.
    return list(values)[len(values) - len(program.graph_signature.user_outputs) :]


def _left_out(program: ExportedProgram) -> Iterator[str]:
    returned = _returned(program)
    for name in program.graph_signature.buffers_to_mutate.values():
        yield f"forward writes to {name}: an artifact keeps nothing, and computes each time what the first call does"
    for place, value in enumerate(returned):
        if value is None:
            yield f"output {place + 1} of {len(returned)} is None in evaluation mode, and was left out"


def _unchecked(place: str) -> str:
    return f"what forward checks of its inputs at {place} is not checked: there an artifact gives numbers, and no error"


def _output_specs(program: ExportedProgram, names: Sequence[str], forward: str) -> tuple[TensorSpec, ...]:
    """``forward`` is where the module's is defined."""
    returned = [value for value in _returned(program) if value is not None]
    if not returned:
        raise UnsupportedError(
            "the model returns no tensor", f"where: {forward}", "return the tensors that an app is to have"
        )
    if names and len(names) != len(returned):
        raise UnsupportedError(f"the model has {count(returned, 'output')}, and {count(names, 'name')} given")
    found = output_names(names, len(returned))
    return tuple(_output_spec(name, value, forward) for name, value in zip(found, returned, strict=True))


# How a value is turned into one of a type that artifacts have.
_IN_ANOTHER_TYPE = {
    "float64": "x.float()",
    "bfloat16": "x.float()",
    "complex64": "torch.view_as_real(x)",
    "complex128": "torch.view_as_real(x).float()",
}


def _output_spec(name: str, returned: object, forward: str) -> TensorSpec:
    value = returned.meta["val"] if isinstance(returned, fx.Node) else returned
    where = f"where: {forward}"
    if isinstance(returned, fx.Node) and returned.op == "call_function":
        where = f"where: {read_origin(returned)}"
    if not isinstance(value, Tensor):
        raise UnsupportedError(
            f"output {name} is the number {value}, not a tensor of {', '.join(DTYPES)}",
            where,
            "return tensors alone",
        )
    if not all(isinstance(size, int) for size in value.shape):
        raise UnsupportedError(
            f"the shape of output {name} depends on values: [{', '.join(map(str, value.shape))}]",
            where,
            "return a fixed number: topk in place of nonzero, where in place of an index that is a mask",
        )
    kind = str(value.dtype).removeprefix("torch.")
    if kind not in DTYPES:
        raise UnsupportedError(
            f"output {name} is of {value.dtype}, not a tensor of {', '.join(DTYPES)}",
            where,
            f"return it as one of these, for example {_IN_ANOTHER_TYPE.get(kind, 'x.int()')}",
        )
    try:
        return TensorSpec(name, tuple(value.shape), kind)
    except ValueError as error:
        raise UnsupportedError(f"an output cannot be written: {error}", where) from None
