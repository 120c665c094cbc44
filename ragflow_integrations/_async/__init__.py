"""The async client: the source from which ``_sync`` is generated."""
