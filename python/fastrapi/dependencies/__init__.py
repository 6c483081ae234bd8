"""How dependencies are analysed, at FastAPI's import paths."""
