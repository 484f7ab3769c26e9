"""Training the network of the method ``fusion`` across places."""
