"""Work to be done after the answer was sent."""

import sys
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

    async def __call__(self) -> None:
        """Call them all, one after the other."""
        # Where nothing is traced, it was not even imported.
        data = sys.modules.get(f"{__package__}.telemetry._data")
        telemetry = None if data is None else data.current()
        if telemetry is None:
            await super().__call__()
            return
        for task in self.tasks:
            with telemetry.operation("background_task", task.func):
                await task()
