"""Work to be done after the answer was sent."""

from collections.abc import Callable
from typing import Any, ParamSpec

from starlette.background import BackgroundTasks as StarletteBackgroundTasks

P = ParamSpec("P")


class BackgroundTasks(StarletteBackgroundTasks):
    """
    Functions to call after the answer was sent, in the order they were added.

    Declare a parameter of this type in an endpoint or a dependency to get the
    request's own.

    ```python
    @app.post("/orders")
    async def order(tasks: BackgroundTasks):
        tasks.add_task(notify, "someone@example.com")
        return {"ordered": True}
    ```
    """

    def add_task(self, func: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Add a function, `def` or `async def`, with its arguments."""
        super().add_task(func, *args, **kwargs)
