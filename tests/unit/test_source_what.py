"""What a word without an option names: a model or a checkpoint, by what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloformer.errors import CloformerError
from cloformer.export.source.what import model_and_weights


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with one of each."""
    monkeypatch.chdir(tmp_path)
    for folder, file in (
        ("hub", "config.json"),
        ("built", "manifest.json"),
        ("pack", "__init__.py"),
        (".", "nets.py"),
    ):
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / file).touch()
    for file in ("best.pth", "best.weights", "model.onnx"):
        Path(file).touch()


@pytest.mark.parametrize(
    "word", ["cloformer_xs", "nets.py:build", "nets.py", "pack.nets:build", "pack", "./pack", "nets"]
)
def test_a_model(word: str) -> None:
    assert model_and_weights(word, None, None) == (word, None)
    assert model_and_weights(word, None, Path("best.pth")) == (word, Path("best.pth"))


@pytest.mark.parametrize("word", ["best.pth", "fashion-mnist", "hub", "./hub", "best.weights"])
def test_a_checkpoint(word: str) -> None:
    assert model_and_weights(word, None, None) == (None, Path(word))
    assert model_and_weights(word, "nets.py:build", None) == ("nets.py:build", Path(word))


@pytest.mark.parametrize(
    ("word", "code", "words"),
    [
        ("best.safetensors", 3, "there is no file best.safetensors. Did you mean best.pth?"),
        ("hub/best.pth", 3, "there is no file hub/best.pth\n"),
        ("model.onnx", 3, "model.onnx is an ONNX model"),
        ("built", 3, "built is an artifact, exported already"),
        ("cloformer_sx", 2, "Did you mean cloformer_"),
        ("fashion_mnist", 2, "Did you mean fashion-mnist?"),
        ("./net", 2, "Did you mean nets.py?"),
        ("nothing", 2, "there is no model or checkpoint 'nothing'\n"),
    ],
)
def test_neither(word: str, code: int, words: str) -> None:
    with pytest.raises(CloformerError) as refused:
        model_and_weights(word, None, None)
    assert refused.value.exit_code == code
    assert words in str(refused.value)
