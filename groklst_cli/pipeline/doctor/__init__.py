"""Check an installation."""
