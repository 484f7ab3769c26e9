"""Scenes cut into patches to train, validate and test on."""
