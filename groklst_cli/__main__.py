"""``python -m groklst_cli`` and the ``groklst`` command."""

import os
import sys

from groklst_cli.app import run


def main() -> None:
    """Run the command line."""
    code = run()
    if code in (130, 143):
        # Stopped in the middle: a thread of native code that still runs would abort the exit.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
