"""The fuzz programme: thousands of hostile inputs that must be refused, and hundreds of odd ones that must be taken.

::

    PYTHONPATH=tests:tests/support python -m fuzz [--runs N] [--seed N] [--write]
    PYTHONPATH=tests:tests/support python -m fuzz --only CLASS --number N [--odd] [--seed N]    # one run, in full

Prints two tables and what is not as it must be; exit 1 if anything is not. docs/robustness.md says what must hold.
"""

from __future__ import annotations

import os
import sys

# One thread, or a child that is forked would wait for another's for ever. Stands before what reads them.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from .process import load_everything

if __name__ == "__main__":
    load_everything()
    from .command import main  # when all is loaded: what frameworks say of themselves then is heard by nobody

    sys.exit(main())
