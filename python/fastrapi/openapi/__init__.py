"""Describing an application in OpenAPI."""
