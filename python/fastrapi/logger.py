"""The package's logger, under the name that FastAPI's users configure."""

import logging

logger = logging.getLogger("fastapi")
