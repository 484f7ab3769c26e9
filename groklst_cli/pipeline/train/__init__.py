"""Training a network, from a folder of patches to checkpoints."""
