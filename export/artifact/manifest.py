"""The manifest: what an exported model is and how to feed it, as one typed value.

It holds nothing that depends on the machine or the clock. :meth:`Manifest.of` makes it of what an export has found,
:meth:`Manifest.to_json` writes it as ``manifest.schema.json`` describes, and :meth:`Manifest.from_json` finds all that can
be wrong with one: after it, no content of a manifest raises anywhere.

Version 2 has what version 1 had, the format's own options under ``request.options``, and room for what comes: roles of
boxes, masks and maps, precision by groups of operators, partitions and operators outside a delegate, and the bounds that
kit and vectors carry. Artifacts of version 1 are read.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath

import cloformer
from cloformer.io.fields import FieldError, Fields

from ..formats import FORMATS
from ..formats.exporter import GraphFigures
from ..source.function import Function
from ..source.make import Weights
from ..source.origin import Origin
from ..source.precision import Precision
from ..source.resolve import Source
from .files import FileEntry
from .record import RequestRecord

__all__ = ["SCHEMA_VERSION", "Bound", "Manifest", "ModelEntry", "PassRecord"]

SCHEMA_VERSION = 2
_EXACTNESS = ("bitwise", "real", "approximate")


@dataclass(frozen=True)
class ModelEntry:
    """``source`` is a variant's name or ``package.module:factory``, ``path`` the model as its runtime takes it: a file or
    a package's folder. ``parameters`` and ``multiply_adds`` are the traced model's, before any pass."""

    source: str
    path: str
    parameters: int
    multiply_adds: int

    @classmethod
    def from_fields(cls, fields: Fields) -> ModelEntry:
        entry = cls(
            fields.text("source", longest=500),
            fields.text("path", longest=1000, empty=False),
            fields.whole("parameters"),
            fields.whole("multiply_adds"),
        )
        fields.done()
        return entry


@dataclass(frozen=True)
class PassRecord:
    """A pass that ran: its law, what it promises, the sites that it rewrote, and how many multiply-adds an inference takes
    more than before it (less: negative)."""

    name: str
    law: str
    exactness: str
    sites: tuple[Origin, ...]
    added_multiply_adds: int = 0

    def to_json(self) -> dict[str, object]:
        sites = [site.to_json() for site in self.sites]
        document = {"name": self.name, "law": self.law, "exactness": self.exactness, "sites": sites}
        added = self.added_multiply_adds
        return document | ({"added_multiply_adds": added} if added else {})

    @classmethod
    def from_fields(cls, fields: Fields) -> PassRecord:
        record = cls(
            fields.text("name", longest=500),
            fields.text("law"),
            fields.choice("exactness", _EXACTNESS),
            tuple(Origin.from_fields(item) for item in fields.objects("sites")),
            fields.default("added_multiply_adds", lambda name: fields.whole(name, -(2**62)), 0),
        )
        fields.done()
        return record


@dataclass(frozen=True)
class Bound:
    """How far rounding alone may take an output on the vectors of a file, as a share of the largest expected magnitude,
    and the reason."""

    vectors: str
    output: str
    max_rel: float
    because: str

    @classmethod
    def from_fields(cls, fields: Fields) -> Bound:
        bound = cls(
            fields.text("vectors"), fields.text("output"), fields.number("max_rel", 0), fields.text("because")
        )
        fields.done()
        return bound


@dataclass(frozen=True)
class Manifest:
    """All that an artifact says of itself; ``functions`` begin with the one that runs unless another is asked for."""

    name: str
    format: str
    model: ModelEntry
    weights: Weights
    functions: tuple[Function, ...]
    precision: Precision
    passes: tuple[PassRecord, ...]
    graph: GraphFigures
    files: tuple[FileEntry, ...]
    versions: Mapping[str, str]
    request: RequestRecord
    bounds: tuple[Bound, ...] = ()

    @classmethod
    def of(
        cls,
        source: Source,
        request: RequestRecord,
        model: ModelEntry,
        function: Function,
        passes: Sequence[PassRecord],
        graph: GraphFigures,
        files: Sequence[FileEntry],
    ) -> Manifest:
        """The manifest of an export of ``source``: what was asked, what was written, the passes that ran. The versions
        are those of the packages that decide the format's bytes, and of those that the network is from."""
        packages = FORMATS[request.format].packages
        versions = {**source.versions, **{name: importlib.metadata.version(name) for name in packages}}
        return cls(
            name=source.name,
            format=request.format,
            model=model,
            weights=source.weights,
            functions=(function,),
            precision=request.precision,
            passes=tuple(passes),
            graph=graph,
            files=tuple(files),
            versions={"cloformer": cloformer.__version__} | versions,
            request=request,
        )

    @property
    def function(self) -> Function:
        """The first function."""
        return self.functions[0]

    @property
    def model_bytes(self) -> int:
        """Of the model's files together."""
        return sum(entry.bytes for entry in self.model_files)

    def has(self, path: str) -> bool:
        """Whether the artifact lists a file of this path."""
        return any(entry.path == path for entry in self.files)

    @property
    def model_files(self) -> tuple[FileEntry, ...]:
        """The files that the model is made of."""
        return tuple(entry for entry in self.files if entry.role == "model")

    def to_json(self) -> dict[str, object]:
        """As the schema describes it."""
        document: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "format": self.format,
            "model": asdict(self.model),
            "weights": self.weights.to_json(),
            "functions": [function.to_json() for function in self.functions],
            "precision": self.precision.to_json(),
            "passes": [item.to_json() for item in self.passes],
            "graph": self.graph.to_json(),
            "files": [entry.to_json() for entry in self.files],
            "versions": dict(self.versions),
            "request": self.request.to_json(),
        }
        return document | ({"bounds": [asdict(bound) for bound in self.bounds]} if self.bounds else {})

    @classmethod
    def from_json(cls, value: object) -> Manifest:
        """The manifest in a JSON document; :class:`FieldError` with the path of the first field that is wrong."""
        fields = Fields(value)
        version = fields.whole("schema_version", 1)
        if version > SCHEMA_VERSION:
            raise fields.error(
                "schema_version", f"is {version}, and this cloformer knows up to {SCHEMA_VERSION}: update it"
            )
        name = fields.text("name", longest=500, empty=False)
        format_name = fields.choice("format", FORMATS)
        precision = Precision.from_fields(fields.child("precision"), FORMATS[format_name].precisions)
        manifest = cls(
            name=name,
            format=format_name,
            model=ModelEntry.from_fields(fields.child("model")),
            weights=Weights.from_fields(fields.child("weights")),
            functions=tuple(
                Function.from_fields(item) for item in fields.objects("functions", least=1, most=64)
            ),
            precision=precision,
            passes=tuple(PassRecord.from_fields(item) for item in fields.objects("passes", most=1000)),
            graph=GraphFigures.from_fields(fields.child("graph")),
            files=tuple(
                FileEntry.from_fields(item) for item in fields.objects("files", least=1, most=100_000)
            ),
            versions=fields.table("versions"),
            request=RequestRecord.from_fields(fields.child("request"), version),
            bounds=tuple(Bound.from_fields(item) for item in fields.each("bounds")),
        )
        fields.done()
        _check_paths(manifest)
        _check_request(manifest)
        return manifest


