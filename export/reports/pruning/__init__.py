"""What `cloformer prune` tells."""
