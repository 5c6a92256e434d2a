"""`cloformer bundle android --provider`: the app is told of it, and an estimate is printed that calls itself one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from outcome import Command

from cloformer.export.bundle.project import RECORD
from cloformer.export.bundle.providers import ANDROID, BROWSER
from cloformer.export.formats.onnx.provider_operators import TAKERS

REPOSITORY = Path(__file__).parents[2]
KEPT = REPOSITORY / "tests" / "data" / "artifacts" / "v2"


@pytest.mark.parametrize("provider", [None, *ANDROID])
def test_the_build_is_told_of_the_provider(command: Command, tmp_path: Path, provider: str | None) -> None:
    options = () if provider is None else ("--provider", provider)
    done = command("bundle", "android", KEPT / "onnx", "--output", tmp_path / "app", *options)
    assert done.code == 0, done.err
    settings = (tmp_path / "app" / "bundle.properties").read_text().splitlines()
    assert f"provider={provider or ''}" in settings
    recorded = json.loads((tmp_path / "app" / RECORD).read_bytes())["settings"]
    assert recorded.get("provider") == provider
    assert ("estimate, without a phone: " in done.out) == (provider in TAKERS)


@pytest.mark.parametrize("provider", [None, *BROWSER])
def test_a_page_is_told_of_the_provider(
    command: Command, tmp_path: Path, web_library: Path, provider: str | None
) -> None:
    """The one that it starts with. How a browser's would share the model out, nobody has estimated."""
    options = () if provider is None else ("--provider", provider)
    done = command("bundle", "web", KEPT / "onnx", "--output", tmp_path / "app", *options)
    assert done.code == 0, done.err
    settings = json.loads((tmp_path / "app" / "settings.json").read_bytes())
    assert settings["provider"] == (provider or "wasm")
    assert json.loads((tmp_path / "app" / RECORD).read_bytes())["settings"].get("provider") == provider
    assert "estimate" not in done.out


def test_the_estimate_for_programs(command: Command, tmp_path: Path) -> None:
    done = command(
        "bundle", "android", KEPT / "onnx", "--output", tmp_path / "app", "--provider", "xnnpack", "--json"
    )
    estimate = done.json["estimate"]
    assert (done.json["provider"], estimate["provider"]) == ("xnnpack", "xnnpack")
    assert 0 < estimate["taken"] < estimate["operators"]
    assert estimate["partitions"] > 1
    assert sum(item["count"] for item in estimate["left"]) == estimate["operators"] - estimate["taken"]
    plain = command("bundle", "android", KEPT / "onnx", "--output", tmp_path / "plain", "--json")
    assert (plain.json["provider"], plain.json["estimate"]) == (None, None)


def test_every_provider_is_one_of_the_app_s() -> None:
    """By the names of the enumeration that the app looks it up in."""
    source = REPOSITORY / "deploy/android/core/src/main/kotlin/io/github/cloformer/core/Session.kt"
    (line,) = (line for line in source.read_text().splitlines() if line.startswith("enum class Provider"))
    names = line.partition("{")[2].strip(" }").split(", ")
    assert [name.lower() for name in names] == list(ANDROID)
    assert set(TAKERS) == set(ANDROID) - {"cpu"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("android", "--provider", "qnn"), 2, "--provider takes: cpu, xnnpack, nnapi, webgpu"),
        (("android", "--provider", "wasm"), 2, "--provider takes: cpu, xnnpack, nnapi, webgpu"),
        (("web", "--provider", "cpu"), 2, "--provider takes: wasm, webgpu"),
        (("ios", "--provider", "cpu"), 2, "--provider is one of ONNX Runtime's, and Core ML runs this model"),
        (
            ("android", "--verify", "app", "--provider", "cpu"),
            2,
            "leave ARTIFACT, --output, --runtime, --provider and --probe out",
        ),
    ],
)
def test_where_there_is_no_provider(
    command: Command, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    system, *options = words
    given = (
        ()
        if "--verify" in words
        else (KEPT / ("coreml" if system == "ios" else "onnx"), "--output", tmp_path / "app")
    )
    refused = command("bundle", system, *given, *options)
    assert refused.code == code
    assert said in refused.err
    assert not (tmp_path / "app").exists()
