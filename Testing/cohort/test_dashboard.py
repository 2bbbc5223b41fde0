"""The dashboard: what stands in the page, and in a real browser what its table does."""

import json
import re

import pytest

from support.browser import NoBrowser, browser
from support.fake_cohort import decide, set_inputs, write_fake_cohort
from UncertainRegLib.cohort import dashboard
from UncertainRegLib.cohort.dashboard import write_dashboard


def content(page) -> dict:
    """The data that the script draws."""
    text = page.read_text("utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    )


def ids(page) -> list[str]:
    found = content(page)
    place = [column["name"] for column in found["columns"]].index("id")
    return [row[place] for row in found["rows"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 pairs, of which one failed and six have results; three have a picture in the page."""
    where = write_fake_cohort(tmp_path_factory.mktemp("cohort"), 60, results=6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard, "EMBEDDED", 3)
        write_dashboard(where)
    return where


def test_the_failed_pair_comes_first_and_then_the_worst(folder):
    found = ids(folder / "index.html")
    assert found[0] == "pair-00049"
    assert found[1:] == [f"pair-{n:05d}" for n in range(60) if n != 49]


def test_the_page_needs_nothing_from_elsewhere(folder):
    text = (folder / "index.html").read_text("utf-8")
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "@import" not in text and "url(" not in text


def test_the_worst_pairs_have_pictures_in_the_page_and_reports(folder):
    found = content(folder / "index.html")
    assert sorted(map(int, found["pictures"])) == [1, 2, 3]
    assert [(folder / "pairs" / f"pair-{n:05d}/report.html").exists() for n in range(5)] == (
        [True] * 3 + [False] * 2
    )
    drawn = sorted(file.name for file in (folder / found["thumbnails"]).iterdir())
    assert drawn == [f"pair-{n:05d}.jpg" for n in range(6)]


def test_pictures_and_reports_are_made_anew_only_for_newer_results(tmp_path):
    folder = write_fake_cohort(tmp_path, 30, results=2)
    write_dashboard(folder)
    results = [folder / "pairs" / f"pair-0000{n}" for n in (0, 1)]
    (picture,) = (folder / "thumbnails").rglob("pair-00000.jpg")
    files = [picture, results[0] / "report.html", results[1] / "report.html"]
    before = [file.stat().st_mtime_ns for file in files]
    set_inputs(results[0], moving="2" * 64)
    write_dashboard(folder)
    now = [file.stat().st_mtime_ns for file in files]
    assert now[0] > before[0] and now[1] > before[1] and now[2] == before[2]


def test_a_triage_curve_and_outliers_are_there(folder):
    text = (folder / "index.html").read_text("utf-8")
    assert "lowest fifth by Dice (12 of 59 pairs)" in text
    assert "more than 1.5 times the length of the box" in text
    assert "On the common fixed image" in text and (folder / "common").is_dir()


def test_without_a_truth_nothing_is_called_bad(tmp_path):
    folder = write_fake_cohort(tmp_path, 30, truth=False)
    text = write_dashboard(folder).read_text("utf-8")
    assert "There is no triage curve" in text and "lowest fifth" not in text
    assert "dice" not in [column["name"] for column in content(folder / "index.html")["columns"]]


def test_pairs_of_different_fixed_images_have_no_common_maps(tmp_path):
    folder = write_fake_cohort(tmp_path, 30, results=2)
    set_inputs(folder / "pairs" / "pair-00001", fixed="1" * 64)
    assert "On the common fixed image" not in write_dashboard(folder).read_text("utf-8")


def test_a_decision_is_shown_with_its_reason(tmp_path):
    folder = write_fake_cohort(tmp_path, 30)
    decide(folder, "pair-00003", "reject")
    found = content(write_dashboard(folder))
    names = [column["name"] for column in found["columns"]]
    row = next(row for row in found["rows"] if row[names.index("id")] == "pair-00003")
    assert row[names.index("decision")] == "reject"
    assert row[names.index("sentence")] == "Rejected: for a test"
    assert found["columns"][names.index("sentence")]["title"] == "Note"


def test_words_of_others_cannot_become_part_of_the_page(tmp_path):
    folder = write_fake_cohort(tmp_path, 60)
    table = folder / "cohort.csv"
    evil = "</script><img src=x onerror=alert(1)>"
    text = table.read_text("utf-8").replace("Liver", evil).replace("pair-00002", evil)
    table.write_text(text.replace("is damaged", evil), "utf-8")
    page = write_dashboard(folder).read_text("utf-8")
    assert "<img src=x" not in page and evil in ids(folder / "index.html")


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no folder of a cohort"):
        write_dashboard(tmp_path)
    (tmp_path / "cohort.csv").write_text("id;kind\n1;pair\n", "utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        write_dashboard(tmp_path)


@pytest.fixture(scope="module")
def chromium():
    try:
        with browser() as started:
            yield started
    except NoBrowser as error:
        pytest.skip(str(error))


@pytest.fixture
def page(chromium, folder):
    """The dashboard in a browser without a network; fails on any error of the script."""
    context = chromium.new_context(offline=True, viewport={"width": 1300, "height": 900})
    opened, errors = context.new_page(), []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto((folder / "index.html").as_uri())
    opened.wait_for_selector("html[data-ready=yes]")
    yield opened
    context.close()
    assert not errors


def shown(page) -> list[str]:
    return page.eval_on_selector_all("#rows tr[data-id]", "rows => rows.map(r => r.dataset.id)")


def count(page) -> str:
    return page.inner_text("#count")


def test_only_rows_in_view_are_drawn_and_scrolling_draws_the_others(page):
    assert shown(page)[:2] == ["pair-00049", "pair-00000"] and len(shown(page)) < 40
    page.eval_on_selector("#scroll", "box => box.scrollTop = box.scrollHeight")
    page.wait_for_selector("#rows tr[data-id=pair-00059]")
    assert "pair-00000" not in shown(page)


def drawn(page, column: str) -> list[str]:
    """The texts of a column, of pairs with a result."""
    at = page.eval_on_selector(f"#head-{column}", "head => head.cellIndex")
    rows = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    return [
        row[at] for row in page.eval_on_selector_all("#rows tr[data-id]", rows) if at < len(row)
    ]


def test_a_click_on_a_heading_sorts_and_another_reverses(page):
    page.click("#head-dice button")
    found = [float(text) for text in drawn(page, "dice")]
    assert found == sorted(found, reverse=True) and found[0] > found[-1]
    assert page.get_attribute("#head-dice", "aria-sort") == "descending"
    page.click("#head-dice button")
    found = [float(text) for text in drawn(page, "dice")]
    assert found == sorted(found) and found[0] < found[-1]
    assert shown(page)[0] != "pair-00049"  # what has no value comes last, either way
    page.click("#worst")
    assert shown(page)[0] == "pair-00049"


def test_filters_by_group_verdict_and_text_work_together(page):
    page.select_option("#filter-group", "A")
    assert count(page) == "20 of 60 pairs"
    page.select_option("#filter-verdict", "PASS")
    assert count(page) == "7 of 60 pairs"
    page.fill("#filter-text", "PAIR-0000")
    assert shown(page) == ["pair-00000", "pair-00009"]
    page.fill("#filter-text", "no such pair")
    assert count(page) == "0 of 60 pairs" and shown(page) == []


def test_a_count_on_top_filters(page):
    page.click("[data-filter=status][data-value=failed]")
    assert shown(page) == ["pair-00049"]
    assert "is damaged or truncated" in page.inner_text("#rows")
    page.click("[data-filter=''][data-value='*']")
    assert count(page) == "60 of 60 pairs"


def test_pictures_are_there_and_one_opens_the_report_of_its_pair(page):
    for pair in ("pair-00000", "pair-00004"):  # in the page; in the folder beside it
        page.wait_for_function(
            f"document.querySelector('tr[data-id={pair}] img')?.naturalWidth > 0"
        )
    with page.context.expect_page() as opened:
        page.click("tr[data-id=pair-00000] img")
    opened.value.wait_for_load_state()
    assert opened.value.url.endswith("/pairs/pair-00000/report.html")
    assert opened.value.query_selector("text=How to read this")
    assert page.query_selector("tr[data-id=pair-00004] a") is None  # no report is written yet


def test_an_outlier_leads_to_its_row(page):
    link = page.query_selector("a[data-filter=text]")
    link.click()
    assert shown(page) == [link.inner_text()]


def test_the_command_report_writes_table_and_dashboard_anew(tmp_path, capsys):
    from UncertainRegLib.__main__ import main
    from UncertainRegLib.cohort.folder import CohortFolder

    cohort = CohortFolder(tmp_path)
    cohort.pairs_file.write_text("id,fixed,moving\none,a.nrrd,b.nrrd\ntwo,a.nrrd,c.nrrd\n", "utf-8")
    cohort.describe(pairs={"file": str(cohort.pairs_file)})
    cohort.fail("two", "c.nrrd: is missing.")
    assert main(["cohort", "report", str(tmp_path), "--progress", "none"]) == 0
    assert capsys.readouterr().out.strip() == str(cohort.dashboard)
    assert ids(cohort.dashboard) == ["two", "one"]  # failed; not run yet
    assert "c.nrrd: is missing." in cohort.dashboard.read_text("utf-8")
