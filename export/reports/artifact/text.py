"""What `cloformer export`, `inspect` and `models` print for people, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cloformer.io.output import width
from cloformer.io.words import count, size

from ...formats import FORMATS
from ..shared.words import wrapped

if TYPE_CHECKING:
    from ...artifact.folder import Artifact
    from ...artifact.manifest import Manifest, PassRecord
    from ...formats.exporter import GraphFigures
    from ...pipeline.export import Exported
    from ...pipeline.preview import Preview
    from ...source.counts import DenseFigures, VariantFigures
    from ...source.preprocessing import Preprocessing
    from ...source.signature import TensorSpec

__all__ = ["NOT_TRAINED", "dense_models", "describe", "exported", "inspected", "models", "previewed"]

_NAMED = 3  # classes that are shown
_LISTED = 8  # operators outside a delegate
_WHOLE = 100_000  # columns: no line is folded
_PASS, _ROOMY = 42, 100  # columns of a pass's name, where there is room

NOT_TRAINED = "random weights: NOT TRAINED, so what it predicts means nothing"


def models(rows: Sequence[VariantFigures], size: tuple[int, int]) -> Iterator[str]:
    """A header, then a line per variant."""
    heading = f"feature shapes (C x H x W) at {size[0]} x {size[1]}"
    lines = [(f"{'model':<24}{'parameters':>12}{'multiply-adds':>16}", heading)]
    for row in rows:
        shapes = "  ".join("x".join(map(str, shape)) for shape in row.feature_shapes.values())
        lines.append((f"{row.name:<24}{row.parameters:>12,}{row.multiply_adds / 1e9:>14.3f} G", shapes))
    is_wide = max(len(figures) + 3 + len(shapes) for figures, shapes in lines) <= width(_WHOLE)
    for figures, shapes in lines:
        yield from [f"{figures}   {shapes}"] if is_wide else [figures, f"    {shapes}"]


def dense_models(rows: Sequence[DenseFigures]) -> Iterator[str]:
    """A line per dense network."""
    for row in rows:
        size, what = "x".join(map(str, row.image_size)), f"{row.title}, {count(row.num_classes, 'class')}"
        figures = f"{row.name:<24}{row.parameters:>12,}{row.multiply_adds / 1e9:>14.3f} G"
        whole = f"{figures}   at {size}: {what}"
        yield from [whole] if len(whole) <= width(_WHOLE) else [figures, f"    at {size}: {what}"]


def describe(manifest: Manifest) -> Iterator[str]:
    """The model, its graph, its weights."""
    graph, weights = manifest.graph, manifest.weights
    yield f"  model       {manifest.model.path}, {size(manifest.model_bytes)}, {manifest.precision.name}"
    yield from _folded(
        f"  graph       {count(graph.operators, 'operator')} in the file (constants not counted), rank at most {graph.max_rank}"
    )
    if graph.partitions is not None:
        yield from _delegated(graph)
    yield from _work(manifest.passes, manifest.model.multiply_adds)
    dataset = manifest.request.metadata.get("dataset")
    trained = f", trained on {dataset}" if dataset else ""
    origin = {
        "random": f"{NOT_TRAINED} (seed {weights.seed})",
        "module": "as the module's factory made them",
        "checkpoint": f"checkpoint {str(weights.file_sha256)[:16]}...{trained}",
    }[weights.origin]
    yield from _folded(f"  weights     {origin}")


def _delegated(graph: GraphFigures) -> Iterator[str]:
    """What the runtime's delegate takes of the graph where it was exported, and each operator that it leaves."""
    left = graph.undelegated
    taken = count(graph.partitions or 0, "partition")
    rest = f"{count(len(left), 'operator')} outside" if left else "nothing outside"
    yield from _folded(f"  delegate    {taken}, {rest}")
    for item in left[:_LISTED]:
        yield from _folded(f"              {item.operator} at {item.origin}")
    if len(left) > _LISTED:
        yield f"              and {len(left) - _LISTED} more, in the manifest"


def _work(passes: Sequence[PassRecord], before: int) -> Iterator[str]:
    """The multiply-adds of an inference, where passes have changed them, and which did."""
    changed = [(entry.name, entry.added_multiply_adds) for entry in passes if entry.added_multiply_adds]
    after = before + sum(added for _, added in changed)
    if changed:
        by = ", ".join(f"{name} {added:+,}" for name, added in changed)
        yield from _folded(f"  work        {after:,} multiply-adds: the model's {before:,}, and {by}")


