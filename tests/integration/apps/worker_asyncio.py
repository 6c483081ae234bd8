"""Handlers that use what is built on asyncio, each in its own way."""

import asyncio
import contextvars
import os
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
import anyio
import httpx
from fastrapi import FastrAPI, Request

variable = contextvars.ContextVar("variable", default="unset")


@asynccontextmanager
async def lifespan(app):
    async def reverse(reader, writer):
        writer.write((await reader.readline())[::-1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reverse, "127.0.0.1", 0)
    app.state.port = server.sockets[0].getsockname()[1]
    app.state.ticks = 0

    async def tick():
        while True:
            await asyncio.sleep(0.01)
            app.state.ticks += 1

    ticker = asyncio.create_task(tick())
    yield {"started": True}
    ticker.cancel()
    server.close()
    print("lifespan is over", flush=True)


app = FastrAPI(lifespan=lifespan)


@app.get("/streams")
async def streams():
    reader, writer = await asyncio.open_connection("127.0.0.1", app.state.port)
    writer.write(b"stressed\n")
    await writer.drain()
    text = await reader.read()
    writer.close()
    await writer.wait_closed()
    return text.decode()


@app.get("/subprocess")
async def subprocess():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(input() + '!'); raise SystemExit(3)", stdin=-1, stdout=-1
    )
    out, _ = await process.communicate(b"from a child")
    return {"out": out.decode(), "code": process.returncode}


@app.get("/terminated")
async def terminated():
    process = await asyncio.create_subprocess_exec("sleep", "60")
    process.terminate()
    return await process.wait()


@app.get("/executor")
async def executor():
    loop = asyncio.get_running_loop()
    name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
    return name != threading.current_thread().name


@app.get("/timeout")
async def timeout():
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(30)
    except TimeoutError:
        pass
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.05)
    except TimeoutError:
        return "timed out twice"


@app.get("/cancel")
async def cancel():
    seen = []

    async def sleeper():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        seen.append("raised")
    return seen


@app.get("/client")
async def client(port: int):
    async with httpx.AsyncClient(trust_env=False) as http:
        answers = await asyncio.gather(*(http.get(f"http://127.0.0.1:{port}/static?n={n}") for n in range(5)))
    return [answer.json() for answer in answers]


@app.get("/static")
async def static(n: int):
    return n


@app.get("/sqlite")
async def sqlite():
    async with aiosqlite.connect(":memory:") as db:
        await db.execute("create table t (x)")
        await db.executemany("insert into t values (?)", [(n,) for n in range(10)])
        async with db.execute("select sum(x) from t") as cursor:
            return (await cursor.fetchone())[0]


@app.get("/group")
async def group():
    done = []

    turns = [anyio.Event() for _ in range(5)]
    turns[1].set()

    async def work(n):
        await turns[n].wait()
        await anyio.sleep(0.05)
        done.append(n)
        turns[n + 1].set()

    async with anyio.create_task_group() as tasks:
        for n in (3, 1, 2):
            tasks.start_soon(work, n)
    with anyio.move_on_after(0.02):
        await anyio.sleep(30)
    done.append(await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(anyio.sleep, 0) or "thread"))
    return done


@app.get("/task")
async def task():
    current = asyncio.current_task()
    before = variable.get()
    variable.set("mine")
    inside = await asyncio.create_task(read_variable())
    await asyncio.sleep(0)
    return {
        "task": isinstance(current, asyncio.Task),
        "same": asyncio.current_task() is current,
        "listed": current in asyncio.all_tasks(),
        "before": before,
        "inside": inside,
        "after": variable.get(),
    }


async def read_variable():
    return variable.get()


calls = threading.local()


@app.get("/calls")
def calls_in_this_thread():
    time.sleep(0)  # so it runs in a thread
    calls.count = getattr(calls, "count", 0) + 1
    return calls.count


@app.get("/cancel-all")
async def cancel_all():
    current = asyncio.current_task()
    for other in asyncio.all_tasks():
        if other is not current:
            other.cancel()


@app.get("/order")
async def order():
    """Tasks that an application makes start in the order in which it made them, after it waits."""
    seen = []

    async def note(what):
        seen.append(what)

    tasks = [asyncio.create_task(note(n)) for n in range(3)]
    asyncio.get_running_loop().call_soon(seen.append, "soon")
    seen.append("first")
    await asyncio.gather(*tasks)
    return seen


@app.get("/threadsafe")
async def threadsafe():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    threading.Timer(0.05, lambda: loop.call_soon_threadsafe(future.set_result, "woken")).start()
    return await future


@app.get("/later")
async def later():
    """A timer that is earlier than any that asyncio knows of when it waits."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.05, future.set_result, "in time")
    return await future


@app.get("/closed")
async def closed():
    """Descriptors that are closed while the loop watches them, before it has waited and after."""
    loop = asyncio.get_running_loop()
    end, other = os.pipe()
    loop.add_reader(end, print)
    os.close(end)
    await asyncio.sleep(0.01)
    removed = [loop.remove_reader(end)]
    os.close(other)
    end, other = os.pipe()
    loop.add_reader(end, print)
    await asyncio.sleep(0.01)
    os.close(end)
    try:
        loop.add_writer(end, print)
    except OSError as exc:
        removed.append(exc.errno)
    removed.append(loop.remove_reader(end))
    os.close(other)
    return removed


@app.get("/state")
async def state(request: Request):
    return {"started": request.state.started, "ticks": app.state.ticks, "pid": os.getpid()}


@app.get("/interpreter")
def interpreter():
    import fastrapi._fastrapid as module

    return {
        "prefix": sys.prefix,
        "built_in": "fastrapi._fastrapid" in sys.builtin_module_names
        and getattr(module, "__file__", None) is None,
        "role": os.environ["FASTRAPID_ROLE"],
        "first": Path(sys.path[0]).name,
    }
