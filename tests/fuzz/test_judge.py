"""The judge of a run is able to say no: each thing that must hold, broken once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.case import BAD, Run
from fuzz.judge import judge
from fuzz.outside import CANARY
from fuzz.process import MEMORY, Outcome

REFUSED = Outcome(3, "", b"", b"reading\nerror: it is no image\n  give another\n", 0.1, 1 << 29, ())
RUN = Run("an image of text", ("predict", "artifact", "text.png"), BAD)
DOCUMENT = b'{"error": {"message": "it is no image", "next": [], "exit_code": 3}}\n'


def test_a_run_that_is_as_it_must_be() -> None:
    assert judge(RUN, REFUSED, [], []).findings == ()
    as_json = replace(RUN, arguments=(*RUN.arguments, "--json"))
    assert judge(as_json, replace(REFUSED, out=DOCUMENT), [], []).findings == ()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("exit 70", {"code": 70, "err": b"error: a bug of ours\n"}),
        ("traceback", {"err": b"Traceback (most recent call last):\nerror: x\n"}),
        ("hang", {"code": None, "died": "hung: it waited"}),
        ("crash", {"code": None, "died": "killed by SIGSEGV"}),
        ("memory", {"memory": MEMORY + 1}),
        ("exit code", {"code": 0}),
        ("outside", {"wrote": ("open /etc/x",)}),
        ("outside", {"out": f"{CANARY} 3\n".encode()}),
        ("outside", {"err": b"error: root:x:0:0:root is twice in it\n"}),
        ("words", {"err": b""}),
        ("words", {"err": b"error: a\n  b\n  c\n  d\n"}),
        ("words", {"err": b"error: " + b"w" * 400 + b"\n"}),
        ("words", {"err": b"w" * 10_000 + b"\nerror: a\n"}),
        ("words", {"err": b"error: a\x1b[2J\n"}),
        ("words", {"out": "a\u2028b".encode()}),
        ("words", {"out": "\x9b2J".encode()}),
        ("words", {"out": b"a\xff"}),
        ("words", {"out": b"a\n  ::set-output name=x::y\n"}),
    ],
)
def test_what_is_not_as_it_must_be(kind: str, changes: dict[str, object]) -> None:
    assert judge(RUN, replace(REFUSED, **changes), [], []).has(kind)


@pytest.mark.parametrize("out", [b"", b"words\n", DOCUMENT + DOCUMENT, b'{"largest": NaN}\n'])
def test_standard_output_that_is_no_document(out: bytes) -> None:
    run = replace(RUN, arguments=(*RUN.arguments, "--json"))
    assert judge(run, replace(REFUSED, out=out), [], []).has("words")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", "<p><script>alert(1)</script></p>"),
        ("README.md", "---\nlicense: mit\nowned: yes\n---\n# a\n"),
        ("README.md", "a\x1b[2Jb"),
        ("report.xml", "<a>&</a>"),
        ("report.json", '{"largest": Infinity}'),
        ("report.json", "\udcff"),
    ],
)
def test_files_that_must_not_be_written(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8", "surrogateescape")
    assert judge(RUN, REFUSED, [], [path]).has("words")


def test_what_was_read_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(f"{CANARY} 1\n", "utf-8")
    assert judge(RUN, REFUSED, ["opened canary.txt"], []).has("outside")
    assert judge(RUN, REFUSED, [], [tmp_path / "labels.txt"]).has("outside")
