"""Are parity's verdicts true on networks that nobody has seen? Networks are drawn by seed, exported, and judged.

``make random-networks`` runs hundreds; ``tests/parity/test_random_networks.py`` keeps a few in every test run.

* :mod:`.layers` are convolutions, normalizations, activations; :mod:`.attention`, :mod:`.blocks` what is built of them.
* :mod:`.heads` end a network: one output, several, integers, truths, numbers of different scales.
* :mod:`.networks` draws one; every network has a name, as in ``random_networks.networks:network_17``.
* :mod:`.oracle` says, by eager PyTorch alone, whether a file's outputs are the network's.
* :mod:`.trial` exports one and compares what parity says with what is true; :mod:`.__main__` counts.
"""
