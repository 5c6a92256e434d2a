"""The pages of `cloformer view` in a real browser. Run by ``make view-checks``, not by the tests."""
