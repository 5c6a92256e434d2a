"""Latency: how long one inference takes on this machine, measured as apps run it.

:func:`latency.bench.measure` gives a :class:`latency.report.LatencyReport`.
"""
