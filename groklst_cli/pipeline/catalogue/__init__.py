"""The catalogue of methods and checkpoints."""
