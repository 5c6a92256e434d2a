"""Networks that are trained in branches, merged by our passes and by timm: ``make reparameterized``.

* :mod:`.networks` makes each as it is trained, and as timm merges it.
* :mod:`.__main__` exports both, holds one to the other, compares their times and writes the table.
"""
