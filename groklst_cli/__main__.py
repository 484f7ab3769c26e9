"""``python -m groklst_cli`` and the ``groklst`` command."""

import sys

from groklst_cli.app import run


def main() -> None:
    """Run the command line."""
    sys.exit(run())


if __name__ == "__main__":
    main()
