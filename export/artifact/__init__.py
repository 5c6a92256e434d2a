"""An artifact: a folder with a model, its manifest, and what goes with it."""
