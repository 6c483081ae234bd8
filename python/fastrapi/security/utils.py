"""Reading the Authorization header."""


def get_authorization_scheme_param(
    authorization_header_value: str | None,
) -> tuple[str, str]:
    """Split `Bearer abc` into its scheme and the rest; two empty strings for nothing."""
    scheme, _, param = (authorization_header_value or "").partition(" ")
    return scheme, param.strip()
