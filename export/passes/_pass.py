"""What a pass is: a law, its exactness, a rewrite, and the sites it rewrote."""

from __future__ import annotations

import enum
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

from torch import fx

from ..source.origin import Origin
from .rewriter import Rewriter

__all__ = ["Exactness", "Pass", "PassResult"]


class Exactness(enum.Enum):
    """What a pass promises about the values it computes."""

    BITWISE = "bitwise"
    REAL = "real"  # equal in real arithmetic; only rounding differs
    APPROXIMATE = "approximate"  # never on by default


@dataclass(frozen=True)
class PassResult:
    """The rewritten graph and where it was rewritten."""

    graph_module: fx.GraphModule
    sites: tuple[Origin, ...]


class Pass(ABC):
    """A rewrite of a traced graph that keeps its law; subclasses are frozen dataclasses.

    A pass reads only operators and their arguments, never the names of a model's classes,
    leaves alone whatever does not meet its preconditions, and computes constants in float64.
    """

    law: ClassVar[str]
    exactness: ClassVar[Exactness]

    @property
    def name(self) -> str:
        """``fold_batch_norm`` for the class ``FoldBatchNorm``, with its options if it has any."""
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()
        options = ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))  # type: ignore[arg-type]
        return f"{name}[{options}]" if options else name

    @abstractmethod
    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        """Rewrite the graph and return the sites."""

    def __call__(self, graph_module: fx.GraphModule) -> PassResult:
        rewriter = Rewriter(graph_module)
        sites = self.rewrite(rewriter)
        rewriter.finish()
        return PassResult(graph_module, tuple(sites))
