"""Published networks: a table a file of which tensor of theirs fills which of ours."""
