"""One command, one file: signature, one call into the pipeline, one result."""
