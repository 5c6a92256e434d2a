"""Networks of timm, which nobody here wrote, held to parity: ``make timm-networks``.

* :mod:`.networks` makes each with gains and statistics drawn by seed; nothing is downloaded but timm itself.
* :mod:`.stand_in` stands in torchvision's place, where there is none that this torch can load.
* :mod:`.__main__` exports them, compares and prints a table.
"""
