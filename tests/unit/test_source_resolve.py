"""Which model is asked for: what a request leaves out is taken from the checkpoint, the files and the model's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import cloformer
from cloformer.errors import InputError, UsageError
from cloformer.export.source.resolve import Source, SourceRequest, resolve
from cloformer.export.source.spec import ModelSpec

RESNET = "user_models:resnet"


def _seed(source: Source) -> tuple[str, int | None]:
    return source.weights.origin, source.weights.seed


def test_nothing_asked_for_is_the_smallest_variant() -> None:
    source = resolve(SourceRequest())
    assert (source.name, source.output_names, source.output_role) == ("cloformer_xxs", ("logits",), "logits")
    assert source.inputs[0].shape == (1, 3, 224, 224)
    assert _seed(source) == ("random", 0)
    assert not source.model.training


def test_the_variant_of_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights.pth"
    torch.save(cloformer.create_model("cloformer_global", num_classes=4).state_dict(), checkpoint)
    source = resolve(SourceRequest(weights=checkpoint, image_size=(64, 96), batch=2))
    assert (source.source, source.weights.origin) == ("cloformer_global", "checkpoint")
    assert source.model.head.out_features == 4
    assert source.inputs[0].shape == (2, 3, 64, 96)
    assert (source.preprocessing["image"].height, source.preprocessing["image"].width) == (64, 96)
    with pytest.raises(InputError, match="holds cloformer_global, not cloformer_xs"):
        resolve(SourceRequest(model="cloformer_xs", weights=checkpoint))


def test_what_a_trained_checkpoint_says_of_itself() -> None:
    """Its labels, its size and its preprocessing; the size can be another."""
    source = resolve(SourceRequest(weights=Path("fashion-mnist")))
    assert source.labels is not None and source.labels[9] == "Ankle boot"
    assert source.inputs[0].shape == (1, 3, 64, 64)
    rule = source.preprocessing["image"]
    other = resolve(SourceRequest(weights=Path("fashion-mnist"), image_size=(96, 96))).preprocessing["image"]
    assert (rule.height, other.height) == (64, 96) and rule.mean == other.mean


def test_a_module_of_the_users_gives_logits_if_its_classes_are_named(tmp_path: Path) -> None:
    plain = resolve(SourceRequest(model=RESNET))
    assert (plain.name, plain.output_names, plain.output_role) == ("user_models.resnet", (), "tensor")
    assert plain.weights.origin == "module"
    (tmp_path / "labels.txt").write_text("a\nb\n", "utf-8")
    named = resolve(SourceRequest(model=RESNET, labels=tmp_path / "labels.txt"))
    assert (named.labels, named.output_role) == (("a", "b"), "logits")


def test_labels_of_the_option_come_before_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\n", "utf-8")
    spec = ModelSpec(labels=("c", "d"), outputs=("scores",), metadata={"licence": "MIT"})
    request = SourceRequest(model=RESNET, spec=spec)
    assert resolve(request).labels == ("c", "d")
    source = resolve(SourceRequest(model=RESNET, spec=spec, labels=tmp_path / "labels.txt"))
    assert source.labels == ("a", "b")
    assert (source.output_names, source.metadata) == (("scores",), {"licence": "MIT"})


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (SourceRequest(model="cloformer_xxxs"), "cloformer_xxxs"),
        (SourceRequest(model=RESNET, num_classes=7), "--num-classes is for the built-in models"),
        (SourceRequest(image_size=(30, 32)), "multiples of 4 from 32 on"),
        (SourceRequest(model="user_models:nosuch"), "there is no 'nosuch' in user_models"),
    ],
)
def test_what_is_refused(request_: SourceRequest, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        resolve(request_)
