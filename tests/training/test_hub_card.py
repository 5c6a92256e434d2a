"""A model card quotes what it is given: whatever the metadata say, it stays front matter, text, table and command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome import Command

from cloformer.checkpoint import read_checkpoint, save_checkpoint
from cloformer.model import CloFormer
from cloformer.training.hub import model_card
from cloformer.variants import VARIANTS
from cloformer.weights import find_weights

METADATA = read_checkpoint(find_weights(Path("fashion-mnist"))).metadata
EVIL = [
    "x\n---\nlicense: other\n# stolen",
    "```\n<script>alert(1)</script>\n```sh\nrm -rf ~",
    "$(touch owned) `touch owned` ; touch owned # '\" \\",
    "a | b | c\n| d |",
    "[click](javascript:alert(1)) <img src=x onerror=alert(1)> **bold**",
    "\x1b[31m\u202e\ud800\r",
    "{{x}} %s : - & * ! yes",
    "x" * 100_000,
    "null",
]
WORDS = st.sampled_from(EVIL) | st.text(st.characters(exclude_categories=[]), max_size=60)
QUOTED = ("dataset", "licence", "teacher", "cloformer")


def _parts(card: str) -> tuple[dict[str, object], list[str], list[str]]:
    """The front matter, the lines of text and tables, and the words of the last command."""
    _, front, rest = card.split("---\n", 2)
    text, blocks = [], []
    for line in rest.split("\n"):
        if line.startswith("```"):
            blocks.append("")
        elif len(blocks) % 2:
            blocks[-1] += f"{line}\n"
        else:
            text.append(line)
    assert len(blocks) == 6, "three blocks that begin and end"
    return yaml.safe_load(front), text, shlex.split(blocks[4].replace("\\\n", " "))


PLAIN = _parts("\n".join(model_card(METADATA | dict.fromkeys(QUOTED, "word"))))


@settings(deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(QUOTED, WORDS)))
def test_a_card_of_anything(words: dict[str, str]) -> None:
    card = "\n".join(model_card(METADATA | words))
    card.encode()
    front, text, command = _parts(card)
    assert front.keys() == PLAIN[0].keys()
    assert isinstance(front["license"], str)
    assert len(text) == len(PLAIN[1])
    assert [line[:2] for line in text] == [line[:2] for line in PLAIN[1]]
    assert [line.replace("\\|", "").count("|") for line in text] == [line.count("|") for line in PLAIN[1]]
    assert not any("<" in line for line in text)
    assert len(command) == len(PLAIN[2])
    assert command[:3] == ["cloformer", "train", "--data"]
    assert max(map(len, card.split("\n"))) < 2000


@pytest.mark.parametrize("name", ["plain", *EVIL[:5]])
def test_words_come_through(name: str) -> None:
    """What harms nobody is read from the card as it was."""
    card = "\n".join(model_card(METADATA | {"licence": name, "teacher": name}))
    front, _, command = _parts(card)
    shown = name.replace("\n", "\\n")
    assert front["license"] == shown.lower()
    assert command[command.index("--teacher") + 1] == shown


SCORES = json.loads(METADATA["scores"])
RECIPE = json.loads(METADATA["recipe"])


@pytest.mark.parametrize(
    "change",
    [
        {"scores": "{"},
        {"scores": json.dumps(SCORES | {"images": "many"})},
        {"scores": json.dumps(SCORES | {"top1": 2})},
        {"scores": json.dumps(SCORES | {"top1_interval": [0.1]})},
        {"scores": json.dumps(SCORES).replace(str(SCORES["top5"]), "NaN")},
        {"labels": json.dumps({"a": 1})},
        {"labels": json.dumps(["a", "b\x1b[0m"])},
        {"labels": json.dumps(["a", "\ud800"])},
        {"preprocessing": "[]"},
        {"preprocessing": "[" * 1000},
        {"recipe": "{}"},
        {"recipe": json.dumps(RECIPE | {"epochs": "many"})},
        {"recipe": json.dumps(RECIPE | {"interpolation": "`x`"})},
        {"recipe": json.dumps(RECIPE | {"epochs": 0})},
        {"weights": "`rm`"},
        {"variant": "cloformer_xs"},
        {"variant": "# x"},
    ],
    ids=str,
)
def test_metadata_of_no_training(command: Command, tmp_path: Path, change: dict[str, str]) -> None:
    metadata = METADATA | change
    model = CloFormer(VARIANTS["cloformer_xxs"], num_classes=10)
    path = tmp_path / "weights.safetensors"
    save_checkpoint(model, path, metadata)
    refused = command("hub", path, "--output", tmp_path / "hub")
    assert refused.code == 3
    assert len(refused.err.splitlines()) <= 3
    assert not (tmp_path / "hub").exists()
