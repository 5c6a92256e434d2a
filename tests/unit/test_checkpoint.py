"""Checkpoints: every container, what is read off the tensors, and hostile files."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from reference_weights import fill

import cloformer
from cloformer.checkpoint import (
    CheckpointError,
    identify,
    load_checkpoint,
    load_into,
    read_checkpoint,
    save_checkpoint,
)
from cloformer.model import CloFormer
from cloformer.variants import VARIANTS


@pytest.fixture(scope="module")
def model() -> CloFormer:
    filled = fill(cloformer.create_model("cloformer_xxs", num_classes=7))
    assert isinstance(filled, CloFormer)
    return filled


def _save(model: CloFormer, path: Path, how: str) -> Path:
    state = model.state_dict()
    if how == "safetensors":
        save_checkpoint(model, path.with_suffix(".safetensors"), {"dataset": "none"})
        return path.with_suffix(".safetensors")
    content: Any = {
        "bare": state,
        "model": {"model": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        "state_dict": {"state_dict": state, "best": 0.5},
        "module": {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        "half": {key: value.half() if value.is_floating_point() else value for key, value in state.items()},
    }[how]
    torch.save(content, path.with_suffix(".pth"))
    return path.with_suffix(".pth")


@pytest.mark.parametrize("how", ["safetensors", "bare", "model", "state_dict", "module", "half"])
def test_round_trip(model: CloFormer, tmp_path: Path, how: str) -> None:
    """Variant and classes are read off the tensors; the values are the saved ones."""
    loaded, checkpoint = load_checkpoint(_save(model, tmp_path / "weights", how))
    assert loaded.variant.name == "cloformer_xxs"
    assert loaded.head.out_features == 7
    assert len(checkpoint.sha256) == 64
    for key, value in loaded.state_dict().items():
        expected = model.state_dict()[key]
        if how == "half" and expected.is_floating_point():
            expected = expected.half().float()
        assert torch.equal(value, expected)
    if how == "safetensors":
        assert checkpoint.metadata == {"dataset": "none"}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_identified(name: str) -> None:
    with torch.device("meta"):
        state = CloFormer(VARIANTS[name], num_classes=3, in_chans=1).state_dict()
    assert identify(state) is VARIANTS[name]


def test_counters_may_be_missing(model: CloFormer, tmp_path: Path) -> None:
    state = {
        key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    torch.save(state, tmp_path / "w.pth")
    assert load_checkpoint(tmp_path / "w.pth")[0].variant.name == "cloformer_xxs"


def test_create_model_with_weights(model: CloFormer, tmp_path: Path) -> None:
    path = _save(model, tmp_path / "weights", "safetensors")
    created = cloformer.create_model("cloformer_xxs", weights=path).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(created(x), model(x))


def _wrong_variant(model: CloFormer, path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(_save(model, path, "safetensors"), "cloformer_xs")
    return caught.value


def test_wrong_variant_says_which_it_is(model: CloFormer, tmp_path: Path) -> None:
    error = _wrong_variant(model, tmp_path / "w")
    assert "holds cloformer_xxs, not cloformer_xs" in str(error)
    assert "cloformer_xxs" in error.lines[1]
    assert error.details["misshaped"]


def test_wrong_class_count(model: CloFormer, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has 7 classes, and 10 were asked for"):
        load_checkpoint(_save(model, tmp_path / "w", "bare"), num_classes=10)


def test_counts_and_first_of_each_and_nothing_is_loaded(model: CloFormer) -> None:
    state = dict(model.state_dict())
    removed = [key for key in state if key.startswith("layers.0.blocks.0.attn.proj")]
    for key in removed:
        del state[key]
    state["extra.one"] = state["extra.two"] = torch.zeros(1)
    state["norm.weight"] = torch.zeros(3)
    other = fill(cloformer.create_model("cloformer_xxs", num_classes=7))
    with torch.no_grad():
        other.norm.bias.fill_(5)
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_into(other, state)
    error = caught.value
    assert "2 missing (first layers.0.blocks.0.attn.proj.weight)" in str(error)
    assert "2 unexpected (first extra.one)" in str(error)
    assert "1 wrongly shaped (first norm.weight: [256] expected, [3] found)" in str(error)
    assert error.details["missing"] == removed
    assert error.details["unexpected"] == ["extra.one", "extra.two"]
    assert error.details["misshaped"] == [("norm.weight", (256,), (3,))]
    assert all(torch.equal(value, before[key]) for key, value in other.state_dict().items())


class _RunsCode:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_would_run_code_does_not(tmp_path: Path) -> None:
    for index, write in enumerate(
        (lambda v, p: torch.save(v, p), lambda v, p: p.write_bytes(pickle.dumps(v)))
    ):
        path, trap = tmp_path / f"w{index}.pth", tmp_path / f"owned{index}"
        write({"model": _RunsCode(trap)}, path)
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(path)
        assert not trap.exists()
        assert len(caught.value.lines) == 2


def _almost_checkpoints(model: CloFormer) -> dict[str, Any]:
    """A whole checkpoint each, but for one tensor that no variant can have."""
    stem, state = "patch_embed.conv1.conv.0.weight", model.state_dict()
    changed = {
        "head_a_number.pth": {"head.weight": torch.tensor(1.0)},
        "head_of_rank_3.pth": {"head.weight": torch.zeros(7, 256, 1)},
        "head_of_no_class.pth": {"head.weight": torch.zeros(0, 256), "head.bias": torch.zeros(0)},
        "stem_a_number.pth": {stem: torch.tensor(1.0)},
        "stem_a_vector.pth": {stem: torch.zeros(16)},
        "stem_of_no_channel.pth": {stem: torch.zeros(16, 0, 3, 3)},
        "prefixed_twice.pth": {f"module.{key}": value for key, value in state.items()},
    }
    return {name: {**state, **tensors} for name, tensors in changed.items()}


def _hostile(folder: Path, model: CloFormer) -> dict[str, Path]:
    whole = {
        suffix: _save(model, folder / "whole", how)
        for suffix, how in ((".pth", "bare"), (".safetensors", "safetensors"))
    }
    files: dict[str, Path | bytes] = {
        "missing.pth": folder / "missing.pth",
        "empty.pth": b"",
        "empty.safetensors": b"",
        "noise.pth": bytes(range(256)) * 40,
        "noise.safetensors": bytes(range(255, -1, -1)) * 40,
        "huge_header.safetensors": (2**62).to_bytes(8, "little") + b"{}",
        "bad_json.safetensors": (4).to_bytes(8, "little") + b"{[[[",
        "outside.safetensors": (
            lambda header: len(header).to_bytes(8, "little") + header
        )(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,999999]}}'),
        "unknown.onnx": b"x" * 10,
    }  # fmt: skip
    for suffix, path in whole.items():
        data = path.read_bytes()
        files[f"half{suffix}"] = data[: len(data) // 2]
        files[f"short{suffix}"] = data[:-1] if suffix == ".safetensors" else data[:-100]
    for name, content in {
        "list.pth": [1, 2],
        "numbers.pth": {"a": 1.0},
        "nested.pth": {"a": {"b": torch.zeros(1)}},
        "nan.pth": {"a": torch.tensor([1.0, float("nan")])},
        "inf.pth": {"model": {"a": torch.tensor([float("inf")])}},
        "nothing.pth": {},
        "complex.pth": {"a": torch.zeros(2, dtype=torch.complex64)},
        "eighth.pth": {"a": torch.zeros(2).to(torch.float8_e4m3fn)},
        "beyond_float32.pth": {"a": torch.tensor([1e300], dtype=torch.float64)},
        "sparse.pth": {"a": torch.zeros(3, 3).to_sparse()},
        "meta.pth": {"a": torch.zeros(3, device="meta")},
        "one_number_expanded.pth": {"a": torch.zeros(1).expand(2**40)},
        "number_as_key.pth": {3: torch.zeros(1)},
        "line_in_key.pth": {"a\nb\x1b[31m": torch.tensor([float("nan")])},
        **_almost_checkpoints(model),
    }.items():
        torch.save(content, folder / name)
        files[name] = folder / name
    (folder / "folder.pth").mkdir()
    files["folder.pth"] = folder / "folder.pth"
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
            files[name] = folder / name
    return {name: path for name, path in files.items() if isinstance(path, Path)}


def test_hostile_files_are_refused_with_a_next_step(model: CloFormer, tmp_path: Path) -> None:
    for name, path in _hostile(tmp_path, model).items():
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        message, advice = caught.value.lines
        assert str(path) in message, name
        assert message.isprintable(), name
        assert advice, name


@pytest.mark.parametrize("header", [{"__metadata__": None}, {"__metadata__": {}}])
def test_a_file_without_metadata(tmp_path: Path, header: dict[str, Any]) -> None:
    text = json.dumps(header | {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 4)
    assert read_checkpoint(tmp_path / "w.safetensors").metadata == {}


def test_whole_numbers_are_no_weights_but_may_be_a_users_table(model: CloFormer, tmp_path: Path) -> None:
    torch.save({**model.state_dict(), "norm.weight": torch.ones(256).long()}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"int64 values in norm\.weight, and the model float32"):
        load_checkpoint(tmp_path / "w.pth")
    users = torch.nn.Module()
    users.register_buffer("index", torch.arange(3))
    torch.save({"index": torch.tensor([2, 0, 1])}, tmp_path / "u.pth")
    load_into(users, read_checkpoint(tmp_path / "u.pth").tensors)
    assert users.index.tolist() == [2, 0, 1]


def test_no_class_is_an_error() -> None:
    with pytest.raises(ValueError, match="num_classes"):
        cloformer.create_model("cloformer_xxs", num_classes=0)


def test_another_networks_weights(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="not a CloFormer checkpoint"):
        load_checkpoint(tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"missing .*unexpected"):
        load_checkpoint(tmp_path / "w.pth", "cloformer_xxs")


def test_saving_is_deterministic_and_leaves_nothing_else(model: CloFormer, tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        save_checkpoint(model, tmp_path / name, {"k": "v", "a": "b"})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_name_that_the_system_refuses() -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint("f" * 300 + ".safetensors")
