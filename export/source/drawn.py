"""Operators that draw random numbers: what they give is another thing at each call, and in each runtime."""

from __future__ import annotations

import torch
from torch import fx

from cloformer.errors import UnsupportedError

from .frames import read_origin

__all__ = ["draws", "refuse_drawn"]

# Arguments that say of operators of training whether they draw.
_SWITCHES = ("train", "training", "dropout_p", "dropout")


def refuse_drawn(graph: fx.Graph) -> None:
    """:class:`UnsupportedError` for the first operator that draws numbers which something reads."""
    for node in graph.nodes:
        if node.users and draws(node):
            raise UnsupportedError(
                f"the model draws random numbers in evaluation mode: {node.target}",
                f"where: {read_origin(node)}",
                "draw them outside and give them as an input (--input), or leave it out where the module does not train",
            )


def draws(node: fx.Node) -> bool:
    """Whether the operator draws random numbers: one that may does not where nothing is dropped."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or torch.Tag.nondeterministic_seeded not in target.tags:
        return False
    names = [argument.name for argument in target._schema.arguments]
    given = dict(zip(names, node.args)) | node.kwargs
    switches = [given.get(name, False) for name in _SWITCHES if name in names]
    return all(bool(switch) for switch in switches)
