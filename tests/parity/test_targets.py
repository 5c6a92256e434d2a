"""Operators at every opset, target and precision: a few in the newest of each, and what the program makes of rows that end
badly."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from random_networks.verdict import Verdict
from targets import trial
from targets.__main__ import finished, run
from targets.networks import groups, make
from targets.report import failures, table_of_rows, totals
from targets.trial import FORMS, RESULTS, Row, rows_of

ROW = Row("attention", "bias", "ios16 fp16", "passed")


@pytest.mark.parametrize(
    "form", [name for name in FORMS if name.startswith(("ios26 fp16", "opset 23", "float16"))]
)
def test_operators_hold(form: str) -> None:
    for row in rows_of("masked", form, ()):
        assert row.result == "passed", row.words


def test_every_form_that_is_offered_is_there() -> None:
    assert {"ios16 fp16", "ios26 fp32", "opset 18 fp32", "opset 23 fp32"} <= FORMS.keys()
    assert [name for name in FORMS if "inputs" in name] == ["float16 inputs and outputs fp16"]
    assert FORMS["ios18 fp16"].flag == "--target ios18" and FORMS["opset 21 fp32"].flag == "--opset 21"


@pytest.mark.parametrize("group", list(groups()))
def test_a_group_is_networks(group: str) -> None:
    assert groups()[group].names
    assert not make(group, 0, 1).training


def test_what_does_not_pass_is_found_by_halves() -> None:
    """With a row each, and of what is known nothing again."""
    group, tried = "attention", []
    names = groups()[group].names
    bad = names.index("bias")

    def one(_: str, first: int, last: int, __: str) -> Verdict:
        tried.append(names[first:last])
        return Verdict("refused" if first <= bad < last else "passed", "why")

    rows = list(rows_of(group, "ios16 fp16", (), one))
    assert [row.network for row in rows] == names
    assert [row.network for row in rows if row.result != "passed"] == ["bias"]
    assert len(tried) < len(names)
    tried.clear()
    assert list(rows_of(group, "ios16 fp16", names[1:], one)) == [rows[0]]
    assert tried == [names[:1]] and not list(rows_of(group, "ios16 fp16", names, one))


def test_what_was_found_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(trial, "tried", lambda *asked: tried.append(asked) or Verdict("passed", ""))
    asked = {"group": ["rows"], "form": ["ios16 fp16"], "rows": tmp_path / "rows.jsonl", "again": False}
    first = run(argparse.Namespace(**asked))
    assert run(argparse.Namespace(**asked)) == first == list(finished(asked["rows"]).values())
    assert len(tried) == 1
    run(argparse.Namespace(**asked | {"again": True}))
    assert len(tried) == 2


def test_what_crashes_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "judged", lambda *_, **__: 1 / 0)
    (row,) = rows_of("rows", "ios16 fp16", ())
    assert row.result == "crashed" and "ZeroDivisionError" in row.words


def test_what_may_not_be_fails_the_command() -> None:
    for result, is_right in RESULTS.items():
        found = replace(ROW, result=result, words="at a.b (c:D:1)\nwhy")
        assert bool(failures([found])) is not is_right
        assert result == "passed" or any(result in line and "why" in line for line in table_of_rows([found]))
        assert any(line.startswith(f"| {result}") for line in totals([found]))


def test_a_refusal_names_what_takes_it() -> None:
    refused = replace(ROW, result="refused", words="at a.b (c:D:1)\nchoose another --format")
    elsewhere = [replace(ROW, form="ios17 fp16"), replace(ROW, form="ios18 fp16", network="another")]
    assert "--target ios17 is not named" in failures([refused, *elsewhere])[0]
    named = replace(refused, words="at a.b (c:D:1)\nchoose --target ios17")
    assert not failures([named, *elsewhere])
    assert not failures([refused, replace(ROW, form="ios17 fp32"), replace(ROW, form="opset 18 fp32")])
