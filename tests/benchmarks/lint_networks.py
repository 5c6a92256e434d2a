"""Does lint say nothing where a network has no trait of a rule? Networks of the zoo are exported to Core ML and ONNX in float16, and
linted.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.lint_networks [NAME...] [--for neural-engine] [--write]

Whether a network has a trait is told by the trace of the PyTorch model alone: its operators, their shapes and arguments, and what
it computes on noise; nothing of lint and nothing of the file goes into that. A finding of a rule whose trait the trace does not
have is false. A row for each rule and format says how many networks do not have the trait, and what was found in them; and how many have it,
and in how many it was found. The trace has more than the file: a trait that a pass or the exporter removes is not found, rightly.
Exit 1 for a false finding. ``--write`` puts the table into ``docs/lint.md``. Half an hour on a core that has nothing else to do.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from zoo.networks import PUBLISHED_CODE, TIMM, make, networks, reference_of
from zoo.table import Network

from cloformer.errors import CloformerError
from cloformer.export.lint.lint import lint
from cloformer.export.lint.rules import RULES
from cloformer.export.parity.request import ParityRequest
from cloformer.export.passes.rewriter import arguments
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.spec import ModelSpec
from cloformer.export.source.trace import trace

from .markdown import replace_between

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lint.md"
BEGIN, END = "<!-- networks: make lint-networks -->", "<!-- end of the networks -->"
ENOUGH = 30
FORMATS = ("coreml", "onnx")
SMALL = [item for item in networks().values() if item.style not in (TIMM, PUBLISHED_CODE)]
OFFERED = {item.name: item for item in SMALL}

Values = Mapping[fx.Node, Any]
Trait = Callable[[fx.Node, Values], bool]


def _name(node: fx.Node) -> str:
    return str(node.target).removeprefix("aten.").partition(".")[0] if node.op == "call_function" else ""


def _is_one_of(*names: str) -> Trait:
    return lambda node, _: _name(node) in names


def _largest(value: Any) -> float:
    found = [
        item
        for item in torch.utils._pytree.tree_leaves(value)
        if isinstance(item, Tensor) and item.is_floating_point()
    ]
    return max((float(item.abs().max()) for item in found if item.numel()), default=0.0)


def _given(node: fx.Node, values: Values) -> list[Tensor]:
    return [values[item] for item in node.all_input_nodes if isinstance(values.get(item), Tensor)]


def _ranks(node: fx.Node, values: Values) -> set[int]:
    return {item.ndim for item in (*_given(node, values), values.get(node)) if isinstance(item, Tensor)}


def _sums(node: fx.Node, values: Values) -> bool:
    """Anything that adds up over an axis, where all magnitudes of its operand, or all squares, add up to 20,000 and more: parts of
    them are no more, and the margin is for other photographs and noise than those of lint."""
    names = ("sum", "mean", "var", "var_mean", "std", "norm", "linalg_vector_norm", "group_norm", "native_group_norm", "layer_norm",
             "native_layer_norm", "instance_norm", "rms_norm", "adaptive_avg_pool2d", "adaptive_avg_pool1d", "normalize", "cumsum",
             "einsum", "cosine_similarity", "logsumexp")  # fmt: skip
    if _name(node) not in names:
        return False
    return any(
        max(float(x.abs().sum()), float((x * x).sum())) > 20_000
        for x in _given(node, values)
        if x.is_floating_point()
    )


def _window(node: fx.Node, _values: Values) -> bool:
    return _name(node).startswith("avg_pool") and bool(arguments(node)["ceil_mode"])


def _small(node: fx.Node, _values: Values) -> bool:
    """An epsilon among the arguments, or a small number that is added or clamped to, or a constant that may be one. A batch norm's
    variance is a constant."""
    if "batch_norm" in _name(node):
        return False
    numbers = [item for item in (*node.args, *node.kwargs.values()) if isinstance(item, float)]
    constants = [item for item in node.all_input_nodes if item.op == "get_attr"]
    has_default = any(word in _name(node) for word in ("norm", "cosine", "std", "var"))
    is_small = any(0 < abs(number) < 6.2e-5 for number in numbers)
    return has_default or is_small or any(item.meta["val"].numel() == 1 for item in constants)


_PASSED = ("add", "sub", "mul", "div", "dropout", "to", "_to_copy", "contiguous", "clone", "add_", "mul_")
_STILL = ("view", "reshape", "flatten", "transpose", "permute", "unsqueeze", "squeeze", "cat", "softmax", "log_softmax", "getitem", "chunk",
          "split", "unbind", "select", "slice", "expand", "linear", "matmul", "mm", "addmm", "layer_norm", "sum", "mean")  # fmt: skip


def _of_rows(node: fx.Node, values: Values) -> bool:
    """A product whose result has two axes at most and is read, as it is or after arithmetic, by what may be an activation; or a layer
    that may have both inside."""
    if _name(node) in (
        "gru",
        "lstm",
        "rnn_tanh",
        "gru_cell",
        "lstm_cell",
        "rnn_tanh_cell",
        "einsum",
        "bilinear",
        "tensordot",
    ):
        return True
    made = values.get(node)
    if (
        _name(node) not in ("linear", "matmul", "mm", "addmm", "inner", "mv", "dot")
        or not isinstance(made, Tensor)
        or made.ndim > 2
    ):
        return False
    waiting, seen = list(node.users), set()
    while waiting:
        user = waiting.pop()
        if user in seen or _name(user) in _STILL or user.op == "output":
            continue
        seen.add(user)
        if _name(user) not in _PASSED:
            return True
        waiting += user.users
    return False


def _many_taps(node: fx.Node, values: Values) -> bool:
    """A convolution of groups with more than 25 taps, or a window of as many, which may be written as one."""
    if "pool" in _name(node):
        return max((x.shape[-1] * x.shape[-2] for x in _given(node, values) if x.ndim > 2), default=0) > 25
    if not _name(node).startswith("conv") or int(arguments(node).get("groups", 1)) == 1:
        return False
    return math.prod(_given(node, values)[1].shape[2:]) > 25


TRAITS: Mapping[str, Trait] = {
    "softplus-above-10": lambda n, v: _name(n) in ("softplus", "mish", "log_sigmoid", "logaddexp", "binary_cross_entropy_with_logits")
    and max(map(_largest, _given(n, v)), default=0) > 5,
    "logsumexp-without-maximum": lambda n, v: _name(n) in ("logsumexp", "log", "logaddexp", "logcumsumexp", "log_softmax")
    and max(_largest(v.get(n)), *map(_largest, _given(n, v)), 0) > 5,
    "product-of-2-axes": _of_rows,
    "width-slice-off-zero": lambda n, v: _name(n) in ("slice", "select", "split", "chunk", "narrow", "unbind", "roll", "split_with_sizes", "index", "index_select", "getitem", "unfold", "flip")
    and _largest(v.get(n)) > 1000,
    "attention-of-3-axes": lambda n, v: _name(n) in ("softmax", "_softmax", "scaled_dot_product_attention", "baddbmm", "bmm")
    and 3 in _ranks(n, v),
    "sum-beyond-half": _sums,
    "more-than-4-axes": lambda n, v: max(_ranks(n, v), default=0) > 4
    or _name(n) in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "unfold", "im2col", "fold", "col2im", "grid_sampler", "repeat_interleave", "tile", "repeat", "meshgrid", "nms"),
    "float32-island": lambda n, v: _largest(v.get(n)) > 60_000
    or _name(n) in ("cumsum", "arange", "argsort", "sort", "topk", "_to_copy", "to", "floor_divide", "remainder", "embedding", "sum", "round", "floor"),
    "computed-sizes": lambda n, v: "sym_size" in str(n.target) or _name(n) in ("nonzero", "item", "_local_scalar_dense"),
    "average-in-ceil-mode": _window,
    "long-softmax": lambda n, v: "softmax" in _name(n) and max((s for x in _given(n, v) for s in x.shape), default=0) > 16_384,
    "index-at-the-end": _is_one_of("argmax", "argmin", "topk", "gather", "index", "index_select", "embedding", "sort", "max", "min", "argsort", "take", "take_along_dim", "kthvalue", "median", "nms", "grid_sampler", "searchsorted", "bucketize", "where", "multinomial", "roll", "repeat_interleave", "flip", "cummax", "select"),
    "subnormal-epsilon": _small,
    "large-depthwise": _many_taps,
}  # fmt: skip

# What ONNX Runtime's kernels for arm64 do not compute in float16, so that the exporter leaves it in float32; and poolings whose windows are
# of several sizes, which torch.onnx gathers by tensors of six axes.
IN_ONNX: Mapping[str, Trait] = {
    "float32-island": _is_one_of("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
                                 "scatter", "scatter_add", "scatter_reduce", "index_put", "index_add", "index_copy"),
    "more-than-4-axes": _is_one_of("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"),
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """The rules whose trait the trace of a network has, and those that found something in its file of a format."""

    network: str
    format: str
    traits: frozenset[str]
    found: frozenset[str]

    @property
    def false(self) -> frozenset[str]:
        return self.found - self.traits


class _Values(fx.Interpreter):
    """Every value of a trace."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        self.values[n] = super().run_node(n)
        return self.values[n]


