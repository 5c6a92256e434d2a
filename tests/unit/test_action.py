"""The action and the workflow templates: what they say, and what the script does with hostile inputs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = sorted((ROOT / "docs").glob("*.yml"))
EVIL = "$(touch pwned)`touch pwned`\"'; touch pwned #"


@pytest.fixture(scope="module")
def action() -> Any:
    return yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))


def test_it_is_a_composite_action(action: Any) -> None:
    assert {"name", "description", "inputs", "outputs", "runs"} <= set(action)
    assert action["runs"]["using"] == "composite"
    assert all(
        entry["description"] and isinstance(entry["default"], str) for entry in action["inputs"].values()
    )
    for step in action["runs"]["steps"]:
        assert ("run" in step) is not ("uses" in step)
        assert "shell" in step or "run" not in step


def test_no_expression_stands_in_a_script(action: Any) -> None:
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert len(scripts) == 2
    assert not [script for script in scripts if "${{" in script]
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text("utf-8")))
    assert used == set(action["inputs"])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert {"name", "jobs"} <= set(workflow)
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert any("cloformer" in step.get("run", "") for step in job["steps"])
        assert not [step for step in job["steps"] if "${{" in step.get("run", "")]


def test_examples_of_the_guide(action: Any) -> None:
    text = (ROOT / "docs" / "parity-in-ci.md").read_text("utf-8")
    first, gitlab = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    assert set(first[1]["with"]) <= set(action["inputs"])
    assert gitlab["parity"]["artifacts"]["reports"] == {"junit": "parity.xml"}
    named = re.findall(
        r"`([\w-]+)`", "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    )
    assert set(named) == set(action["inputs"])


def run(action: Any, folder: Path, **inputs: str) -> tuple[int, list[list[str]], dict[str, str]]:
    """The exit code of the action's script, the calls of `cloformer` that it made, and its outputs."""
    tools = folder / "bin"
    tools.mkdir()
    calls = folder / "calls"
    (tools / "cloformer").write_text(
        "#!/bin/bash\n"
        f"printf '%s\\0' \"$@\" >> '{calls}'; printf '\\n\\0' >> '{calls}'\n"
        'for word in "$@"; do case "$word" in --output=*) mkdir -p "${word#--output=}/a-onnx";; esac; done\n'
        f'[ "$1" != parity ] || exit "$(cat \'{folder}/code\' 2>/dev/null || echo 0)"\n'
    )
    (tools / "cloformer").chmod(0o755)
    step = next(step for step in action["runs"]["steps"] if step.get("id") == "parity")
    given = {key: value["default"] for key, value in action["inputs"].items()} | {
        key.replace("_", "-"): value for key, value in inputs.items()
    }
    variables = {
        name: given[re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", text).group(1)]  # type: ignore[union-attr]
        for name, text in step["env"].items()
    }
    work = folder / "work"
    work.mkdir(exist_ok=True)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "outputs"),
        "TMPDIR": str(folder),
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=work, env=environment | variables, capture_output=True, text=True,
    )  # fmt: skip
    recorded = calls.read_text().split("\n\0")[:-1] if calls.exists() else []
    outputs = dict(line.split("=", 1) for line in (folder / "outputs").read_text().splitlines())
    assert not list(folder.rglob("pwned"))
    return done.returncode, [call.split("\0")[:-1] for call in recorded], outputs


def test_script_with_artifacts(action: Any, tmp_path: Path) -> None:
    for name in ("one", "two words"):
        (tmp_path / "work" / "build" / name).mkdir(parents=True)
    code, calls, outputs = run(
        action,
        tmp_path,
        artifacts="build/*/\n--odd",
        images="a b.jpg\nphotos",
        weights="w.safetensors",
        operators="false",
    )
    assert code == 0
    assert calls == [[
        "parity", "--weights=w.safetensors", "--junit=parity-reports/parity.xml", "--html=parity-reports/parity.html",
        "--images=a b.jpg", "--images=photos", "--no-operators", "--", "build/one/", "build/two words/", "--odd",
    ]]  # fmt: skip
    assert outputs == {"junit": "parity-reports/parity.xml", "html": "parity-reports/parity.html"}


