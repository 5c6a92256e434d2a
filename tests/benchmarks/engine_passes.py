"""What is each pass of Core ML's list for the Neural Engine good for? Each is left out in turn, and the file is counted and linted.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.engine_passes [NAME...] [--write]

CloFormer-XXS with the tests' reference weights, and networks that have what the passes rewrite. By row: operators of the file,
multiply-adds beside the list for all units, the largest error of the written file, that of the rewritten graph in float64 over the
largest value, and what lint finds of the rules that the passes are for. Exit 1 where the whole list leaves a finding of these, takes
more multiply-adds, or is not the model in float64. ``--write`` puts the table into ``docs/passes.md``. Four minutes on two cores that
have nothing else to do.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import copy
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import phone_traits
import six_networks
import torch
from proof import in_float64, outputs
from reference_weights import fill
from torch import nn

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.formats import FORMATS
from cloformer.export.lint.lint import lint
from cloformer.export.lint.rules import RULES
from cloformer.export.parity.request import ParityRequest
from cloformer.export.passes import Setting, apply_passes
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import trace

from .ablation import PAGE, labels, without
from .markdown import replace_between

BEGIN, END = (
    "<!-- ablation for the Neural Engine: make engine-passes -->",
    "<!-- end of the ablation for the Neural Engine -->",
)
FORMAT, ENGINE, ALL = "coreml", {"processor": "neural-engine"}, {"processor": "all-units"}
OWN = [name for name in labels(FORMAT, ENGINE) if name not in labels(FORMAT, ALL)]
THEIRS = [name for name, rule in RULES.items() if FORMAT in rule.flags]
EXACT = 1e-10  # of the largest value, as the property tests of the passes have it
BEFORE, WHOLE = "the list for all units", "nothing"


@dataclass(frozen=True)
class Subject:
    """A network by the name that ``--model`` takes; None: CloFormer-XXS with the tests' reference weights."""

    model: str | None
    size: tuple[int, int]

    def make(self) -> nn.Module:
        if self.model is None:
            return fill(cloformer.create_model("cloformer_xxs"))
        module, _, name = self.model.partition(":")
        made: nn.Module = getattr(
            {"phone_traits": phone_traits, "six_networks": six_networks}[module], name
        )()
        return made


SUBJECTS: Mapping[str, Subject] = {
    "CloFormer-XXS": Subject(None, (224, 224)),
    "a network like MobileNetV3": Subject("six_networks:mobile", six_networks.IMAGE_SIZE),
    "attention through `nn.MultiheadAttention`": Subject(
        "six_networks:attention_module", six_networks.IMAGE_SIZE
    ),
    "a network with every trait": Subject("phone_traits:large", phone_traits.IMAGE_SIZE),
}


@dataclass(frozen=True)
class Row:
    off: str
    sites: int | None
    operators: int
    added: int
    error: float
    wide_error: float
    findings: Mapping[str, int]


def rows_of(subject: Subject) -> Iterator[Row]:
    """The list for all units, that for the engine, and it without each pass that rewrites anything."""
    sites: Mapping[str, int] = {}
    names = labels(FORMAT, ENGINE)
    for off in (BEFORE, WHOLE, *OWN):
        if off in OWN and not sites[off]:
            continue
        options = ALL if off == BEFORE else ENGINE
        with without(FORMAT, names.index(off) if off in OWN else None):
            row, made = _row(subject, off, sites.get(off), options)
        sites = sites if off != WHOLE else made
        yield row


def _row(
    subject: Subject, off: str, sites: int | None, options: Mapping[str, str]
) -> tuple[Row, Mapping[str, int]]:
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        weights = None
        if subject.model is None:
            weights = Path(folder) / "xxs.safetensors"
            save_checkpoint(subject.make(), weights)
        request = ExportRequest(
            model=subject.model, weights=weights, formats=(FORMAT,), precision="fp16", image_size=subject.size, options=options,
            output=Path(folder) / "made",
        )  # fmt: skip
        done = export(request)[0]
        report = lint(done.artifact, ParityRequest())
    added, wide, made = _in_float64(subject, options)
    found = Counter(item.rule.name for item in report.findings if item.rule.name in THEIRS)
    return Row(off, sites, report.operators, added, done.difference.max_abs, wide, found), made


@torch.no_grad()
def _in_float64(subject: Subject, options: Mapping[str, str]) -> tuple[int, float, Mapping[str, int]]:
    """Multiply-adds that the format's own passes add, the largest error over the largest value, and their sites."""
    model = subject.make()
    spec = TensorSpec("image", (1, 3, *subject.size), role="image")
    traced = trace(model, [spec])
    after, applied = apply_passes(
        traced, FORMATS[FORMAT].passes(Setting(traced.signature, options=options)), cast=False
    )
    x = torch.randn(spec.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    want, have = outputs(copy.deepcopy(model).double()(x)), outputs(in_float64(after.graph_module)(x))
    floats = [(one, other) for one, other in zip(want, have, strict=True) if one.is_floating_point()]
    error = max(float((one - other).abs().max() / one.abs().max()) for one, other in floats)
    others = [(one, other) for one, other in zip(want, have, strict=True) if not one.is_floating_point()]
    assert all(torch.equal(one, other) for one, other in others)
    return (
        sum(item.added_multiply_adds for item in applied if item.name in OWN),
        error,
        {item.name: len(item.sites) for item in applied},
    )


def lines(found: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| network | off | sites | operators | multiply-adds | error | in float64 | lint finds |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for name, rows in found.items():
        for row in rows:
            said = (
                ", ".join(f"{rule} {count}" if count > 1 else rule for rule, count in row.findings.items())
                or "nothing"
            )
            off = row.off if row.off in (BEFORE, WHOLE) else f"`{row.off}`"
            sites = "" if row.sites is None else row.sites
            cells = (
                name,
                off,
                sites,
                row.operators,
                f"{row.added:+}",
                f"{row.error:.1e}",
                f"{row.wide_error:.0e}",
                said,
            )
            yield f"| {' | '.join(map(str, cells))} |"


def problems(found: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """What the whole list may not do."""
    for name, rows in found.items():
        for row in rows:
            if row.off == WHOLE and row.findings:
                yield f"{name}: lint still finds {', '.join(row.findings)}"
            if row.added > 0:
                yield f"{name}, without {row.off}: {row.added} multiply-adds more"
            if row.wide_error > EXACT:
                yield f"{name}, without {row.off}: {row.wide_error:.1e} from the model in float64"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*SUBJECTS, []], help="some of the networks")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    found: dict[str, list[Row]] = {}
    for name in given.names or SUBJECTS:
        for row in rows_of(SUBJECTS[name]):
            found.setdefault(name, []).append(row)
            print(name, row, flush=True)
    table = list(lines(found))
    print("", *table, "", sep="\n")
    if given.write:
        replace_between(PAGE, BEGIN, END, table)
    sys.exit("\n".join(problems(found)) or 0)


if __name__ == "__main__":
    main()
