"""The use cases; they know files and methods, not the command line."""