@torch.no_grad()
def traits_of(network: Network) -> dict[str, frozenset[str]]:
    """By format, by the trace of the model and what it computes on noise of the size that images have."""
    traced = trace(make(network.name), list(network.inputs))
    drawn = torch.Generator().manual_seed(5)
    running = _Values(traced.graph_module)
    running.run(*(_drawn(spec, drawn) for spec in network.inputs))
    nodes = [node for node in traced.graph_module.graph.nodes if node.op == "call_function"]

    def having(traits: Mapping[str, Trait]) -> frozenset[str]:
        return frozenset(rule for rule, has in traits.items() if any(has(n, running.values) for n in nodes))

    common = having(TRAITS)
    return {"coreml": common, "onnx": common | having(IN_ONNX)}


def _drawn(spec: Any, drawn: torch.Generator) -> Tensor:
    if spec.dtype == "bool":
        return torch.rand(spec.shape, generator=drawn) < 0.5
    if spec.values is not None or "int" in spec.dtype:
        low, high = spec.values or (0, 1)
        return torch.randint(int(low), int(high) + 1, spec.shape, generator=drawn).to(
            getattr(torch, spec.dtype)
        )
    return 2 * torch.randn(spec.shape, generator=drawn)


def results_of(network: Network, processor: str) -> Iterator[Result]:
    """Of each format that takes the network."""
    traits = traits_of(network)
    for form in FORMATS:
        found = _found(network, form, {"processor": processor} if form == "coreml" else {})
        if found is None:
            continue
        result = Result(network.name, form, traits[form], found)
        words = [f"FALSE: {', '.join(sorted(result.false))}"] if result.false else []
        print(f"{network.name}, {form}: {', '.join([*words, *sorted(found)]) or 'nothing'}", flush=True)
        yield result