def test_script_asks_what_was_lost(action: Any, tmp_path: Path) -> None:
    """Size, then parity, then accuracy, each with its limits; none of them without what it is about."""
    for name in ("one", "two words"):
        (tmp_path / "work" / "build" / name).mkdir(parents=True)
    given = {
        "model": "nets:build",
        "spec": "m.toml",
        "min_snr": "20",
        "min_agreement": "97%",
        "artifacts": "build/*/",
    }
    code, calls, _ = run(
        action, tmp_path, **given, max_size="5MB", data="a b", min_top1="0.9", max_accuracy_drop="1%"
    )
    held = ["--model=nets:build", "--spec=m.toml"]
    found = ["--", "build/one/", "build/two words/"]
    assert code == 0
    assert calls[:2] == [["inspect", "--max-size=5MB", "--", path] for path in found[1:]]
    assert calls[2][:3] == ["parity", *held]
    assert calls[2][-5:] == ["--min-snr=20", "--min-agreement=97%", *found]
    assert calls[3:] == [[
        "evaluate", *held, "--min-snr=20", "--min-agreement=97%", "--data=a b", "--min-top1=0.9",
        "--max-accuracy-drop=1%", *found,
    ]]  # fmt: skip


def test_script_refuses_a_limit_that_nothing_is_held_to(action: Any, tmp_path: Path) -> None:
    code, calls, _ = run(action, tmp_path, artifacts="somewhere", max_accuracy_drop="1%")
    assert (code, calls) == (2, [])


def test_script_lints(action: Any, tmp_path: Path) -> None:
    """After parity, on the same images; without lint there is nothing that fail-on could be of."""
    (tmp_path / "work" / "build" / "two words").mkdir(parents=True)
    given = {"artifacts": "build/*/", "images": "a b.jpg"}
    code, calls, _ = run(action, tmp_path, **given, lint="true", fail_on=f"error long-softmax {EVIL}")
    assert code == 0
    names = [f"--fail-on={name}" for name in ("error", "long-softmax", *EVIL.split())]
    assert [call[0] for call in calls] == ["parity", "lint"]
    assert calls[1] == ["lint", "--images=a b.jpg", *names, "--", "build/two words/"]


def test_script_refuses_to_fail_on_what_nobody_looks_for(action: Any, tmp_path: Path) -> None:
    code, calls, _ = run(action, tmp_path, artifacts="somewhere", fail_on="error")
    assert (code, calls) == (2, [])


def test_script_exports_first(action: Any, tmp_path: Path) -> None:
    code, calls, _ = run(
        action,
        tmp_path,
        model="nets:build",
        format="onnx coreml",
        precision="fp16",
        runner="mil",
        **{"for": "x86"},
    )
    assert code == 0
    export, parity = calls
    assert export[:2] == ["export", "--model=nets:build"]
    assert export[3:] == ["--format=onnx", "--format=coreml", "--precision=fp16", "--for=x86"]
    folder = export[2].removeprefix("--output=")
    assert parity[-3:] == ["--runner=mil", "--", f"{folder}/a-onnx/"]


def test_script_passes_the_verdict_on(action: Any, tmp_path: Path) -> None:
    (tmp_path / "code").write_text("1")
    assert run(action, tmp_path, artifacts="somewhere")[0] == 1


def test_script_fails_without_artifacts(action: Any, tmp_path: Path) -> None:
    code, calls, _ = run(action, tmp_path, artifacts="build/*/")
    assert (code, calls) == (3, [])


def test_hostile_inputs_stay_values(action: Any, tmp_path: Path) -> None:
    evil = dict.fromkeys(("artifacts", "model", "weights", "images", "runner", "precision"), EVIL)
    code, calls, _ = run(action, tmp_path, **evil, reports="out $(touch pwned)\nmore=1")
    assert code == 0
    assert [call[-1] for call in calls] == [EVIL]
    assert f"--model={EVIL}" in calls[0]