def _check_paths(manifest: Manifest) -> None:
    """Every file that the manifest names is listed once, and is no other's folder."""
    paths = [entry.path for entry in manifest.files]
    listed = set(paths)
    if len(listed) != len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise FieldError("files", f"has {twice!r} twice")
    for path in paths:
        inside = next((each for each in PurePosixPath(path).parents if each.as_posix() in listed), None)
        if inside is not None:
            raise FieldError("files", f"has {path!r}, and {inside.as_posix()!r} as a file")
    model = manifest.model.path
    if not any(entry.path == model or entry.path.startswith(f"{model}/") for entry in manifest.model_files):
        raise FieldError("model.path", f"is {model[:80]!r}, and files has no model of that path")
    for number, function in enumerate(manifest.functions):
        for place, output in enumerate(function.outputs):
            if output.labels is not None and output.labels not in listed:
                raise FieldError(
                    f"functions[{number}].outputs[{place}].labels",
                    f"is {output.labels[:80]!r}, not one of files",
                )


def _check_request(manifest: Manifest) -> None:
    """The request is the one that this artifact answers."""
    request = manifest.request
    if request.format != manifest.format:
        raise FieldError("request.format", f"is {request.format}, and the artifact's is {manifest.format}")
    if replace(request.precision, quantization=None) != replace(manifest.precision, quantization=None):
        raise FieldError("request.precision", "is not the artifact's precision")
    if request.model != manifest.model.source:
        raise FieldError("request.model", "is not model.source")
