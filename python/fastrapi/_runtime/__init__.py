"""The slow paths: what the executor in C asks Python to do."""
