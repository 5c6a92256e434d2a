"""From a request to artifacts."""
