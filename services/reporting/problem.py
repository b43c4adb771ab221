"""Problems as RFC 9457 documents: status, code, sentence, and the parameter that is wrong."""

from __future__ import annotations

from http import HTTPStatus

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.reporting.reading import Malformed
from shared.broker import NotAdmitted
from shared.clock import ClockUnset
from shared.governance import Ungoverned
from shared.journal import journal
from shared.log import Unavailable
from shared.problem import MEDIA_TYPE, allowed, document_of

log = journal("problem")


class Answer(Exception):
    """Ends a request with a problem. `errors`: (JSON Pointer, sentence)."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: tuple[tuple[str, str], ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> Response:
        errors = [{"pointer": place, "detail": reason} for place, reason in self.errors]
        document = document_of(self.status, self.code, self.detail, errors=errors)
        return Response(
            orjson.dumps(document), self.status, media_type=MEDIA_TYPE, headers=self.headers
        )


def answer_of(error: Exception) -> Answer:
    """The problem that an error of reporting is told as."""
    match error:
        case Answer():
            return error
        case Malformed(name=name, reason=reason, part=part):
            return Answer(422, "MALFORMED", reason, ((f"/{part}/{name}", reason),))
        case RequestValidationError():
            return _refused(error)
        case HTTPException(status_code=status, detail=detail, headers=headers):
            name = HTTPStatus(status).name
            return Answer(status, name, str(detail), headers=dict(headers or {}))
        case ClientDisconnect():
            # Nobody hears it: the client went away before its form was whole.
            return Answer(400, "CUT_OFF", "the form ended early")
        case asyncpg.DataError() | asyncpg.CharacterNotInRepertoireError():
            reason = "a value is none that a case could have"
            return Answer(422, "MALFORMED", reason, (("/query", reason),))
        case Ungoverned() | ClockUnset():
            return _later("UNGOVERNED", "no policy book and clock are adopted yet")
        case Unavailable() | NotAdmitted() | asyncpg.PostgresError() | asyncpg.InterfaceError():
            return _later("UNAVAILABLE", "the tables cannot be read just now")
        case OSError() | TimeoutError():
            return _later("UNAVAILABLE", "the database does not answer")
        case _:
            log.error("fault", exc_info=error)
            return Answer(500, "INTERNAL", "a fault of this service; it is on its journal")


def _refused(error: RequestValidationError) -> Answer:
    found = []
    for item in error.errors():
        place = "".join(f"/{part}" for part in item["loc"])
        found.append((place, str(item["msg"])))
    return Answer(422, "MALFORMED", "the request was refused", tuple(found))


def _later(code: str, detail: str) -> Answer:
    return Answer(503, code, detail, headers={"retry-after": "1"})


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        found = answer_of(error)
        if found.status == HTTPStatus.METHOD_NOT_ALLOWED:
            found.headers = {"allow": allowed(app, request)}
        return found.response()

    for kind in (
        Answer,
        Malformed,
        RequestValidationError,
        ClientDisconnect,
        HTTPException,
        Ungoverned,
        ClockUnset,
        Unavailable,
        NotAdmitted,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        OSError,
        Exception,
    ):
        app.add_exception_handler(kind, answer)
