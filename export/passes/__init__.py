"""Passes rewrite a traced graph; each keeps a law. A format's folder lists those that it gains from, in order."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import fx

from cloformer.errors import CloformerError
from cloformer.io.quiet import quiet
from cloformer.io.words import reason_of

from ..source.counts import MultiplyAdds
from ..source.origin import Origin
from ..source.preprocessing import Preprocessing
from ..source.raised import nodes_held
from ..source.resolve import Source
from ..source.signature import Signature
from ..source.trace import Trace, origin_of
from ._pass import Exactness, Pass, PassResult
from .rewriter import cast_constants

__all__ = ["Applied", "Exactness", "Pass", "PassResult", "Setting", "apply_passes"]


class Asked(Protocol):
    """What of a request decides the list of passes."""

    @property
    def normalizes_inside(self) -> bool: ...
    @property
    def options(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Setting:
    """What a list of passes depends on: the signature, the preprocessing of the images that the graph is to normalize itself,
    whether classes are named, the format's options, the type that weights are stored in, and whether layers compute on whole numbers."""

    signature: Signature
    preprocessing: Mapping[str, Preprocessing] = field(default_factory=dict)
    is_classifier: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    weights: str = "float32"
    on_whole_numbers: bool = False

    @classmethod
    def of(cls, signature: Signature, source: Source, asked: Asked) -> Setting:
        """For the traced ``signature`` of ``source``. A model of several outputs is no classifier, whatever is named: Core
        ML's have one; and one whose output means something else is none."""
        named = source.labels is not None and len(signature.outputs) == 1
        named = named and all(item.role in ("logits", "probabilities") for item in source.roles)
        rules = source.preprocessing if asked.normalizes_inside else {}
        return cls(signature, rules, is_classifier=named, options=asked.options)


@dataclass(frozen=True)
class Applied:
    """A pass that ran, the sites it rewrote, and how many multiply-adds the graph has more than before (less: negative)."""

    name: str
    law: str
    exactness: Exactness
    sites: tuple[Origin, ...]
    added_multiply_adds: int = 0


def apply_passes(traced: Trace, passes: Sequence[Pass], *, cast: bool = True) -> tuple[Trace, list[Applied]]:
    """A copy of the trace's graph, rewritten by ``passes`` in order, and what each did.

    Both share the model's weights, which no pass changes: it gives the graph others in their place. Constants are folded in
    float64; ``cast=False`` leaves them so (for proofs in float64).
    """
    with quiet("torch"):  # which warns of itself when a graph is copied
        graph_module = fx.GraphModule(traced.graph_module, copy.deepcopy(traced.graph_module.graph))
    applied, counter = [], MultiplyAdds()
    count = counter.of(graph_module.graph)
    for rewrite in passes:
        try:
            result = rewrite(graph_module)
        except Exception as error:  # of a graph that nobody foresaw
            raise _failed(rewrite, error) from error
        graph_module, before = result.graph_module, count
        count = counter.of(graph_module.graph) if result.sites else before
        applied.append(Applied(rewrite.name, rewrite.law, rewrite.exactness, result.sites, count - before))
    graph_module.recompile()  # once: no pass runs the graph
    if cast:
        cast_constants(graph_module)
    return replace(traced, graph_module=graph_module), applied


def _failed(rewrite: Pass, error: Exception) -> CloformerError:
    """A bug of ours, with the pass, the place in the model, and the way round it."""
    if isinstance(error, CloformerError):
        return error
    node = next((item for item in nodes_held(error) if isinstance(item, fx.Node)), None)
    where = "" if node is None else f" at {node.target}, {origin_of(node)}"
    return CloformerError(
        f"a bug of ours: the pass {rewrite.name} fails{where}: {type(error).__name__}: {reason_of(error)}",
        "--no-reparameterize exports without the passes that a format can do without",
        "report the line, with the traceback that --debug shows",
    )
