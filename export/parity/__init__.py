"""Parity: is what was exported the model that was trained?

:func:`parity.run.compare` gives a :class:`parity.report.ParityReport`.
"""
