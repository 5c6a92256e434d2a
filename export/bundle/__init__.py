"""App projects that carry a model, and what devices report back.

:mod:`.systems` and :mod:`.runtimes` are light, for the command line's help; :mod:`.project` writes and checks projects.
"""
