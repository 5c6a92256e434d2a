"""Parity: is what was exported the model that was trained?

:func:`.verify.compare` gives a :class:`.report.ParityReport`: outputs (:mod:`.outputs`) and operators
(:mod:`.operators`, which walks the traced graph by :mod:`.walk`), held to :mod:`.tolerances`. :mod:`.headroom` says how
far a float16 program is from overflow.
"""
