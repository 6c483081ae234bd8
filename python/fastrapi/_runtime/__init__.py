"""The slow paths: what the executor in C asks Python to do."""

from .answers import encode as encode
from .answers import jsonable as jsonable
from .answers import make_response as make_response
from .answers import redirect as redirect
from .bodies import body_error as body_error
from .bodies import parse_json_body as parse_json_body
from .errors import body_parse_error as body_parse_error
from .errors import handle_exception as handle_exception
from .errors import json_decode_error as json_decode_error
from .errors import method_not_allowed as method_not_allowed
from .errors import missing_error as missing_error
from .errors import not_found as not_found
from .errors import request_validation_error as request_validation_error
from .errors import response_validation_error as response_validation_error
from .errors import server_error_response as server_error_response
from .errors import validation_errors as validation_errors
from .forms import parse_form as parse_form
