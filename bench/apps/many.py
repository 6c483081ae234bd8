"""An application of BENCH_ROUTES routes, half of them static, half with a parameter."""

import os

try:
    from fastrapi import FastAPI
except ImportError:
    from fastapi import FastAPI

app = FastAPI(openapi_url=None)


def static():
    return {"Hello": "World"}


def one(item_id: str):
    return {"item_id": item_id}


for number in range(int(os.environ.get("BENCH_ROUTES", "10")) // 2):
    app.get(f"/static/{number}/page")(static)
    app.get(f"/section{number}/{{item_id}}/page")(one)
