"""fastapi-login: a token in a header or a cookie, as a dependency and in the document."""

from datetime import timedelta

from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordRequestForm
from fastapi.testclient import TestClient
from fastapi_login import LoginManager
from fastapi_login.exceptions import InvalidCredentialsException

SECRET = "a secret that is long enough for its algorithm"


def test_log_in() -> None:
    manager = LoginManager(SECRET, token_url="/token", use_cookie=True, default_expiry=timedelta(minutes=5))

    @manager.user_loader()
    def load(name: str) -> dict | None:
        return {"name": name} if name == "ada" else None

    app = FastAPI()

    @app.post("/token")
    def token(form: OAuth2PasswordRequestForm = Depends()) -> dict:
        if form.password != "right":
            raise InvalidCredentialsException
        return {"access_token": manager.create_access_token(data={"sub": form.username})}

    @app.get("/me")
    def me(user: dict = Depends(manager)) -> dict:
        return user

    client = TestClient(app)
    assert client.get("/me").status_code == 401
    assert client.post("/token", data={"username": "ada", "password": "wrong"}).status_code == 401
    made = client.post("/token", data={"username": "ada", "password": "right"}).json()["access_token"]
    assert client.get("/me", headers={"Authorization": f"Bearer {made}"}).json() == {"name": "ada"}
    client.cookies.set("access-token", made)
    assert client.get("/me").json() == {"name": "ada"}
    assert list(app.openapi()["paths"]["/me"]["get"]["security"][0]) == ["LoginManager"]