def _found(network: Network, form: str, options: Mapping[str, str]) -> frozenset[str] | None:
    """The rules that find something in the network's file; None where the format does not take it."""
    with tempfile.TemporaryDirectory(prefix="lint-") as folder:
        request = ExportRequest(
            model=reference_of(network.name), formats=(form,), precision="fp16", options=options,
            spec=ModelSpec(declared=network.inputs), output=Path(folder),
        )  # fmt: skip
        try:
            artifact = export(request)[0].artifact
        except CloformerError as error:
            print(f"{network.name}, {form}: not exported: {error.lines[0]}", flush=True)
            return None
        report = lint(artifact, ParityRequest())
    unknown = {item.rule for item in report.not_checked}
    if unknown:
        print(f"{network.name}, {form}: not checked: {', '.join(sorted(unknown))}", flush=True)
    return frozenset(item.rule.name for item in report.findings)


def lines(results: list[Result]) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| rule | format | networks without the trait | findings in them | networks that may have it | found in |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for rule, form in _held():
        without = _without(results, rule, form)
        having = [item for item in results if item.format == form and rule in item.traits]
        cells = (
            form,
            len(without),
            sum(rule in item.found for item in without),
            len(having),
            sum(rule in item.found for item in having),
        )
        yield f"| `{rule}` | {' | '.join(map(str, cells))} |"


def _held() -> Iterator[tuple[str, str]]:
    """The rules, each with the formats here that it is for."""
    return ((rule, form) for rule in TRAITS for form in FORMATS if form in RULES[rule].formats)


def _without(results: list[Result], rule: str, form: str) -> list[Result]:
    """Those of a format whose network does not have the trait."""
    return [item for item in results if item.format == form and rule not in item.traits]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="networks of the zoo; all small ones, if none are named")
    parser.add_argument("--for", dest="processor", default="all-units")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    assert set(TRAITS) == set(RULES)
    chosen = [OFFERED[name] for name in given.names] or SMALL
    found = [item for network in chosen for item in results_of(network, given.processor)]
    table = list(lines(found))
    print("", *table, "", sep="\n")
    if given.write:
        replace_between(PAGE, BEGIN, END, [f"{len(chosen)} networks in float16.", "", *table])
    false = [
        f"{item.network}, {item.format}: {', '.join(sorted(item.false))}" for item in found if item.false
    ]
    least = min(ENOUGH, math.ceil(len(chosen) / 2))
    few = [f"{rule} ({form})" for rule, form in _held() if len(_without(found, rule, form)) < least]
    if few:
        print(f"fewer than {ENOUGH} networks are without the trait of: {', '.join(few)}")
    sys.exit("\n".join(["false findings:", *false]) if false else 0)


if __name__ == "__main__":
    main()
