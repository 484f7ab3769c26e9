"""Networks that take the LST alone."""
