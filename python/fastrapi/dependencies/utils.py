"""How dependencies are analysed: what plugins import from here."""

from .._compile.bodies import multipart_incorrect_install_error as multipart_incorrect_install_error
from .._compile.bodies import multipart_not_installed_error as multipart_not_installed_error
from .._compile.dependant import ParamDetails as ParamDetails
from .._compile.dependant import add_non_field_param_to_dependency as add_non_field_param_to_dependency
from .._compile.dependant import add_param_to_fields as add_param_to_fields
from .._compile.dependant import analyze_param as analyze_param
from .._compile.dependant import get_dependant as get_dependant
from .._compile.dependant import get_parameterless_sub_dependant as get_parameterless_sub_dependant
from .._compile.dependant import get_stream_item_type as get_stream_item_type
from .._compile.dependant import get_typed_return_annotation as get_typed_return_annotation
from .._compile.dependant import get_typed_signature as get_typed_signature
from .._compile.fields import ModelField as ModelField
from .._runtime.hooks import SolvedDependency as SolvedDependency
from .._runtime.hooks import solve_dependencies as solve_dependencies
