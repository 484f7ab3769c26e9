"""Methods put to the test: protocols, datasets, pairs, and the report."""
