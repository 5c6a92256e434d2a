"""``cloformer spec``: the keys of the TOML file, one to begin with, and whether one is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from outcome import Command

from cloformer.export.source.spec_keys import SECTIONS, example


def test_every_key_is_listed(command: Command) -> None:
    lines = command("spec").out.splitlines()
    sections = command("spec", "--json").json["sections"]
    for section, said in zip(SECTIONS, sections, strict=True):
        assert [key.name for key in section.keys] == [key["name"] for key in said["keys"]]
        for key in section.keys:
            assert any(line.startswith(f"  {key.name}") and key.kind in line for line in lines)
    assert "\n".join(lines).endswith(example().strip())


def test_a_file_to_begin_with(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written where it is asked for, read as it stands, and never over another one."""
    monkeypatch.chdir(tmp_path)
    assert command("spec", "--init").code == 0
    assert command("spec", "--init", "mine.toml", "--json").json == {"file": "mine.toml"}
    assert Path("model.toml").read_text() == Path("mine.toml").read_text() == example()
    assert "image, float32 [1, 3, 224, 224]" in command("spec", "mine.toml").out
    assert command("spec", "mine.toml", "--json").json["inputs"][0]["name"] == "image"
    Path("mine.toml").write_text("mine")
    refused = command("spec", "--init", "mine.toml")
    assert (refused.code, Path("mine.toml").read_text()) == (3, "mine")
    assert "--force" in refused.err
    assert command("spec", "--init", "mine.toml", "--force").code == 0
    assert Path("mine.toml").read_text() == example()
    assert command("spec", "mine.toml", "--force").code == 2
