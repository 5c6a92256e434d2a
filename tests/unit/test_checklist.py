"""What a list of checks says of each, and of all."""

from __future__ import annotations

from pathlib import Path

import pytest
from checklist import CheckError, NotOfferedError, run, run_checks
from packages import MissingError
from web.checks import CHECKS
from web.mistakes import MISTAKES

TEMPLATE = Path(__file__).parents[2] / "deploy/web"


def _holds(_: None) -> list[str]:
    """It holds,
    on two lines.

    More.
    """
    return ["one figure"]


def _fails(_: None) -> list[str]:
    """It does not hold."""
    raise CheckError("this is wrong")


def _asserts(_: None) -> list[str]:
    """Nor does this."""
    raise AssertionError("wrong, too")


def _lacks(_: None) -> list[str]:
    """Nor this, without a program."""
    raise MissingError("install it")


def _ends(_: None) -> list[str]:
    """A program ends with 3."""
    run("sh", "-c", "echo why >&2; exit 3")
    return []


def _is_absent(_: None) -> list[str]:
    """It cannot be had."""
    raise NotOfferedError("no such device")


def test_each_check_is_said_with_its_figures_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_checks([_holds, _fails, _asserts, _lacks, _ends, _is_absent], None)
    assert [item.word for item in found] == ["ok", "FAIL", "FAIL", "FAIL", "FAIL", "none"]
    assert found[0].title == "It holds, on two lines."
    assert found[0].lines == ("one figure",)
    assert "why" in found[4].lines
    printed = capsys.readouterr().out
    assert "FAIL     0 s  It does not hold.\n             this is wrong\n" in printed
    assert printed.endswith("1 passed, 4 failed, 1 not offered here\n")


def test_what_is_not_offered_is_not_mentioned_where_all_is(capsys: pytest.CaptureFixture[str]) -> None:
    run_checks([_holds], None)
    assert capsys.readouterr().out.endswith("1 passed, 0 failed\n")


def test_nothing_follows_a_needed_check_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_checks([_fails, _holds], None, [_fails])
    assert len(found) == 1
    assert "the checks that follow need this one" in capsys.readouterr().out


def test_every_check_of_the_web_bundle_has_a_title() -> None:
    assert all(check.__doc__ for check in CHECKS)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.aimed}: {mistake.title}")
def test_the_code_that_a_mistake_is_planted_in_is_there_once(mistake: object) -> None:
    file, right, wrong = (getattr(mistake, name) for name in ("file", "right", "wrong"))
    assert (TEMPLATE / file).read_text("utf-8").count(right) == 1
    assert right != wrong
