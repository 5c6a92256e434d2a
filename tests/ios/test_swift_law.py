"""What the Swift tests hold the app's code to is what the Python code computes."""

from __future__ import annotations

import json

import jsonschema
import pytest
from shared_fixtures import FILE, fixtures, text

from cloformer.export.source.preprocessing import INTERPOLATIONS


def test_the_fixtures_are_computed_by_the_law() -> None:
    committed = json.loads(FILE.read_text("utf-8"))
    computed = json.loads(text())
    assert committed.keys() == computed.keys()
    for name, cases in computed.items():
        if name in ("softmax", "judged"):  # a sum's last bit may be another processor's
            assert len(committed[name]) == len(cases)
            for one, other in zip(committed[name], cases, strict=True):
                assert one.keys() == other.keys()
                for key, value in other.items():
                    close = value if value is None else pytest.approx(value, rel=1e-15, abs=1e-15)
                    assert one[key] == close
        else:
            assert committed[name] == cases, name


def test_the_fixtures_reach_every_case() -> None:
    found = fixtures()
    assert [case["orientation"] for case in found["orientations"]] == list(range(1, 9))
    assert {case["interpolation"] for case in found["resizes"]} == set(INTERPOLATIONS)
    halves = {
        (case["resized"][side] - case["crop"][1 - side]) % 4 for case in found["sizes"] for side in (0, 1)
    }
    assert {1, 3} <= halves  # halves that are rounded down, and up, to the even number
    assert {case["passed"] for case in found["judged"]} == {True, False}


@pytest.mark.parametrize(
    "name", ["report", "report-without-latency", "report-without-plan", "report-version-1"]
)
def test_the_report_that_swift_writes_follows_the_schema(name: str) -> None:
    """The Swift tests hold the app's report to the same file."""
    from cloformer.export.schemas import schema

    document = json.loads((FILE.parent / f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema("device-report")).validate(document)
