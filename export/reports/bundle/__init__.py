"""What `bundle` prints of an app project that it wrote or checked."""
