"""Does every operator hold at every opset, target and precision that is offered, or does its refusal say which ones take it?

``make targets`` exports the operators of the tests' own tables in every form; ``tests/parity/test_targets.py`` keeps a few of
these in every test run.

* :mod:`.networks` are those tables, as networks of one operator or a few.
* :mod:`.trial` exports networks, many at once, and judges each: a row for every network and form.
* :mod:`.report` says what is not as it must be, and tells of what is refused; :mod:`.__main__` is the command.
"""
