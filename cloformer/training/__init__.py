"""Training: from images to a checkpoint that the toolchain exports. It may import the toolchain, never the other
way round; what it needs besides (`pip install 'cloformer[train]'`) is imported where it is used."""
