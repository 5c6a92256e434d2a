"""Images whose classes are known, and how often a classifier is right on them."""
