"""Checkpoints of pruned networks: what they say of themselves is what is built, and what cannot be is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from reference_weights import fill
from small_variant import TINY, known

import cloformer
from cloformer.checkpoint import CheckpointError, identify, load_checkpoint, read_checkpoint, save_checkpoint
from cloformer.model import CloFormer
from cloformer.pruning import plan, pruned, pruned_metadata

SHARES = {"hidden": 0.3, "local_heads": 0.3, "global_heads": 0.4}


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The checkpoint of a pruned network."""
    folder = tmp_path_factory.mktemp("pruned")
    with known(TINY):
        save_checkpoint(fill(CloFormer(TINY, num_classes=3)), folder / "whole.safetensors")
        model, checkpoint = load_checkpoint(folder / "whole.safetensors")
        made = pruned(model, plan(model, SHARES, "magnitude", 8))
        save_checkpoint(made, folder / "small.safetensors", pruned_metadata(checkpoint, made))
        yield folder / "small.safetensors"


def test_it_is_built_as_it_says(smaller: Path) -> None:
    model, checkpoint = load_checkpoint(smaller)
    assert (model.variant, model.head.out_features) == (TINY, 3)
    assert model.widths.hidden == (48, 88, 176, 360)
    assert model.widths.to_json() == json.loads(checkpoint.metadata["widths"])
    assert identify(checkpoint.tensors, checkpoint.metadata) is TINY
    again = cloformer.create_model(TINY.name, weights=smaller, drop_path_rate=0.3)
    assert (again.widths, again.drop_path_rate) == (model.widths, 0.3)
    for key, value in again.state_dict().items():
        assert torch.equal(value, model.state_dict()[key])
    assert "scores" not in checkpoint.metadata
    assert checkpoint.metadata["pruned_from"] == read_checkpoint(smaller.parent / "whole.safetensors").sha256


def _changed(**lists: object) -> str:
    full = {name: list(values) for name, values in TINY.widths.to_json().items()}
    return json.dumps({name: value for name, value in (full | lists).items() if value is not None})


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ("{", "line 1 column 2"),
        ("[1, 2]", "widths is a list, not an object"),
        (_changed(hidden=None), "widths.hidden is missing"),
        (_changed(gates=[1]), "widths.gates is not a field that is known here"),
        (_changed(hidden=[48, 88, 176]), "widths.hidden has 3 entries, not one for each of 4 blocks"),
        (_changed(hidden=[48, 88, 176, 360, 8]), "widths.hidden has 5 entries, not 0 to 4"),
        (_changed(hidden=[48, 88, 0, 360]), r"widths.hidden\[2\] is 0, not from 1 to 256"),
        (_changed(hidden=[72, 88, 176, 360]), r"widths.hidden\[0\] is 72, not from 1 to 64"),
        (_changed(hidden=[48.5, 88, 176, 360]), r"widths.hidden\[0\] is the number 48.5, not a whole number"),
        (_changed(hidden=[True, 88, 176, 360]), r"widths.hidden\[0\] is true, not a whole number"),
        (_changed(global_heads=[0, 2, 4, 12]), r"widths.global_heads\[0\] is 0, not from 1 to 1"),
        (_changed(hidden=[10**30, 88, 176, 360]), "has more than 64 bits"),
    ],
)
def test_widths_that_no_network_has(smaller: Path, tmp_path: Path, widths: str, words: str) -> None:
    model, checkpoint = load_checkpoint(smaller)
    save_checkpoint(model, tmp_path / "w.safetensors", {**checkpoint.metadata, "widths": widths})
    with pytest.raises(
        CheckpointError, match=f"says that it is cloformer_tiny, pruned to widths that cannot be: .*{words}"
    ):
        load_checkpoint(tmp_path / "w.safetensors")


def test_widths_of_another_network(smaller: Path, tmp_path: Path) -> None:
    """Sound in themselves, and not those of the tensors."""
    model, checkpoint = load_checkpoint(smaller)
    widths = {**model.widths.to_json(), "hidden": [56, 88, 176, 360]}
    said = {**checkpoint.metadata, "widths": json.dumps(widths)}
    save_checkpoint(model, tmp_path / "w.safetensors", said)
    with pytest.raises(CheckpointError, match="is not a CloFormer checkpoint"):
        load_checkpoint(tmp_path / "w.safetensors")
    with pytest.raises(
        CheckpointError, match=r"mlp.fc1.weight: \[56, 16, 1, 1\] expected, \[48, 16, 1, 1\] found"
    ):
        load_checkpoint(tmp_path / "w.safetensors", TINY.name)


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_tensors_that_do_not_say_how_they_are_pruned(smaller: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"w{ending}"
    model, _ = load_checkpoint(smaller)
    if ending == ".pth":
        torch.save(model.state_dict(), path)
    else:
        save_checkpoint(model, path)
    with pytest.raises(CheckpointError, match="is not a CloFormer checkpoint"):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match=r"does not fit the model: .* wrongly shaped"):
        load_checkpoint(path, TINY.name)


def test_a_foreign_file_may_have_widths_of_its_own(tmp_path: Path) -> None:
    save_checkpoint(torch.nn.Linear(2, 2), tmp_path / "w.safetensors", {"widths": "wide", "variant": "mine"})
    found = read_checkpoint(tmp_path / "w.safetensors")
    assert identify(found.tensors, found.metadata) is None
