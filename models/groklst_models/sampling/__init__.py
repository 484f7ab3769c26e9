"""How fitted methods read a scene: features, sensor, windows, samples; one file each."""
