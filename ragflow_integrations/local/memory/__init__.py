"""What agents remember: memories, the messages in them, and what a language model extracts from those."""
