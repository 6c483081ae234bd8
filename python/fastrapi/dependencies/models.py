"""What a callable needs from a request."""

from .._compile.dependant import Dependant as Dependant
