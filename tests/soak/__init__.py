"""Long trials of the local engine as a server: ``make soak``; their short forms are in ``test_soak.py``."""
