"""Files to files: one scene or many, resumed, spread over processes, written whole."""
