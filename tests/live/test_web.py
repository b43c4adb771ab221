"""The page in a real browser on a real stack: what it shows is what the API answers.

The browser is Debian's (`CHROMIUM`, else /usr/bin/chromium); nothing is fetched for it. Where there
is none these tests are skipped, and say so.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from services.reporting.pages import ROUTES
from shared import keys
from shared.events import ComplaintAccepted, ComplaintReceived
from shared.settings import Settings
from tests.live.rig import Process, Rig
from tests.live.test_reporting import Caller, last, publish, told
from tests.reporting import histories
from tests.reporting.desk import BEGINS, fact

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not Path(CHROMIUM).is_file(),
        reason="no browser: set CHROMIUM, or on Debian apt-get install chromium",
    ),
]

SEED = 7
CASES = 30
# The browser must not ask anybody anything of its own.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # A container's is small.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MILLISECONDS = 15_000
THEN = "2021-12-01T00:00:00+08:00"


@dataclass
class Town:
    """A served history, who asks its API, and a browser that looks at it."""

    rig: Rig
    process: Process
    api: Caller
    token: str
    browser: Browser
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def page(self, path: str = "/", token: str | None = None) -> Page:
        """A reader with a key in a tab of their own."""
        context = await self.browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(MILLISECONDS)
        key = self.token if token is None else token
        if key:
            await context.add_init_script(f"sessionStorage.setItem('qingqian-key', '{key}')")
        page = await context.new_page()
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        await page.goto(f"{self.process.url}{path}")
        return page


@pytest.fixture(scope="module")
async def town(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    clear, _ = keys.generate(histories.policy())
    module_settings.data_dir.mkdir(parents=True, exist_ok=True)
    keys.write(module_settings.keys_path, clear)
    token = keys.clear_key(module_settings.keys_path, "convener")
    async with Rig(module_settings, tmp_path_factory.mktemp("web")) as rig, async_playwright() as p:
        browser, _ = await asyncio.gather(
            p.chromium.launch(executable_path=CHROMIUM, args=QUIET),
            told(rig, histories.tell(SEED, CASES)),
        )
        process = rig.worker("reporting", module="services.reporting")
        process.start()
        api = Caller(rig, process, token)
        await api.ready()
        found = Town(rig, process, api, token, browser)
        yield found
        await browser.close()
        # Of the whole module: no request left the own host, and no script failed.
        hosts = {
            urlsplit(url).netloc for url in found.asked if not url.startswith(("data:", "blob:"))
        }
        assert hosts == {urlsplit(process.url).netloc}
        assert found.errors == []


def wan(fen: int) -> str:
    """As the page writes fen: 万元 with two decimals."""
    return f"{fen / 1_000_000:,.2f}"


async def number(page: Page, name: str) -> str:
    return await page.locator(f"[data-number={name}]").inner_text()


async def cells(page: Page, table: str) -> list[list[str]]:
    """The rows of a table as they stand in the page, also where it is folded up."""
    rows: list[list[str]] = await page.locator(f"table[data-table='{table}'] tbody").evaluate(
        "body => [...body.rows].map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )
    return rows


async def test_a_reader_logs_in_and_a_wrong_key_is_told(town: Town) -> None:
    page = await town.page("/units", token="")
    await page.get_by_label("密钥").fill("no-such-key")
    await page.get_by_role("button", name="进入").click()
    await expect(page.get_by_role("alert")).to_contain_text("密钥无效")
    await expect(page.get_by_role("alert")).to_contain_text("a bearer key is needed")
    await page.get_by_label("密钥").fill(f" {town.token} ")
    await page.get_by_role("button", name="进入").click()
    await expect(page.locator("table[data-table='ranking-townships']")).to_be_visible()
    stored = await page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]")
    assert stored == [1, 0, ""]
    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_label("密钥")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0
    await page.context.close()


async def test_the_numbers_are_those_of_the_api_now_and_then(town: Town) -> None:
    page = await town.page()
    stamp = page.locator("[data-stamp]")
    for as_of in (None, THEN):
        query: dict[str, Any] = {"as_of": as_of} if as_of else {}
        if as_of:
            await page.locator("input[name=as_of]").fill("2021-12-01T00:00")
            await page.wait_for_url("**as_of=**")
        told = await town.api.get("/v1/overview", **query)
        await expect(stamp).to_have_attribute("data-stamp", told["meta"]["as_of"])
        await expect(page.locator("[data-number=open]")).to_have_text(str(told["open"]))
        for name in ("accepted", "closed", "overdue"):
            assert await number(page, name) == str(told[name])
        assert await number(page, "paid") == wan(told["paid_fen"])
        assert await number(page, "workers") == str(told["workers_paid"])
        levels = {row[0].split()[1][:2]: int(row[1]) for row in await cells(page, "levels")}
        by_level = {level: told["open_by_level"].get(level, 0) for level in told["open_by_level"]}
        assert {level: n for level, n in levels.items() if n and level != "绿"} == {
            level: n for level, n in by_level.items() if n and level != "L0"
        }
        clearance = await town.api.get("/v1/clearance", **query)
        await expect(page.locator("table[data-table=clearance] tbody tr")).to_have_count(
            len(clearance["items"])
        )
        shown = [row[4] for row in await cells(page, "clearance")]
        counted = {"P1-screen": "个单位", "P3-dynamic": "天", "P4": "个单位"}
        assert shown == [
            f"{item['met']} / {item['of']} {counted.get(item['predicate'], '件')}"
            for item in clearance["items"]
        ]
    await expect(stamp).to_have_text("数据截至2021年12月1日 00:00")
    await page.context.close()


async def test_the_tables_under_the_charts_are_the_api(town: Town) -> None:
    as_of = f"as_of={quote(THEN)}"
    page = await town.page(f"/?{as_of}")
    trend = (await town.api.get("/v1/trend", as_of=THEN))["items"]
    await expect(page.locator("table[data-table=trend] tbody tr")).to_have_count(len(trend))
    await expect(page.locator(".drawing svg").first).to_be_visible()
    names = ("received", "accepted", "closed", "open", "overdue")
    for row, day in zip(await cells(page, "trend"), trend, strict=True):
        assert row[1:6] == [str(day[name]) for name in names]
        assert row[6:8] == [wan(day["owed_fen"]), wan(day["paid_fen"])]
    units = (await town.api.get("/v1/units", as_of=THEN))["items"]
    townships = [item for item in units if item["kind"] == "township"]
    tiles = {
        await tile.get_attribute("data-tile"): await tile.locator(".value").text_content()
        for tile in await page.locator("[data-tile]").all()
    }
    assert tiles == {item["unit"]: str(item["open"]) for item in townships}
    await page.evaluate("window.untouched = true")
    await page.locator("[data-tile='410185109']").click()
    await expect(page.locator("select[name=township]")).to_have_value("410185109")
    assert await page.evaluate("window.untouched"), "a link of the map loaded the page again"
    await page.goto(f"{town.process.url}/units?{as_of}")
    ranking: list[dict[str, Any]] = []
    for kind in ("task-forces", "townships"):
        ranking = (await town.api.get(f"/v1/rankings/{kind}", as_of=THEN))["items"]
        table = f"ranking-{kind}"
        await expect(page.locator(f"table[data-table={table}] tbody tr")).to_have_count(
            len(ranking)
        )
        for row, item in zip(await cells(page, table), ranking, strict=True):
            score = "—" if item["score"] is None else f"{item['score']:.2f}"
            assert row[0] == ("—" if item["rank"] is None else str(item["rank"]))
            assert row[2:4] == [score, str(item["base"])]
    chosen = next(item for item in reversed(ranking) if item["score"] is not None)
    await page.locator("select[name=unit]").select_option(chosen["unit"])
    parts = [row[3] for row in await cells(page, f"score-{chosen['unit']}")]
    assert parts == [f"{part:,.2f}" for part in (*chosen["parts"].values(), chosen["raw"])]
    place = await town.api.get(f"/v1/rankings/units/{chosen['unit']}", as_of=THEN)
    await page.get_by_text("计入得分的案件与扣分事项").click()
    counted = page.locator(f"table[data-table=place-{chosen['unit']}] tbody tr")
    await expect(counted).to_have_count(len(place["cases"]))
    await expect(page.locator("table[data-table=units-township] tbody tr")).to_have_count(15)
    ages = [row[6:11] for row in await cells(page, "units-township")]
    assert ages == [[str(n) for n in item["ageing"].values()] for item in townships]
    await page.context.close()


async def test_a_case_is_found_and_told(town: Town) -> None:
    page = await town.page("/cases")
    listed = await town.api.get("/v1/cases", limit=50)
    await expect(page.locator("[data-number=total]")).to_contain_text(str(listed["total"]))
    await page.locator("select[name=overdue]").select_option("true")
    overdue = await town.api.get("/v1/cases", overdue="true")
    await expect(page.locator("[data-number=total]")).to_contain_text(str(overdue["total"]))
    case = next(item for item in listed["items"] if item["number"] and item["paid_fen"])
    await page.goto(f"{town.process.url}/cases/{case['number']}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(case["number"])
    timeline = await town.api.get(f"/v1/cases/{case['case_id']}/timeline")
    await expect(page.locator(".story li")).to_have_count(len(timeline["items"]))
    first = page.locator(".story li p").first
    await expect(first).to_have_text(timeline["items"][0]["sentence"])
    await page.get_by_role("button", name="English").click()
    await expect(first).to_have_text(timeline["items"][0]["sentence_en"])
    money = await cells(page, f"case-{case['case_id'][:8]}-money")
    assert [row[3] for row in money[:-1]] == [f"{x['paid_fen'] / 100:,.2f}" for x in case["lines"]]
    for nobody in ("nobody", "%E0%A4%A"):
        await page.goto(f"{town.process.url}/cases/{nobody}")
        await expect(page.get_by_role("alert")).to_contain_text("没有这个案件")
    await page.context.close()


async def test_the_language_is_the_readers_and_stays_in_the_address(town: Town) -> None:
    page = await town.page("/bulletins?lang=en")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Bulletins")
    assert await page.locator("html").get_attribute("lang") == "en"
    await page.get_by_role("link", name="Overview").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    assert page.url.endswith("/?lang=en")
    await page.get_by_role("button", name="中文").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("总览")
    assert await page.locator("html").get_attribute("lang") == "zh-CN"
    await page.context.close()


async def test_a_file_behind_the_key_is_downloaded(town: Town) -> None:
    page = await town.page("/audit")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="问题台账").click()
    file = await download.value
    assert file.suggested_filename == "problems.xlsx"
    assert (await file.path()).read_bytes().startswith(b"PK")
    await page.context.close()


async def test_a_spreadsheet_takes_no_text_of_a_table_for_a_formula(town: Town) -> None:
    """Neither from its file nor from what is copied; a number with its sign stays one."""
    page = await town.page("/nothing")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    said = {
        "=1+1": "'=1+1",
        "@A1": "'@A1",
        "-A1": "'-A1",
        "+A1": "'+A1",
        "＝1": "'＝1",
        "+1.20": "+1.20",
    }

    async def names(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        for item, name in zip(told["items"], said, strict=False):
            item["name"] = name
        await route.fulfill(response=answer, json=told)

    await page.route("**/v1/rankings/townships*", names)
    await page.goto(f"{town.process.url}/units")
    table = page.locator(".table", has=page.locator("table[data-table='ranking-townships']"))
    for text in said:
        await expect(table.get_by_role("rowheader", name=text, exact=True)).to_be_visible()
    async with page.expect_download() as download:
        await table.get_by_role("button", name="下载 CSV").click()
    lines = (await (await download.value).path()).read_text("utf-8-sig").splitlines()
    await table.get_by_role("button", name="复制为表格").click()
    await expect(table.get_by_role("status")).not_to_be_empty()
    copied = (await page.evaluate("navigator.clipboard.readText()")).splitlines()
    for safe in said.values():
        assert any(f'"{safe}"' in line.split(",") for line in lines), safe
        assert any(safe in line.split("\t") for line in copied), safe
    await page.context.close()


async def test_no_page_has_a_serious_finding_of_axe(town: Town) -> None:
    (case,) = (await town.api.get("/v1/cases", as_of=THEN, limit=1))["items"]
    paths = [path.replace("{case}", case["case_id"]) for path in ROUTES]
    await asyncio.gather(*(accessible(town, paths, lang) for lang in ("zh-CN", "en")))


async def accessible(town: Town, paths: list[str], lang: str) -> None:
    page = await town.page("/nothing")
    for path in paths:
        await page.goto(f"{town.process.url}{path}?lang={lang}&as_of={quote(THEN)}")
        await expect(page.locator("h1")).to_be_visible()
        await expect(page.locator(".waiting")).to_have_count(0)
        found = (await Axe().run(page)).response["violations"]
        serious = [
            (item["id"], [node["html"] for node in item["nodes"]][:3])
            for item in found
            if item["impact"] in ("serious", "critical")
        ]
        assert serious == [], (path, lang, serious)
    await page.context.close()


async def test_every_part_is_reached_by_keyboard_and_paper_has_the_cut_off(town: Town) -> None:
    page = await town.page()
    await expect(page.locator("[data-number=open]")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("跳到正文")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("总览")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("台账")
    await page.emulate_media(media="print")
    await expect(page.locator("nav").first).to_be_hidden()
    await expect(page.locator("[data-stamp]")).to_be_visible()
    assert (await page.pdf(prefer_css_page_size=True)).startswith(b"%PDF")
    await page.context.close()


async def test_the_wall_does_not_scroll(town: Town) -> None:
    page = await town.page("/screen")
    await page.set_viewport_size({"width": 1920, "height": 1080})
    for name in ("乡镇街道分布", "工作专班排名", "阶段目标与清零", "清零进度"):
        await page.get_by_role("button", name=name).click()
        await expect(page.get_by_role("heading", level=2)).to_have_text(name)
        size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        assert await page.evaluate(size) == [1920, 1080]
    await page.context.close()


async def test_what_the_log_says_moves_the_numbers_without_a_reload(town: Town) -> None:
    page = await town.page()
    before = await town.api.get("/v1/overview")
    opened = page.locator("[data-number=open]")
    await expect(opened).to_have_text(str(before["open"]))
    await expect(page.locator(".stamp")).to_contain_text("实时更新")
    await page.evaluate("window.untouched = true")
    begins = last(histories.tell(SEED, CASES)) + timedelta(hours=1)
    hours = (begins - BEGINS) / timedelta(hours=1)
    data = ComplaintReceived(source="window", source_ref="new", received_at=begins, text="sealed:x")
    await publish(town.rig, [fact("new", data, hours), fact("new", ComplaintAccepted(), hours)])
    await town.rig.advance(begins)
    await expect(opened).to_have_text(str(before["open"] + 1))
    assert await page.evaluate("window.untouched")
    await page.context.close()
