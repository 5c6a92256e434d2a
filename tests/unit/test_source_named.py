"""A module of the user's, however it is named: the file that is named is the one that is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from cloformer.errors import CloformerError, InputError, UsageError
from cloformer.export.source.make import make_model
from cloformer.export.source.named import locate, names_a_module
from cloformer.export.source.user_module import made_by

BLOCKS = """
from torch import nn
class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.fc = nn.Linear(size, 1)
    def forward(self, x):
        return self.fc(x)
"""
NETS = """
import functools
from {blocks} import Block
from torch import nn
class Net(nn.Module):
    size = {size}
    def __init__(self):
        super().__init__()
        self.block = Block(2)
    def forward(self, x):
        return self.block(x)
def build():
    print("built")
    return Net()
@functools.cache
def cached() -> nn.Module:
    return Net()
def sized(size, *rest, deep=False, **more):
    return Block(size)
def main() -> None: ...
def _hidden(): ...
ready = Net()
number = 3
"""


def _made(reference: str) -> nn.Module:
    return made_by(locate(reference, "--model"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a package, and another folder beside it with the same files."""
    folder = tmp_path / "here"
    for place, blocks in ((folder / "pack", ".blocks"), (tmp_path / "elsewhere", "blocks")):
        place.mkdir(parents=True)
        (place / "blocks.py").write_text(BLOCKS)
        (place / "nets.py").write_text(NETS.format(blocks=blocks, size=1))
    (folder / "pack" / "__init__.py").touch()
    monkeypatch.chdir(folder)
    return folder


def _refused(reference: str) -> str:
    with pytest.raises(CloformerError) as refused:
        _made(reference)
    assert isinstance(refused.value, (UsageError, InputError))
    assert refused.value.lines[0].startswith(f"--model {reference.rstrip(':')}")
    return str(refused.value)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("pack.nets:build", "pack.nets:build"),
        ("pack/nets.py:build", "pack.nets:build"),
        ("./pack/nets.py:Net", "pack.nets:Net"),
        ("pack/nets:build", "pack.nets:build"),
        ("{here}/pack/nets.py:ready", "pack.nets:ready"),
        ("../link/nets.py:ready", "pack.nets:ready"),
        ("../elsewhere/nets.py:build", "nets:build"),
        ("{here}/../elsewhere/nets.py:Net", "nets:Net"),
        ("~/elsewhere/nets.py:cached", "nets:cached"),
        ("../elsewhere/my-nets.v2.py:build", "my_nets_v2:build"),
        ("user_models:resnet", "user_models:resnet"),
    ],
)
def test_every_spelling(here: Path, monkeypatch: pytest.MonkeyPatch, reference: str, name: str) -> None:
    """What manifests say of it names no folder of this machine; modules beside it, and in its package, are found."""
    monkeypatch.setenv("HOME", str(here.parent))
    (here.parent / "link").symlink_to(here / "pack")
    (here.parent / "elsewhere" / "my-nets.v2.py").write_text(NETS.format(blocks="blocks", size=1))
    reference = reference.format(here=here)
    assert names_a_module(reference)
    made = make_model(reference, None, None, 0)
    again = _made(name) if not name.startswith(("nets", "my")) else _made(reference)
    assert made.reference == name
    assert type(again) is type(made.model)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), made.model.parameters(), strict=True))


@pytest.mark.parametrize("installed", ["nets", "json", "torch", "types"])
@pytest.mark.parametrize("place", ["here", "elsewhere", "package"])
def test_the_file_that_is_named_and_no_other_of_its_name(
    here: Path, monkeypatch: pytest.MonkeyPatch, installed: str, place: str
) -> None:
    """Beside what is installed, imported already or not; and nothing that is installed is replaced."""
    site = here.parent / "site"
    site.mkdir()
    (site / "nets.py").write_text("size = 7")
    sys.path.insert(0, str(site))
    folder = {"here": here, "elsewhere": here.parent / "elsewhere", "package": here / installed}[place]
    folder.mkdir(exist_ok=True)
    inner = "nets" if place == "package" else installed
    (folder / "blocks.py").write_text(BLOCKS)
    (folder / f"{inner}.py").write_text(NETS.format(blocks="blocks", size=99))
    model = _made(f"{folder}/{inner}.py:build")
    assert model.size == 99
    assert _made(f"{folder}/{inner}.py:build").__class__ is model.__class__
    assert locate(f"{folder}/{inner}.py:build", "--model").reference == f"{inner}:build"
    assert __import__("nets").__file__ == str(site / "nets.py")
    assert sys.modules.get(installed, sys).__name__ in (installed, "sys")
    assert not hasattr(__import__(installed), "Net")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("pack.nets", "pack.nets has: build, cached, ready, Net\ngive --model pack.nets:build"),
        ("pack/nets.py", "pack/nets.py has: build, cached, ready, Net\ngive --model pack/nets.py:build"),
        ("pack/nets.py:", "pack/nets.py has: build"),
        ("pack/blocks.py", "pack/blocks.py has nothing that makes a model"),
        ("pack.nets:biuld", "Did you mean build?\npack.nets has: build, cached, ready, Net"),
        ("pack.nets:sized", "needs arguments: size"),
        ("pack.nets:number", "gave a int"),
        ("pack.nts:build", "there is no module 'pack.nts'. Did you mean pack.nets?"),
        ("pcak.nets:build", "there is no module 'pcak'. Did you mean pack?"),
        ("pack/syntax.py:build", "a syntax error in syntax.py, line 2"),
        ("pack/needs.py:build", "there is no module 'timmm' (needs.py, line 3)"),
        ("pack/ends.py:build", "SystemExit: 2 (ends.py, line 1)\nput what the script does under"),
        ("pack/raises.py:build", "ValueError: no (raises.py, line 1)"),
        ("../outer/nets.py:build", "run cloformer in the folder above its package"),
    ],
)
def test_what_is_refused(here: Path, reference: str, words: str) -> None:
    broken = {
        "syntax": "\ndef build(:",
        "needs": "\n\nimport timmm",
        "ends": "raise SystemExit(2)",
        "raises": "raise ValueError('no')",
    }
    for name, text in broken.items():
        (here / "pack" / f"{name}.py").write_text(text)
    (here.parent / "outer").mkdir()
    (here.parent / "outer" / "nets.py").write_text(NETS.format(blocks=".blocks", size=1))
    assert words in _refused(reference)


@pytest.mark.parametrize(
    "name", ["nest.py", "pack/nest.py", "pack/nest", "~nobody-at-all/nets.py", "/", "../"]
)
def test_a_file_that_is_not_there(here: Path, name: str) -> None:
    with pytest.raises(InputError, match="there is no file") as refused:
        _made(f"{name}:build")
    assert ("Did you mean pack/nets.py?" in str(refused.value)) == (name in ("pack/nest.py", "pack/nest"))


def test_what_it_prints_is_no_part_of_a_commands_output(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _made("pack.nets:build")
    assert capsys.readouterr() == ("", "built\n")


@pytest.mark.parametrize("word", ["cloformer_xs", "cloformer_xxxs", "best.pth", "resnet", "fashion-mnist"])
def test_what_names_no_module(here: Path, word: str) -> None:
    assert not names_a_module(word)


def test_a_module_here_is_one_without_a_dot_too(here: Path) -> None:
    assert names_a_module("pack") and "pack has nothing" in _refused("pack")