def exported(item: Exported) -> Iterator[str]:
    """An artifact that was just written."""
    found = item.difference
    yield str(item.artifact.folder)
    yield from describe(item.artifact.manifest)
    yield from _folded(
        f"  PyTorch     largest difference {found.max_abs:.2g}, outputs up to {found.largest:.3g} "
        f"({', '.join(found.inputs)}; float64 reference; run by {found.runner})"
    )
    for note in item.notes:
        yield from _folded(f"  note        {note}")


def previewed(planned: Preview) -> Iterator[str]:
    """An artifact that would be written: what goes in, what comes out, how large it is, and a line for each pass."""
    job = planned.job
    yield f"would write {planned.folder}"
    for item in planned.signature.inputs:
        yield from _folded(f"  {'input':<12}{_tensor(item)}")
        yield from _rule(job.record.preprocessing.get(item.name))
    for item in planned.signature.outputs:
        names = f"; {_names(planned.labels)}" if planned.labels is not None and item.role == "logits" else ""
        yield from _folded(f"  {'output':<12}{_tensor(item, names)}")
    yield f"  {'size':<12}about {size(planned.bytes)} of weights in {job.record.precision.name}"
    yield from _passes(planned.passes)
    for note in planned.notes:
        yield from _folded(f"  note        {note}")


def inspected(artifact: Artifact) -> Iterator[str]:
    """Everything about an artifact that is whole."""
    manifest = artifact.manifest
    yield f"{manifest.name} as {FORMATS[artifact.format].title}: whole"
    yield from describe(manifest)
    for function in manifest.functions:
        for item in function.inputs:
            inside = ", pixels, 0 to 255; normalized inside" if item.preprocessing_inside else ""
            yield from _folded(f"  {'input':<12}{_tensor(item.spec, inside)}")
            yield from _rule(item.preprocessing)
        for output in function.outputs:
            labels = f", labels in {output.labels}" if output.labels else ""
            yield from _folded(f"  {'output':<12}{_tensor(output.spec, labels)}")
    counts = (f"{kind} {number}" for kind, number in manifest.graph.by_type.items())
    yield from _folded(f"  operators   {', '.join(counts)}")
    yield from _passes(manifest.passes)


def _passes(passes: Sequence[PassRecord]) -> Iterator[str]:
    yield "  passes      (sites: law)"
    is_roomy = width(_WHOLE) >= _ROOMY
    for entry in passes:
        if entry.sites:
            sites = f"{len(entry.sites):>4}" if is_roomy else f" {len(entry.sites)}"
            added = entry.added_multiply_adds
            more = f"; {added:+,} multiply-adds" if added else ""
            yield from _folded(f"    {entry.name:<{_PASS if is_roomy else 0}}{sites}: {entry.law}{more}", 8)
    if not passes:
        yield "    none: the plain trace"
    elif others := ", ".join(dict.fromkeys(entry.name for entry in passes if not entry.sites)):
        yield from _folded(f"    nothing to rewrite for {others}", 8)


def _rule(rule: Preprocessing | None) -> Iterator[str]:
    """What becomes of a photograph, as the model is fed."""
    if rule is None:
        return
    mean, std = (" ".join(f"{number:g}" for number in numbers) for numbers in (rule.mean, rule.std))
    colours = rule.color_order if len(rule.mean) == 3 else "grey"
    yield from _folded(f"  {'':<12}{rule.said}, {colours}")
    yield from _folded(f"  {'':<12}times {rule.scale:.6g}, minus {mean}, divided by {std}")


def _names(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:_NAMED])
    return f"{count(labels, 'class')}: {shown}{', ...' if len(labels) > _NAMED else ''}"


def _folded(line: str, indent: int = 14) -> Iterator[str]:
    """In lines of the terminal; whole where it is none, so that a log can be searched."""
    yield from wrapped(line, indent=indent, columns=width(_WHOLE)) or [line]


def _tensor(spec: TensorSpec, more: str = "") -> str:
    layout = ", channels last" if spec.channels_last else ""
    return f"{spec.name} {spec.dtype} {list(spec.written_shape)} ({spec.role}{layout}{more})"
