"""The lists of passes by format, pass by pass, on a whole network and on users' models."""

from __future__ import annotations

import copy

import pytest
import torch
import user_models
from lists import LISTS
from proof import (
    assert_equal,
    assert_exports_again,
    assert_rounded_once,
    in_float64,
    operators,
    outputs,
    random_inputs,
)
from reference_weights import fill, one_block_a_stage
from torch import nn

from cloformer.export.formats import FORMATS
from cloformer.export.passes import Exactness, Setting, apply_passes
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import Trace, trace


@pytest.mark.parametrize("list_name", LISTS)
def test_each_pass_keeps_the_model_and_all_can_be_exported_again(list_name: str) -> None:
    """Two images that are not square, and whose size no window divides."""
    model = one_block_a_stage()
    step = trace(model, [TensorSpec("image", (2, 3, 44, 36), role="image")], ["logits"])
    inputs = random_inputs([(2, 3, 44, 36)])
    rewritten = 0
    with torch.no_grad():
        want = copy.deepcopy(model).double()(*inputs)
        format_name, options = LISTS[list_name]
        for rewrite in FORMATS[format_name].passes(Setting(step.signature, options=options)):
            step, applied = apply_passes(step, [rewrite], cast=False)
            if not applied[0].sites:
                continue
            rewritten += 1
            assert rewrite.exactness is not Exactness.APPROXIMATE
            assert_equal(in_float64(step.graph_module)(*inputs)[0], want)
            single, _ = apply_passes(step, [])
            assert_rounded_once(step, single)
        assert_exports_again(single, [tensor.float() for tensor in inputs])
    assert rewritten >= 8  # all but fix_sizes, for a trace computes no sizes
    # Where attention is computed as it is written, its heads are turned.
    turned = {"permute"} if list_name in ("onnx for x86", "coreml") else set()
    assert not {"batch_norm", "group_norm", "unbind", *turned} & set(operators(step))


def _prove_lists(model: nn.Module, specs: list[TensorSpec]) -> dict[str, dict[str, int]]:
    """Every format's list keeps the model, and leaves its weights alone, which the rewritten graph shares where no pass gave it
    others; the number of sites of each pass, by format."""
    before, as_made = trace(model, specs), copy.deepcopy(model.state_dict())
    inputs = random_inputs([spec.shape for spec in specs])
    found = {}
    with torch.no_grad():
        want = outputs(copy.deepcopy(model).double()(*inputs))
        for name, (format_name, options) in LISTS.items():
            row, setting = FORMATS[format_name], Setting(before.signature, options=options)
            wide, applied = apply_passes(before, row.passes(setting), cast=False)
            for have, expected in zip(in_float64(wide.graph_module)(*inputs), want, strict=True):
                assert_equal(have, expected)
            single, _ = apply_passes(before, row.passes(setting))
            assert_rounded_once(wide, single)
            assert_exports_again(single, [tensor.float() for tensor in inputs])
            _assert_shares(single, model)
            found[name] = {item.name.partition("[")[0]: len(item.sites) for item in applied if item.sites}
    for key, value in model.state_dict().items():
        assert torch.equal(value, as_made[key]), key
    return found


def _assert_shares(single: Trace, model: nn.Module) -> None:
    """No weight is copied that stays as it is."""
    owned = {tensor.data_ptr() for tensor in model.state_dict().values()}
    for key, tensor in single.graph_module.state_dict().items():
        assert key.startswith("folded_") or tensor.data_ptr() in owned, key


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (user_models.resnet, {"fold_batch_norm": 8}),
        (user_models.mobilenet, {"fold_batch_norm": 10}),
        (user_models.vit, {"fold_normalization_affine": 5, "fold_constant_scale": 4, "split_by_chunk": 2}),
    ],
    ids=["resnet", "mobilenet", "vit"],
)
def test_users_models(make, expected: dict[str, int], batch: int) -> None:
    """In float32 on arm64 the projection of q, k and v stays whole, and what scales q alone stays behind it."""
    model = fill(make())
    for name, found in _prove_lists(model, [TensorSpec("image", (batch, 3, 64, 64), role="image")]).items():
        whole = {"fold_constant_scale": 2, "split_by_chunk": None} if name.startswith("onnx") else {}
        wanted = expected | (whole if name != "onnx for x86" else {})
        assert {each: found.get(each) for each in expected} == {each: wanted[each] for each in expected}


def test_a_model_of_two_inputs_and_two_outputs() -> None:
    specs = [TensorSpec("image", (2, 3, 32, 32), role="image"), TensorSpec("scalars", (2, 4))]
    _prove_lists(fill(user_models.two_inputs()), specs)


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_in_and_probabilities_out(name: str) -> None:
    """The same model of an image that is not normalized; in Core ML, as a classifier."""
    model, spec = one_block_a_stage("cloformer_no_global"), TensorSpec("image", (1, 3, 32, 36), role="image")
    before: Trace = trace(model, [spec])
    rule = Preprocessing.imagenet(32, 36)
    setting = Setting(before.signature, {"image": rule}, is_classifier=True)
    wide, applied = apply_passes(before, FORMATS[name].passes(setting), cast=False)
    sites = {item.name.partition("[")[0]: len(item.sites) for item in applied}
    assert (sites["normalize_inside"], sites["fold_input_scale"]) == (1, 1)
    pixels = torch.randint(0, 256, spec.shape, generator=torch.Generator().manual_seed(1)).double()
    mean, std = (
        torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1) for values in (rule.mean, rule.std)
    )
    with torch.no_grad():
        want = copy.deepcopy(model).double()((pixels * rule.scale - mean) / std)
        want = want.softmax(-1) if "append_softmax" in sites else want
        assert_equal(in_float64(wide.graph_module)(pixels)[0], want)
    assert ("append_softmax" in sites) == (name == "coreml")
