"""What `evaluate` found of trained models."""
