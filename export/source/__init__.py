"""What is exported: a model, how it is fed, and its traced graph."""
