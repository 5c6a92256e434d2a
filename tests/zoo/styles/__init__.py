"""Small networks in the styles people write, a file per style. Every module is written as its kind is written, and nothing in it
is there for the sake of an exporter."""
