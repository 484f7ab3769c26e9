"""Methods that need no weights: they are fitted to the scene itself."""
