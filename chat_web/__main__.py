"""``python -m chat_web`` is ``parley``."""

import sys

from chat_web.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
