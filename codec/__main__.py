"""Command line: `python -m codec compress | decompress | info`."""

import sys

from codec.cli import main

sys.exit(main())
