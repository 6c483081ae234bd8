"""FastrAPI: FastAPI's way of writing web APIs, executed by a C server."""

from starlette import status as status

from ._alias import install_as_fastapi as install_as_fastapi
from ._fastrapid import __version__ as __version__
from ._lazy import submodules as _submodules
from .applications import FastAPI as FastAPI
from .applications import FastrAPI as FastrAPI
from .background import BackgroundTasks as BackgroundTasks
from .datastructures import UploadFile as UploadFile
from .exceptions import HTTPException as HTTPException
from .exceptions import WebSocketException as WebSocketException
from .param_functions import Body as Body
from .param_functions import Cookie as Cookie
from .param_functions import Depends as Depends
from .param_functions import File as File
from .param_functions import Form as Form
from .param_functions import Header as Header
from .param_functions import Path as Path
from .param_functions import Query as Query
from .param_functions import Security as Security
from .requests import Request as Request
from .responses import Response as Response
from .routing import APIRouter as APIRouter
from .websockets import WebSocket as WebSocket
from .websockets import WebSocketDisconnect as WebSocketDisconnect

_submodules(__name__, "dependencies", "middleware", "telemetry")
