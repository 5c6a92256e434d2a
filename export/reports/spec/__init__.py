"""What `spec` prints of the file that describes a model of the user's."""
