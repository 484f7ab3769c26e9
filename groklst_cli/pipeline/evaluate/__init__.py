"""Evaluate methods: protocols, datasets, pairs, and the report."""
