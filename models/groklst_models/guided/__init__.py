"""Networks that take the LST and guidance at fine resolution."""
