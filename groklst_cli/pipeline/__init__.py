"""The use cases; they do not depend on the command line."""
