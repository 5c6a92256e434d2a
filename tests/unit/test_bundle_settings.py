"""What a project is called and runs on: every name arrives as it was given, and what is none is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from app_names import NAMES, android_label, java_properties, xcode_display_name

from cloformer.errors import UsageError
from cloformer.export.bundle.systems import SYSTEMS

ANDROID, IOS, WEB = SYSTEMS["android"], SYSTEMS["ios"], SYSTEMS["web"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_arrives_as_it_was_given(name: str) -> None:
    for row in (ANDROID, IOS, WEB):
        settings = replace(row.default, app_name=name)
        row.check(settings)
        text = row.settings(settings, {})
        if row is ANDROID:
            assert text.isascii()
            assert android_label(java_properties(text)["appName"]) == name
        elif row is WEB:
            assert json.loads(text)["app_name"] == name
        else:
            assert xcode_display_name(text) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " Birds",
        "Birds ",
        "B\nirds",
        "B\tirds",
        "B\x07",
        "\x1b[2J",
        "‮sdriB",
        "\u200d",
        "\ud800",
        "x" * 51,
    ],
    ids=ascii,
)
def test_what_is_no_name(name: str) -> None:
    for row in (ANDROID, IOS, WEB):
        with pytest.raises(UsageError, match="is not a name for an app") as caught:
            row.check(replace(row.default, app_name=name))
        assert "--app-name 'Bird Finder'" in caught.value.lines[1]
