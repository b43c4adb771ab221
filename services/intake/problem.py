"""Problems as RFC 9457 documents: status, code, sentence, and the places in the input."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.intake.complaint import Problem, Refused, pointer
from services.intake.desk import Busy, Refusing
from services.intake.reception import Unknown
from shared.broker import NotAdmitted
from shared.clock import ClockUnset
from shared.database import PASSING
from shared.governance import Ungoverned
from shared.journal import journal
from shared.log import Unavailable
from shared.problem import MEDIA_TYPE, allowed, document_of

log = journal("intake.problem")


class Answer(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        problems: Sequence[Problem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.problems = problems
        self.headers = headers or {}

    def document(self) -> dict[str, Any]:
        errors = [
            {"pointer": item.pointer, "code": item.code, "detail": item.detail}
            for item in self.problems
        ]
        return document_of(self.status, self.code, self.detail, errors=errors)

    def response(self) -> Response:
        body = orjson.dumps(self.document())
        return Response(body, self.status, media_type=MEDIA_TYPE, headers=self.headers)


def answer_of(error: Exception) -> Answer:
    """The problem that an error of intake is told as."""
    match error:
        case Answer():
            return error
        case Refused(problems=problems):
            return Answer(422, "MALFORMED", "the input was refused", problems)
        case RequestValidationError():
            # Of the query alone: bodies are read by hand. The input itself is not repeated.
            found = error.errors()
            places = [Problem(pointer(item["loc"]), item["type"], item["msg"]) for item in found]
            return Answer(422, "MALFORMED", "the input was refused", places)
        case Refusing(refusal=refusal):
            where = refusal.pointer
            place = [] if where is None else [Problem(where, refusal.code, refusal.reason)]
            return Answer(refusal.status, refusal.code, refusal.reason, place)
        case Unknown():
            return _later("UNKNOWN", f"{error}; whether it stands is unknown, send it again")
        case Busy():
            return _later("BUSY", f"{error}; nothing was appended")
        case NotAdmitted():
            detail = "the log refuses this service; whether it stands is unknown, send it again"
            return _later("UNKNOWN", detail)
        case Unavailable() | Ungoverned() | ClockUnset():
            return _later("UNAVAILABLE", f"{error}; nothing was appended")
        case HTTPException(status_code=status, detail=detail, headers=headers):
            name = HTTPStatus(status).name
            return Answer(status, name, str(detail), headers=dict(headers or {}))
        case ClientDisconnect():
            # Nobody hears it: the client went away before its body was whole.
            return Answer(400, "CUT_OFF", "the body ended early; nothing was appended")
        case asyncpg.CharacterNotInRepertoireError():
            return Answer(422, "MALFORMED", "a NUL names nothing here")
        case _ if isinstance(error, (asyncpg.PostgresError, *PASSING)):
            return _later("UNAVAILABLE", "the database does not answer; nothing was appended")
        case _:
            log.error("fault", exc_info=error)
            return Answer(500, "INTERNAL", "a fault of this service; it is on its journal")


def _later(code: str, detail: str) -> Answer:
    return Answer(503, code, detail, headers={"retry-after": "1"})


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        found = answer_of(error)
        if found.status == HTTPStatus.METHOD_NOT_ALLOWED:
            found.headers = {"allow": allowed(app, request)}
        return found.response()

    kinds: tuple[type[Exception], ...] = (
        Answer,
        Refused,
        Refusing,
        Unknown,
        Busy,
        Unavailable,
        NotAdmitted,
        Ungoverned,
        ClockUnset,
        ClientDisconnect,
        HTTPException,
        RequestValidationError,
        asyncpg.PostgresError,
        *PASSING,
        Exception,
    )
    for kind in kinds:
        app.add_exception_handler(kind, answer)
