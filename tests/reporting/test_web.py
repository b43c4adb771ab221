"""The page for readers as it is served, and that its committed build is of its sources."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from services.reporting import pages
from shared.policy import Policy
from tests.reporting.conftest import Read
from tests.reporting.desk import Desk, standing

WEB = pages.DIST.parent
FILES = (
    ".npmrc",
    "index.html",
    "package-lock.json",
    "package.json",
    "tsconfig.json",
    "vite.config.mjs",
)
NAMESPACES = ("http://www.w3.org/",)
ADDRESSES = [path.replace("{case}", "DF-QX-2021-000001") for path in pages.ROUTES]
HOST = re.compile(r"""(?:https?:)?//[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+[^\s"'`)<>]*""")


@pytest.fixture
async def desk(read: Read, book: Policy, tmp_path: Path) -> AsyncIterator[Desk]:
    async with standing(read, book, tmp_path) as found:
        yield found


def built(ending: str) -> list[Path]:
    return [file for file in sorted(pages.DIST.rglob("*")) if file.suffix == ending]


def sources() -> str:
    """What vite.config.mjs writes beside the build."""
    inside = [file for file in (WEB / "src").rglob("*") if file.is_file()]
    names = sorted([*FILES, *(file.relative_to(WEB).as_posix() for file in inside)])
    whole = hashlib.sha256()
    for name in names:
        content = hashlib.sha256((WEB / name).read_bytes()).hexdigest()
        whole.update(f"{content}  {name}\n".encode())
    return whole.hexdigest()


def test_the_build_is_of_these_sources() -> None:
    stamped = (pages.DIST / "sources.sha256").read_text("utf-8").strip()
    assert stamped == sources(), "the page's sources are newer than its build: run make web"


def test_the_build_loads_only_what_it_brings() -> None:
    html = (pages.DIST / "index.html").read_text("utf-8")
    loaded = re.findall(r'(?:src|href)="(/[^"]*)"', html)
    assert loaded
    assert {path for path in loaded if path.startswith("/assets/")} == set(loaded)
    for path in loaded:
        assert (pages.DIST / path.removeprefix("/")).is_file()
    assert "<script>" not in html
    assert " onload=" not in html


@pytest.mark.parametrize("ending", [".html", ".css", ".js"])
def test_no_outside_host_is_named(ending: str) -> None:
    files = built(ending)
    assert files
    for file in files:
        named = set(HOST.findall(file.read_text("utf-8")))
        assert {name for name in named if not name.startswith(NAMESPACES)} == set(), file.name


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    package = json.loads((WEB / "package.json").read_text("utf-8"))
    direct = package["dependencies"] | package["devDependencies"]
    assert len(direct) <= 6
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in direct.values())


def test_the_licences_of_what_the_build_contains_go_along() -> None:
    text = (pages.DIST / "licences.txt").read_text("utf-8")
    package = json.loads((WEB / "package.json").read_text("utf-8"))
    for name in package["dependencies"]:
        assert f"{name}: LICENSE" in text


def test_the_wheel_has_the_build_and_not_its_sources() -> None:
    root = Path(__file__).parents[2]
    inside = {
        file.distribution_path
        for file in WheelBuilder(str(root)).recurse_included_files()
        if file.distribution_path.startswith("services/reporting/web/")
    }
    build = {file.relative_to(root).as_posix() for file in pages.DIST.rglob("*") if file.is_file()}
    assert inside == build


def words(lang: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((WEB / "src/words" / f"{lang}.json").read_text("utf-8"))
    return found


def test_both_dictionaries_have_equal_keys_and_places() -> None:
    zh, en = words("zh-CN"), words("en")
    assert list(zh) == list(en)
    for key, text in zh.items():
        assert text.strip(), key
        assert en[key].strip(), key
        places = [sorted(re.findall(r"\{(\w+)\}", each)) for each in (text, en[key])]
        assert places[0] == places[1], key
        assert not re.search(r"[\u4e00-\u9fff]", en[key]), key


def test_every_word_that_is_used_is_known_and_every_known_word_is_used() -> None:
    zh = words("zh-CN")
    code = "".join(
        file.read_text("utf-8")
        for file in (WEB / "src").rglob("*")
        if file.suffix in (".ts", ".tsx")
    )
    # Codes of the API (a state, a level, a part of a score) are put behind their kind as they come.
    kinds = set(re.findall(r'tCode\("(\w+)"', code)) | set(
        re.findall(r"t\(\s*`([\w.]+)\.\$\{", code)
    )
    for key in zh:
        kind = key.rsplit(".", 1)[0]
        assert f'"{key}"' in code or kind in kinds, f"{key} is used nowhere"


async def test_every_page_is_served_without_a_key(desk: Desk) -> None:
    html = (pages.DIST / "index.html").read_text("utf-8")
    for path in ADDRESSES:
        answer = await desk.client.get(path, params={"lang": "en"}, headers={"authorization": ""})
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text == html
        policy = answer.headers["content-security-policy"].split("; ")
        assert {
            "default-src 'self'",
            "script-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "frame-ancestors 'none'",
        } <= set(policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache"


async def test_the_page_is_asked_for_each_time_and_sent_only_when_it_changed(desk: Desk) -> None:
    tag = (await desk.client.get("/")).headers["etag"]
    again = await desk.client.get("/units", headers={"if-none-match": tag})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == tag
    other = await desk.client.get("/", headers={"if-none-match": '"another"'})
    assert other.status_code == 200


@pytest.mark.parametrize("packing", ["gzip", "identity"])
async def test_assets_are_kept_for_ever_under_hashed_names(desk: Desk, packing: str) -> None:
    kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
    for file in (pages.DIST / "assets").iterdir():
        answer = await desk.client.get(f"/assets/{file.name}", headers={"accept-encoding": packing})
        assert answer.status_code == 200
        assert answer.content == file.read_bytes()
        assert answer.headers.get("content-encoding", "identity") == packing
        assert answer.headers["content-type"] == kinds[file.suffix]
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.fullmatch(r"\w+-[\w-]{8}\.(js|css)", file.name)


OTHERS = (
    "/nothing",
    "/index.html",
    "/cases/one/two",
    "/units/TF1",
    "/assets/none.js",
    "/assets/..%2Findex.html",
)


async def test_other_paths_stay_problems(desk: Desk) -> None:
    for path in OTHERS:
        answer = await desk.client.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "NOT_FOUND"


async def test_a_page_is_only_read(desk: Desk) -> None:
    head = await desk.client.head("/screen")
    assert head.status_code == 200
    posted = await desk.client.post("/")
    assert posted.status_code == 405
    assert posted.headers["allow"] == "GET, HEAD"


async def test_the_document_of_the_api_has_no_pages(desk: Desk) -> None:
    paths = (await desk.client.get("/openapi.json")).json()["paths"]
    assert not {*pages.ROUTES, "/assets/{name}"} & set(paths)
    assert (await desk.client.get("/v1/overview")).status_code == 200
