"""float16 ends at 65504: what overflows is named before it does, and then avoided in two ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from outcome import Command
from reference_weights import fill

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.artifact import Artifact, read_artifact
from cloformer.export.errors import GateError
from cloformer.export.parity.cases import Inputs, noise_case
from cloformer.export.parity.headroom import Headroom, measure_headroom, write_precision_map
from cloformer.export.parity.run import ParityRequest, compare
from cloformer.export.pipeline import export
from cloformer.export.request import ExportRequest

SCALE = 256.0  # of the activations that the first normalization takes
GAINS = (1.0, 64.0, SCALE)


def _write(weights: Path, output: Path, **options: object) -> Artifact:
    request = ExportRequest(
        weights=weights, formats=("coreml",), image_size=(64, 64), output=output, **options
    )  # type: ignore[arg-type]
    return export(request)[0].artifact


def _room(artifact: Artifact) -> Headroom:
    return measure_headroom(artifact, [noise_case(Inputs.of(artifact.function))], GAINS)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Artifact:
    """XXS as coremltools writes it by itself: its normalizations are taken apart, and square."""
    return _write(checkpoint, tmp_path_factory.mktemp("plain"), reparameterize=False)


@pytest.fixture(scope="module")
def room(plain: Artifact) -> Headroom:
    return _room(plain)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that is the same function but for rounding: a normalization takes back what is scaled."""
    model = fill(cloformer.create_model("cloformer_xxs"))
    with torch.no_grad():
        for parameter in model.patch_embed.conv5.parameters():
            parameter *= SCALE
    path = tmp_path_factory.mktemp("scaled") / "scaled.safetensors"
    save_checkpoint(model, path)
    return path


def test_the_operator_is_named_before_it_overflows(room: Headroom) -> None:
    wide, narrow = room.first["wide"], room.first["narrow"]
    assert wide is not None and wide.kind == "square" and wide.module == "patch_embed.layernorm"
    assert narrow is not None and narrow.module == "patch_embed.layernorm" and narrow.gain <= wide.gain
    foreseen = {item.value: item for item in room.below(wide.gain)}[wide.value]
    assert foreseen.largest < 65504 / 100  # far from the end on these inputs themselves
    assert foreseen.squared_operand is not None and foreseen.squared_operand**2 < 65504
    document = room.to_json()
    assert document["first_overflow"]["wide"]["node"] == wide.node
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_what_was_foreseen_happens(scaled: Path, tmp_path: Path, command: Command, room: Headroom) -> None:
    """The export is refused; what is kept of it fails at the very operator that headroom named."""
    with pytest.raises(GateError, match="not the PyTorch model") as refused:
        _write(scaled, tmp_path, reparameterize=False, keep_failed=True)
    (kept,) = tmp_path.glob("*")
    assert kept.name.endswith("-failed") and str(kept) in str(refused.value)
    done = command("parity", kept, "--weights", scaled, "--bisect", "--json")
    assert done.code == 1
    first = done.json["reports"][0]["first_divergence"]
    assert room.first["wide"] is not None
    assert first["node"] == room.first["wide"].node
    assert first["module"] == "patch_embed.layernorm" and first["location"]
    found = _room(read_artifact(kept))
    for arithmetic in ("wide", "narrow"):
        overflow = found.first[arithmetic]
        assert overflow is not None and overflow.gain == 1.0 and overflow.module == "patch_embed.layernorm"


def test_kept_in_float32_or_as_one_operator_it_holds(scaled: Path, tmp_path: Path, room: Headroom) -> None:
    write_precision_map([room], SCALE, tmp_path / "map.json")
    entries = json.loads((tmp_path / "map.json").read_text("utf-8"))["float32"]
    assert room.first["wide"] is not None
    assert room.first["wide"].node in {entry["node"] for entry in entries}
    kept = _write(scaled, tmp_path, reparameterize=False, precision_map=tmp_path / "map.json")
    assert kept.manifest["precision"]["exceptions"]
    assert compare(kept, ParityRequest(weights=scaled)).passed
    safe = _write(scaled, tmp_path)
    assert compare(safe, ParityRequest(weights=scaled, operators=False)).passed
