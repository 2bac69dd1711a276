"""``python -m qpgis``."""

import sys

from qpgis.cli import main

sys.exit(main())
