"""fastapi-mail: a message from a background task."""

from fastapi import BackgroundTasks, FastAPI, UploadFile
from fastapi.testclient import TestClient
from fastapi_mail import ConnectionConfig, FastMail, MessageSchema, MessageType


def test_mail_in_the_background() -> None:
    config = ConnectionConfig(
        MAIL_USERNAME="u", MAIL_PASSWORD="p", MAIL_FROM="from@example.com", MAIL_PORT=25, MAIL_SERVER="localhost",
        MAIL_STARTTLS=False, MAIL_SSL_TLS=False, SUPPRESS_SEND=1,
    )  # fmt: skip
    mail = FastMail(config)
    app = FastAPI()

    @app.post("/mail")
    async def send(to: str, file: UploadFile, tasks: BackgroundTasks) -> str:
        message = MessageSchema(
            subject="Hello", recipients=[to], body="Hi", subtype=MessageType.plain, attachments=[file]
        )
        tasks.add_task(mail.send_message, message)
        return "sent"

    with TestClient(app) as client, mail.record_messages() as outbox:
        answer = client.post("/mail?to=ada@example.com", files={"file": ("a.txt", b"content")})
        assert answer.json() == "sent"
        (message,) = outbox
    assert message["to"] == "ada <ada@example.com>"
    assert b"content" in message.get_payload()[1].get_payload(decode=True)
