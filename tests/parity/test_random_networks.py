"""Parity's verdicts on networks that are drawn by seed: a few of those that ``make random-networks`` tries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from random_networks.__main__ import failures, table
from random_networks.networks import image_size, make
from random_networks.oracle import hold, one_image
from random_networks.trial import Trial, try_network
from shared import Exports

# Small ones: an even number is sound, and an odd one has a fault.
ONNX, COREML = (364, 86, 396, 281, 69, 31), (396, 364, 282, 281, 69, 215)


@pytest.mark.parametrize(("number", "kind"), [(n, "onnx") for n in ONNX] + [(n, "coreml") for n in COREML])
def test_the_verdict_is_true(number: int, kind: str, tmp_path: Path) -> None:
    trial = try_network(number, kind, tmp_path)
    assert trial.result == ("caught and named" if number % 2 else "passed"), trial


def test_a_network_is_its_seed() -> None:
    one, other = make(7), make(7)
    assert one.words == other.words and one.words != make(8).words
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_the_oracle_sees_another_network(exported: Exports) -> None:
    """It says by eager PyTorch alone that the file is this network, and not that its biases are a hundredth larger."""
    from cloformer.export.artifact.folder import read_artifact

    number = 31
    folder = exported(model=f"random_networks.networks:network_{number}", image_size=image_size(number))[
        "onnx"
    ]
    network, artifact, specs = make(number), read_artifact(folder), one_image(image_size(number))
    assert hold(artifact, network, specs).is_right
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.mul_(1.01)
    assert not hold(artifact, network, specs).is_right


def test_the_bounds_are_kept() -> None:
    right = Trial(0, "onnx", "fp32", "", "passed", "", 0.1, 1.0)
    trials = [replace(right, number=number) for number in range(100)]
    assert failures(trials) == []
    for result, words in (
        ("false failure", "1 of 100 false verdicts"),
        ("believed", "1 of 100 false verdicts"),
        ("missed", "1 of 100 faults missed"),
        ("crashed", "1 of 100 false verdicts"),
        ("wrong, and named", "1 of 100 exported wrongly"),
    ):
        wrong = [replace(right, result=result), *trials[1:]]
        assert failures(wrong) == [f"onnx: {words}"]
        assert result in table(wrong)
    assert failures([replace(right, result="missed"), *trials, *trials[1:]]) == []  # one of a hundred faults
    refused = [replace(right, result="refused")] * 6 + trials[6:]
    assert failures(refused) == ["onnx: 6 of 100 refused"]
