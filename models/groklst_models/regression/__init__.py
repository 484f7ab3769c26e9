"""What fitted methods share once samples are drawn: regressions, trees, kriging, small networks."""
