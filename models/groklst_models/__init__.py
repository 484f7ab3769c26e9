"""Networks and fitted methods that turn coarse land surface temperature into fine."""
