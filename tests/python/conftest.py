"""Fixtures of the package's tests."""

import pytest

from fastrapi import FastrAPI


@pytest.fixture
def app() -> FastrAPI:
    return FastrAPI()
