"""Networks of several maps on the command line: named, sized, exported, and held to PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest
from outcome import Command


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (("--model", "cloformer_xxs_fpm"), "Did you mean cloformer_xxs_fpn"),
        (("--model", "cloformer_xxs_fpn", "--image-size", "60"), "for example --image-size 64"),
        (("--model", "cloformer_xxs_retinanet", "--image-size", "64x100"), "for example --image-size 64x96"),
    ],
)
def test_wrong_names_and_sizes(wrong: tuple[str, ...], line: str, command: Command) -> None:
    done = command("export", *wrong, "--dry-run")
    assert done.code == 2 and line in done.err


@pytest.mark.parametrize("head", ["fpn", "retinanet"])
def test_a_dense_network_with_a_classifiers_weights(head: str, tmp_path: Path, command: Command) -> None:
    """What the checkpoint does not have is said, and drawn again by its seed where the file is judged."""
    arguments = (
        "--model",
        f"cloformer_xxs_{head}",
        "--weights",
        "fashion-mnist",
        "--num-classes",
        "5",
        "--seed",
        "3",
    )
    done = command("export", *arguments, "--image-size", "32", "--output", tmp_path, "--json")
    assert done.code == 0, done.err
    (artifact,) = done.json["artifacts"]
    assert any("NOT TRAINED" in note and "drawn from seed 3" in note for note in artifact["notes"])
    judged = command("parity", artifact["folder"], "--weights", "fashion-mnist", "--json")
    assert judged.code == 0, judged.err
    (report,) = judged.json["reports"]
    assert len(report["operators"]) > 100 and not report["not_compared"]
    other = command("parity", artifact["folder"], "--weights", Path(artifact["folder"], "nothing.pth"))
    assert other.code == 3
