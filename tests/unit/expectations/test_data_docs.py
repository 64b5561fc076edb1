"""Great Expectations' pages without the internet: what is kept of them, and that they ask for nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from expectations.data_docs import draw_page

HOSTILE = 'x"><script>alert(1)</script>'


def result(kind: str, kwargs: dict[str, Any], *, success: bool, **more: Any) -> dict[str, Any]:
    return {
        "success": success,
        "expectation_config": {"type": kind, "kwargs": kwargs, "meta": {}, "severity": "critical"},
        "result": more.get("result", {}),
        "meta": {},
        "exception_info": {
            "raised_exception": "message" in more,
            "exception_traceback": None,
            "exception_message": more.get("message"),
        },
    }


DOCUMENT = {
    "success": False,
    "suite_name": "orders",
    "statistics": {
        "evaluated_expectations": 4,
        "successful_expectations": 2,
        "unsuccessful_expectations": 2,
        "success_percent": 50.0,
    },
    "meta": {"great_expectations_version": "1.24.1"},
    "results": [
        result(
            "expect_table_row_count_to_be_between",
            {"min_value": 5},
            success=True,
            result={"observed_value": 9},
        ),
        result(
            "expect_column_values_to_not_be_null",
            {"column": HOSTILE},
            success=False,
            result={"element_count": 9, "unexpected_count": 3, "unexpected_percent": 33.3},
        ),
        result(
            "expect_column_value_lengths_to_be_between",
            {"column": "email", "min_value": "***", "max_value": "***"},
            success=True,
        ),
        result(
            "expect_column_values_to_match_regex",
            {"column": "code", "regex": "("},
            success=False,
            message="the regular expression is not valid",
        ),
    ],
}


@pytest.fixture(scope="module")
def page() -> str:
    return draw_page(
        DOCUMENT,
        table="public.orders",
        run_name="20260102T030405Z_ab12",
        run_time="2026-01-02T03:04:05Z",
        back="../20260102T030405Z_ab12.html",
        others=[("public.orders", "0-0-public.orders.html")],
        words=lambda wanted: f"each {wanted['kwargs']['column']} is as our words say",
    )


def test_the_page_asks_for_nothing(page: str) -> None:
    addresses = re.findall(r"(?:src|href|action|data|srcset|poster)\s*=\s*[\"']?([^\"'\s>]+)", page)
    assert addresses
    outside = [at for at in addresses if not at.startswith("#")]
    assert outside == ["../20260102T030405Z_ab12.html", "0-0-public.orders.html"]
    assert "<script" not in page
    assert "://" not in page
    assert "default-src 'none'" in page


def test_outcomes_and_words_are_great_expectations_own_and_ours_where_it_has_none(page: str) -> None:
    assert page.count('class="fas fa-check-circle') == 2
    assert page.count('class="fas fa-times') == 2  # the failed one, and the whole
    assert page.count('class="fas fa-exclamation-triangle') == 1
    assert "values must never be null" in page
    assert "each email is as our words say" in page
    assert "the regular expression is not valid" in page
    assert "newsletter" not in page


def test_a_hostile_name_stays_text(page: str) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "&amp;lt;" not in page


def test_the_marks_show_in_a_browser_without_network(page: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser is installed")
    probe = (
        "<script>for (const mark of document.querySelectorAll('.fas'))"
        "mark.textContent = getComputedStyle(mark, '::before').content</script>"
    )
    # The page's own policy forbids scripts, so the copy that is probed goes without it.
    open_page = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page)
    (tmp_path / "page.html").write_text(open_page.replace("</body>", f"{probe}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    shown = subprocess.run(
        [browser, *options, f"--user-data-dir={tmp_path}", "--dump-dom", f"file://{tmp_path}/page.html"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    assert shown.count("Pass") >= 2, shown[:2000]
    assert shown.count("Fail") >= 1
    assert "Could not run" in shown
