"""``python -m jaxdebug``: the command line."""

import sys

from jaxdebug.cli import main

if __name__ == "__main__":
    sys.exit(main())
