"""The file of values that the tests of an app write: what a probe gave on a device, by vector, and what the model itself gave.

``device-values-UNIT.safetensors``: ``VECTOR/model/OUTPUT`` are the outputs of the app's model, ``VECTOR/PART/VALUE`` what the part of
the probe gave, its outputs and the values inside. The metadata says which artifact and probe it is of, what ran, and the hash of all
numbers. Nothing in it is the yardstick: which values and vectors must be there follows from the artifact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.read import sha256_of
from cloformer.io.tensors import read_tensors

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.probe import PROBED, ProbePlan, plan_probe
from ..formats.probe import MODES
from ..formats.runner import Array, checked_outputs
from ..source.signature import Signature

__all__ = ["DEVICE", "MAX_BYTES", "DeviceRunner", "DeviceValues", "read_device_values"]

KIND = "cloformer-device-values"
MAX_BYTES = 2**31
_AGAIN = "pull it again from the device, or run the app's tests again"
DEVICE = ("manufacturer", "model", "os", "cpu", "app_build")
_RUNTIME = ("name", "version", "provider")
_SEAL = "numbers_sha256"
_UNIT = re.compile(r"[A-Za-z0-9_]{1,40}")  # it stands in names of files
_MODEL = "model"  # in the place of a part's number: the app's own


@dataclass(frozen=True)
class DeviceValues:
    """What one unit of a device (a provider, or compute units) gave, and by which plan. ``device`` and ``runtime`` are what the device
    says of itself."""

    path: Path
    plan: ProbePlan
    device: Mapping[str, str]
    runtime: Mapping[str, str]
    tensors: Mapping[str, Array]

    @property
    def unit(self) -> str:
        return self.runtime["provider"]

    @property
    def title(self) -> str:
        """What ran, in words."""
        about, ran = self.device, self.runtime
        return f"{ran['name']} {ran['version']}, {ran['provider']}, on {about['manufacturer']} {about['model']}, {about['os']}"

    def outputs(self, vector: str, part: int | None = None) -> dict[str, Array]:
        """What the app's model gave for a vector, or a part of the probe: its outputs and the values inside, as far as they are
        there."""
        place = f"{vector}/{_MODEL if part is None else part}/"
        return {
            name.removeprefix(place): value for name, value in self.tensors.items() if name.startswith(place)
        }


class DeviceRunner:
    """A runner of the vectors that a device ran, and of nothing else. ``fed`` are these, by name, as the app feeds them."""

    def __init__(
        self, signature: Signature, values: DeviceValues, fed: Mapping[str, Mapping[str, Array]]
    ) -> None:
        self.signature = signature
        self._values, self._fed = values, fed
        self.plan = values.plan

    def __enter__(self) -> DeviceRunner:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def vector(self, inputs: Mapping[str, Array]) -> str:
        """The name of the vector that ``inputs`` are; :class:`UnsupportedError` if the device was not given them."""
        for name, fed in self._fed.items():
            if fed.keys() == inputs.keys() and all(np.array_equal(fed[key], inputs[key]) for key in fed):
                return name
        raise UnsupportedError(
            f"{self._values.path} has values of {', '.join(self._fed)} alone", "give no other inputs"
        )

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of the app's model; :class:`InputError` if they are not there, or of other shapes."""
        given = self._values.outputs(self.vector(inputs))
        return checked_outputs(self.signature, _shaped(self.signature, given))

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value that a part of the probe tells, outputs included."""
        found: dict[str, Array] = {}
        for number, part in enumerate(self._values.plan.parts):
            given = self.part(inputs, number)
            told = {item.name for item in part.own} | {spec.name for spec in self.signature.outputs}
            found |= {name: value for name, value in given.items() if name in told}
        return found

    def part(self, inputs: Mapping[str, Array], number: int) -> dict[str, Array]:
        """All that one model of the probe gave: its outputs, the values that it tells and those that these are computed from."""
        return _shaped(self.signature, self._values.outputs(self.vector(inputs), number))


def _shaped(signature: Signature, given: Mapping[str, Array]) -> dict[str, Array]:
    """With the outputs as the signature has them: the apps read their numbers in a row, and as float32."""
    shapes = {spec.name: (spec.shape, spec.dtype) for spec in signature.outputs}
    found = dict(given)
    for name, (shape, dtype) in shapes.items():
        value = found.get(name)
        if value is not None and value.size == int(np.prod(shape)):
            found[name] = value.reshape(shape).astype(dtype)
    return found


def read_device_values(path: Path, artifact: Artifact) -> DeviceValues:
    """The values in ``path``.

    Raises :class:`InputError` for a file that is none, whose numbers were changed, or that is of another artifact or another probe of
    it; :class:`UnsupportedError` for a format without probes.
    """
    tensors, told = read_tensors(path, MAX_BYTES, _AGAIN, sealed_by=_SEAL)
    if told.get("kind") != KIND or told.get("schema_version") != "1":
        raise InputError(f"{path} holds no values of a device that this cloformer reads", _AGAIN)
    if told.get("manifest_sha256") != sha256_of(artifact.folder / MANIFEST):
        raise InputError(
            f"{path} is of another artifact than {artifact.folder}",
            "give the artifact that the app was bundled from",
        )
    mode = told.get("mode", "")
    plan = plan_probe(artifact, mode) if mode in MODES else None
    if plan is None or told.get("plan_sha256") != plan.sha256:
        raise InputError(
            f"{path} is of another probe than this cloformer makes of {artifact.folder}",
            "bundle the artifact again with --probe, and run the app's tests again",
        )
    device = {name: told.get(f"device_{name}", "") for name in DEVICE}
    runtime = {name: told.get(f"runtime_{name}", "") for name in _RUNTIME}
    if not all((*device.values(), *runtime.values())) or not _UNIT.fullmatch(runtime["provider"]):
        raise InputError(f"{path} does not say what device or runtime it is of", _AGAIN)
    found = DeviceValues(path, plan, device, runtime, tensors)
    _refuse_unknown(found)
    return found


def _refuse_unknown(values: DeviceValues) -> None:
    """Of vectors and parts that no probe of the artifact has."""
    places = {_MODEL, *map(str, range(len(values.plan.parts)))}
    for name in values.tensors:
        vector, _, rest = name.partition("/")
        if vector not in PROBED or rest.partition("/")[0] not in places:
            raise InputError(f"{values.path} has an unknown entry {name[:80]!r}", _AGAIN)
