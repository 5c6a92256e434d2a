"""Is parity able to fail? Faults are planted in exported models, and the share that it finds is its score.

``make mutation-score`` runs it; ``tests/parity/test_mutations.py`` keeps a few of them in every test run.

* :mod:`.graph` is what a fault sees: one view of both formats, in ML Program's words.
* :mod:`.weights` and :mod:`.operators` hold the faults, a function each; :mod:`.faults` is their table.
* :mod:`.preprocessing` holds those between a photograph and the first operator.
* :mod:`.subject` plants one in an artifact and says what parity found.
* :mod:`.score` counts.
"""
