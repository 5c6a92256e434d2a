"""The name that a misspelt one stands for.

A wrong suggestion is worse than none, for the list of what is taken stands beside it: a name is suggested only if typing
slips make the one of the other. Numbers in names are never corrected (``ios15`` is not ``ios18``), and neither are the
short words that tell names apart (``cloformer_m`` is not ``cloformer_s``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["closest"]

_WORDS = re.compile(r"[^\W0-9_]+|[0-9]+")  # the words and the numbers of a name
_DIGITS = "0123456789"
_LONGEST = 80  # characters: no name that is known is longer
_SHORT = 2  # letters of a word that says too little to be corrected
_LONG = 8  # letters from which on two slips are forgiven


def closest(value: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``value`` is a misspelling of; None if there is none, or if there are several.

    Case, and what stands between words, do not count. A slip is a letter that is missing, doubled, wrong or too many, or two
    that changed places: one in a word of up to seven letters, two in longer ones. In a number, and in a word of one or two
    letters, only what changed places or came twice is a slip.
    """
    if len(value) > _LONGEST:
        return None
    names = list(dict.fromkeys(known))
    found = [name for name in names if _letters(value) and _letters(name) == _letters(value)]
    if not found:
        slips = {name: _slips(value, name) for name in names}
        fewest = min((count for count in slips.values() if count is not None), default=None)
        found = [name for name, count in slips.items() if count is not None and count == fewest]
    if len(found) > 1:  # names that differ in case, or in what stands between words
        far = {name: _distance(value, name) for name in found}
        found = [name for name in found if far[name] == min(far.values())]
    return found[0] if len(found) == 1 else None


def _letters(name: str) -> str:
    return "".join(_WORDS.findall(name.lower()))


def _slips(value: str, name: str) -> int | None:
    """How many typing slips lie between two names; None if it is something else that lies between them."""
    given, meant = _WORDS.findall(value.lower()), _WORDS.findall(name.lower())
    if len(given) != len(meant):
        return None
    each = [_slips_in_word(one, other) for one, other in zip(given, meant, strict=True)]
    return None if None in each else sum(count for count in each if count is not None)


def _slips_in_word(given: str, meant: str) -> int | None:
    if given == meant:
        return 0
    if _is_swapped(given, meant):
        return 1
    if len(given) > _SHORT and _undoubled(given) == _undoubled(meant):
        return abs(len(given) - len(meant))
    if given[0] in _DIGITS or meant[0] in _DIGITS or min(len(given), len(meant)) <= _SHORT:
        return None
    allowed = 1 if min(len(given), len(meant)) < _LONG else 2
    distance = _distance(given, meant)
    return distance if distance <= allowed else None


def _is_swapped(given: str, meant: str) -> bool:
    """Whether two neighbours changed places."""
    return any(
        given[:place] + given[place + 1] + given[place] + given[place + 2 :] == meant
        for place in range(len(given) - 1)
    )


def _undoubled(word: str) -> str:
    return re.sub(r"(.)\1+", r"\1", word)


def _distance(given: str, meant: str) -> int:
    """Letters to be put in, left out, replaced or swapped with their neighbour (Damerau 1964, optimal string alignment)."""
    rows = [list(range(len(meant) + 1))]
    for row, left in enumerate(given, 1):
        rows.append([row])
        for column, right in enumerate(meant, 1):
            best = min(
                rows[row - 1][column] + 1,
                rows[row][column - 1] + 1,
                rows[row - 1][column - 1] + (left != right),
            )
            if row > 1 and column > 1 and left == meant[column - 2] and given[row - 2] == right:
                best = min(best, rows[row - 2][column - 2] + 1)
            rows[row].append(best)
    return rows[-1][-1]
