"""The command ``ragflow-integrations``: one module per group of commands, loaded when it is run.

Exit codes: 0 all went well, 1 something failed (one line on stderr says what), 2 wrong usage, 130 Ctrl+C.
"""

from .main import main

__all__ = ["main"]
