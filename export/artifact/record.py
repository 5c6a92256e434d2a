"""The resolved request: every option that decides an artifact's bytes, without a path of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cloformer.errors import UsageError
from cloformer.io.fields import FieldError, Fields

from ..formats import FORMATS
from ..formats.row import COMPUTE_UNITS, Option
from ..source.decoding import Decoding
from ..source.precision import Precision
from ..source.preprocessing import Preprocessing
from ..source.quantization import Quantization
from ..source.roles import OutputRole
from ..source.signature import INPUT_ROLES, OUTPUT_ROLES, TensorSpec

__all__ = ["RequestRecord"]


@dataclass(frozen=True)
class RequestRecord:
    """``model`` is a variant's name or ``package.module:factory``; ``options`` are the format's own (its opset, its
    target) by name; ``inputs``, ``preprocessing`` and ``outputs`` are the model's own, whatever was written of them.
    Hashes are SHA-256 in hexadecimal: of the class names, and of the checkpoint's file. ``labels_of`` is the output that the
    class names are of; None: the first. ``outputs`` and ``roles`` are the network's own, before ``decoding``."""

    model: str
    format: str
    precision: Precision
    options: Mapping[str, str]
    reparameterize: bool
    inputs: tuple[TensorSpec, ...]
    preprocessing: Mapping[str, Preprocessing]
    outputs: tuple[str, ...]
    num_classes: int | None
    labels_sha256: str | None
    weights_sha256: str | None
    seed: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    labels_of: str | None = None
    roles: tuple[OutputRole, ...] = ()
    decoding: Decoding = field(default_factory=Decoding)

    @property
    def version_of_format(self) -> str:
        """The format's options in a few words: "opset 20", "ios16"."""
        return ", ".join(option.worded(choice) for option, choice in self._told)

    @property
    def normalizes_inside(self) -> bool:
        """Whether the file was asked to scale and normalize its images itself."""
        return FORMATS[self.format].normalizes_inside(self.options)

    @property
    def io_type(self) -> str:
        """What floating-point inputs and outputs were asked to be."""
        return self.options.get("io_type", "float32")

    @property
    def processor(self) -> str | None:
        """The processor that the list of passes is for; None where a format has no list for one, or a manifest is older than the
        second."""
        choice = self.options.get("processor", "")
        return choice if choice and choice not in COMPUTE_UNITS else None

    @property
    def _told(self) -> list[tuple[Option, str]]:
        chosen = [(option, self.options[option.name]) for option in FORMATS[self.format].options]
        return [(option, choice) for option, choice in chosen if option.is_told(choice)]

    def to_json(self) -> dict[str, object]:
        document: dict[str, object] = {
            "model": self.model,
            "format": self.format,
            "precision": self.precision.name,
            "precision_map": dict(self.precision.exceptions),
            "options": {option.name: choice for option, choice in self._told},
            "reparameterize": self.reparameterize,
            "inputs": [spec.to_json() for spec in self.inputs],
            "preprocessing": {name: rule.to_json() for name, rule in self.preprocessing.items()},
            "outputs": list(self.outputs),
            "num_classes": self.num_classes,
            "labels_sha256": self.labels_sha256,
            "weights_sha256": self.weights_sha256,
            "seed": self.seed,
            "metadata": dict(self.metadata),
        }
        quantization = self.precision.quantization
        document |= {} if quantization is None else {"quantization": quantization.to_json()}
        document |= {} if self.labels_of is None else {"labels_of": self.labels_of}
        document |= {"roles": [item.to_json() for item in self.roles]} if self.roles else {}
        return document | ({"decoding": self.decoding.to_json()} if self.decoding.is_asked else {})

    @classmethod
    def from_fields(cls, fields: Fields, version: int) -> RequestRecord:
        """The request in a JSON object of a manifest's ``version``: in the first, the format's options stood among the
        others. :class:`FieldError` for the first field that is wrong."""
        row = FORMATS[fields.choice("format", FORMATS)]
        given = fields if version == 1 else fields.child("options")
        options = {option.name: _option_of(given, option) for option in row.options}
        if version > 1:
            given.done()
        precision = row.precisions[fields.choice("precision", row.precisions)]
        exceptions = fields.table("precision_map")
        if precision.are_layers_quantized:
            precision = replace(
                precision, quantization=Quantization.from_fields(fields.child("quantization"))
            )
        specs = []
        for item in fields.objects("inputs", least=1, most=256):
            specs.append(TensorSpec.from_fields(item, INPUT_ROLES))
            item.done()
        rules = fields.child("preprocessing")
        found = cls(
            model=fields.text("model", longest=500, empty=False),
            format=row.name,
            precision=replace(precision, exceptions=exceptions),
            options=options,
            reparameterize=fields.truth("reparameterize"),
            inputs=tuple(specs),
            preprocessing={name: Preprocessing.from_fields(rules.child(name)) for name in rules.names()},
            outputs=fields.texts("outputs", most=256),
            num_classes=fields.optional("num_classes", lambda name: fields.whole(name, 1, 2**20)),
            labels_sha256=fields.optional("labels_sha256", fields.sha256),
            weights_sha256=fields.optional("weights_sha256", fields.sha256),
            seed=fields.optional("seed", lambda name: fields.whole(name, -(2**63), 2**63 - 1)),
            metadata=fields.default("metadata", fields.table, {}),
            labels_of=fields.default("labels_of", fields.text, None),
            roles=tuple(OutputRole.from_fields(item, OUTPUT_ROLES) for item in fields.each("roles")),
            decoding=fields.default(
                "decoding", lambda name: Decoding.from_fields(fields.child(name)), Decoding()
            ),
        )
        fields.done()
        _check_images(found, fields.path)
        return found


def _option_of(given: Fields, option: Option) -> str:
    if option.is_later and option.name not in given:
        return option.default if option.before is None else option.before
    if option.most is None:
        return given.choice(option.name, option.choices)
    text = given.text(option.name)
    try:
        read = option.read(text)
    except UsageError:
        read = None
    if read != text:
        raise given.error(option.name, f"is {text[:40]!r}, which is no share such as {option.default}")
    return text


def _check_images(record: RequestRecord, path: str) -> None:
    """Every image among the inputs has a preprocessing that crops to its size, and nothing else has one."""
    images = {spec.name: spec for spec in record.inputs if spec.role == "image"}
    if images.keys() != record.preprocessing.keys():
        raise FieldError(f"{path}.preprocessing", "is not for the images among the inputs")
    for name, rule in record.preprocessing.items():
        if (rule.height, rule.width) != images[name].shape[2:]:
            raise FieldError(f"{path}.preprocessing.{name}", "crops to another size than its input's")
