"""A client that calls an application in this process."""

from starlette.testclient import TestClient as TestClient
