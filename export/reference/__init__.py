"""What a model is compared with: the untouched PyTorch model, and the inputs that it is run on."""
