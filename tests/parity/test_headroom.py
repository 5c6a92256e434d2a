"""float16 ends at 65504: what overflows is named before it does, and then avoided in two ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from outcome import Command
from shared import Exports

from cloformer.errors import GateError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.parity.headroom import Headroom, measure_headroom, write_precision_map
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.cases import Inputs, noise_case

SCALE = 256.0  # by which the second model's activations before the first normalization are larger
GAINS = (1.0, 64.0, SCALE)
SMALL, SCALED = "user_models:group_norm", "user_models:group_norm_scaled"


def _write(model: str, output: Path, **options: Any) -> Artifact:
    """As coremltools writes it by itself, unless it is re-parameterized: normalizations apart, and squaring."""
    request = ExportRequest(model=model, formats=("coreml",), image_size=(64, 64), output=output, **options)
    return export(request)[0].artifact


def _room(artifact: Artifact) -> Headroom:
    return measure_headroom(artifact, [noise_case(Inputs.of(artifact.function))], GAINS)


@pytest.fixture(scope="module")
def plain(exported: Exports) -> Artifact:
    options = {"formats": ("coreml",), "image_size": (64, 64), "reparameterize": False}
    return read_artifact(exported(model=SMALL, **options)["coreml"])


@pytest.fixture(scope="module")
def room(plain: Artifact) -> Headroom:
    assert compare(plain, ParityRequest(model=SMALL)).passed
    return _room(plain)


def test_the_operator_is_named_before_it_overflows(room: Headroom) -> None:
    wide, narrow = room.first["wide"], room.first["narrow"]
    assert wide is not None and wide.kind == "square" and wide.module == "norm"
    assert narrow is not None and narrow.module == "norm" and narrow.gain <= wide.gain
    foreseen = {item.value: item for item in room.below(wide.gain)}[wide.value]
    assert foreseen.largest < 65504 / 100  # far from the end on these inputs themselves
    assert foreseen.squared_operand is not None and foreseen.squared_operand**2 < 65504
    document = room.to_json()
    assert document["first_overflow"]["wide"]["node"] == wide.node
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_what_was_foreseen_happens(tmp_path: Path, command: Command, room: Headroom) -> None:
    """The export is refused; what is kept of it fails at the very operator that headroom named."""
    with pytest.raises(GateError, match="--keep-failed"):
        _write(SCALED, tmp_path, reparameterize=False)
    assert not list(tmp_path.glob("*"))
    with pytest.raises(GateError, match="not the PyTorch model") as refused:
        _write(SCALED, tmp_path, reparameterize=False, keep_failed=True)
    (kept,) = tmp_path.glob("*")
    assert kept.name.endswith("-failed") and str(kept) in str(refused.value)
    done = command("parity", kept, "--model", SCALED, "--bisect", "--json")
    assert done.code == 1
    first = done.json["reports"][0]["first_divergence"]
    assert room.first["wide"] is not None
    assert first["node"] == room.first["wide"].node
    assert first["module"] == "norm" and first["location"]
    found = _room(read_artifact(kept))
    for arithmetic in ("wide", "narrow"):
        overflow = found.first[arithmetic]
        assert overflow is not None and overflow.gain == 1.0 and overflow.module == "norm"


def test_kept_in_float32_or_as_one_operator_it_holds(tmp_path: Path, room: Headroom) -> None:
    write_precision_map([room], SCALE, tmp_path / "map.json")
    entries = json.loads((tmp_path / "map.json").read_text("utf-8"))["float32"]
    assert room.first["wide"] is not None
    assert room.first["wide"].node in {entry["node"] for entry in entries}
    kept = _write(SCALED, tmp_path, reparameterize=False, precision_map=tmp_path / "map.json")
    assert kept.manifest.precision.exceptions
    assert compare(kept, ParityRequest(model=SCALED)).passed
    safe = _write(SCALED, tmp_path)
    assert compare(safe, ParityRequest(model=SCALED)).passed


def test_the_command_line_writes_the_map(plain: Artifact, tmp_path: Path, command: Command) -> None:
    done = command(
        "parity", plain.folder, "--model", SMALL, "--headroom", "--precision-map", tmp_path / "map.json", "--gain", "200"
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "square" in done.out and "65504" in done.out.replace(",", "")
    assert json.loads((tmp_path / "map.json").read_text("utf-8"))["float32"]
