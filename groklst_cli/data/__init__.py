"""Training data: folders of patches, how they are split and cut into samples."""
