"""What the documentation site has beyond the pages of ``docs/``; MkDocs runs ``hooks``."""
