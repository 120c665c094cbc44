"""``python -m ragflow_integrations``: the command line."""

import sys

from .cli import main

sys.exit(main())
