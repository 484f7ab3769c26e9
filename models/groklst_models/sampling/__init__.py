"""How fitted methods see a scene: features, sensor, windows, samples; one file each."""
