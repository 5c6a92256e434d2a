"""Memory that is freed is taken for the next tensor, in a process that asked for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_COUNT = """
import resource, sys
import torch
from cloformer.io.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
torch.ones(2**24)  # 64 MiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(32):
    torch.ones(2**24)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""


def _made_anew(how: str) -> int:
    """Bytes of the pages that the system made for 32 tensors of 64 MiB, one after the other."""
    bare = {
        name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")
    }  # as users have it
    done = subprocess.run(
        [sys.executable, "-c", _COUNT, how], capture_output=True, text=True, check=True, env=bare
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="of the GNU C library")
def test_a_large_block_is_taken_again() -> None:
    given_back = _made_anew("given back")
    if given_back < 16 * 2**26:
        pytest.skip("this C library keeps large blocks, or the system makes pages of another size")
    assert _made_anew("kept") < given_back / 2  # the first few are laid beside each other
