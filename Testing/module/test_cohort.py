"""The section "Cohort", clicked in the real panel."""

import pytest

from support.fake_cohort import write_fake_cohort
from support.panel import run_until


@pytest.fixture
def folder(tmp_path):
    """60 pairs, of which one failed; the three worst have a result."""
    return write_fake_cohort(tmp_path / "cohort", 60, results=3)


@pytest.fixture
def panel(widget):
    assert widget.ui.cohortCollapsibleButton.collapsed  # nothing unasked
    widget.ui.cohortCollapsibleButton.collapsed = False
    return widget


def wait(host, panel) -> None:
    run_until(host, lambda: not panel.results.cohort.isActive)
    host.process_events()


def open_cohort(host, panel, folder) -> None:
    panel.ui.cohortPathLineEdit.currentPath = str(folder)
    wait(host, panel)


def column(ui, title: str) -> list[str]:
    table = ui.cohortTable
    titles = [table.horizontalHeaderItem(c).text() for c in range(table.columnCount)]
    c = [text.replace("\n", " ") for text in titles].index(title)
    return [table.item(r, c).text() for r in range(table.rowCount)]


def sort(ui, title: str, order) -> None:
    table = ui.cohortTable
    titles = [table.horizontalHeaderItem(c).text() for c in range(table.columnCount)]
    table.horizontalHeader().setSortIndicator(titles.index(title), order)


def click(host, panel, pair: str) -> None:
    row = column(panel.ui, "Pair").index(pair)
    panel.ui.cohortTable.cellClicked.emit(row, 0)
    wait(host, panel)


def test_the_table_of_a_cohort_comes_with_the_worst_first(panel, host, folder):
    ui = panel.ui
    assert not ui.cohortTable.visible and not ui.cohortApproveButton.visible
    open_cohort(host, panel, folder)
    assert column(ui, "Pair")[:3] == ["pair-00049", "pair-00000", "pair-00001"]
    assert column(ui, "Status")[:2] == ["failed", "complete"]
    assert column(ui, "Expected error, mean (mm)")[:2] == ["", "4.00"]
    assert ui.cohortLabel.text == "60 of 60 pairs."
    assert ui.cohortApproveButton.visible and not ui.cohortApproveButton.enabled


def test_headings_sort_and_words_filter(panel, host, folder):
    import qt

    ui = panel.ui
    open_cohort(host, panel, folder)
    sort(ui, "Dice after", qt.Qt.AscendingOrder)
    found = column(ui, "Dice after")
    assert found[-1] == "" and found[:-1] == sorted(found[:-1])
    sort(ui, "Dice after", qt.Qt.DescendingOrder)
    found = column(ui, "Dice after")
    assert found[-1] == "" and found[:-1] == sorted(found[:-1], reverse=True)
    ui.cohortFilterLineEdit.text = "pass pair-0000"
    assert sorted(column(ui, "Pair")) == ["pair-00000", "pair-00001", "pair-00002", "pair-00009"]
    assert ui.cohortLabel.text == "4 of 60 pairs."


def test_a_click_shows_a_pair_instead_of_the_one_before(panel, host, folder):
    import slicer

    ui = panel.ui
    open_cohort(host, panel, folder)
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(host, panel, "pair-00001")
    result = panel.results.result
    assert result.folder == str(folder / "pairs" / "pair-00001")
    assert ui.showMapCheckBox.checked and ui.resultsCollapsibleButton.visible
    one = slicer.mrmlScene.GetNumberOfNodes()
    click(host, panel, "pair-00002")
    assert [one.folder for one in panel.results.results] == [str(folder / "pairs" / "pair-00002")]
    assert slicer.mrmlScene.GetNumberOfNodes() == one > before
    click(host, panel, "pair-00002")  # it is there already
    assert len(panel.results.results) == 1


def test_a_result_that_was_not_opened_from_here_stays(panel, host, folder, tmp_path):
    import slicer

    from support.fake_result import write_fake_result
    from UncertainRegLib.scene.result import load_result

    load_result(write_fake_result(tmp_path / "other"), slicer.mrmlScene)
    panel.results.refresh()
    open_cohort(host, panel, folder)
    assert not panel.ui.cohortApproveButton.enabled  # it is no pair of the cohort
    for pair in ("pair-00000", "pair-00001"):
        click(host, panel, pair)
    assert [one.folder for one in panel.results.results] == [
        str(tmp_path / "other"),
        str(folder / "pairs" / "pair-00001"),
    ]


def test_decisions_are_added_beside_the_result_and_seen_in_the_table(panel, host, folder):
    from UncertainRegLib.results.decision import read_decisions

    ui = panel.ui
    open_cohort(host, panel, folder)
    click(host, panel, "pair-00001")
    ui.deciderLineEdit.text = "M. Curie"
    assert ui.cohortApproveButton.enabled and not ui.cohortRejectButton.enabled
    ui.cohortReasonLineEdit.text = "the left kidney is off"
    ui.cohortRejectButton.click()
    assert column(ui, "Decision")[column(ui, "Pair").index("pair-00001")] == "Rejected"
    assert ui.cohortReasonLineEdit.text == "" and "M. Curie" in ui.decisionLabel.text
    ui.cohortApproveButton.click()
    found = read_decisions(folder / "pairs" / "pair-00001")
    assert [(one.decision, one.reason) for one in found] == [
        ("reject", "the left kidney is off"),
        ("approve", ""),
    ]
    assert column(ui, "Decision")[column(ui, "Pair").index("pair-00001")] == "Approved"


def test_a_decision_in_the_section_acceptance_is_seen_in_the_table_too(panel, host, folder):
    ui = panel.ui
    open_cohort(host, panel, folder)
    click(host, panel, "pair-00002")
    ui.acceptanceCollapsibleButton.collapsed = False
    ui.decideButton.click()
    assert column(ui, "Decision")[column(ui, "Pair").index("pair-00002")] == "Approved"


def test_decisions_come_from_beside_the_results_not_from_an_older_table(panel, host, folder):
    from UncertainRegLib.results.decision import add_decision, made

    add_decision(folder / "pairs" / "pair-00001", made("approve", "", "", ""))
    (folder / "pairs" / "pair-00002" / "decision.json").write_text("{", "utf-8")
    open_cohort(host, panel, folder)
    decided = dict(zip(column(panel.ui, "Pair"), column(panel.ui, "Decision")))
    assert decided["pair-00001"] == "Approved" and decided["pair-00002"] == ""
    click(host, panel, "pair-00001")
    assert panel.ui.cohortLabel.text == "60 of 60 pairs."


def test_a_failed_pair_says_why(panel, host, folder):
    open_cohort(host, panel, folder)
    click(host, panel, "pair-00049")
    assert "is damaged or truncated" in panel.ui.cohortLabel.text
    assert not panel.results.results


def test_a_pair_whose_result_is_gone_says_so(panel, host, folder):
    open_cohort(host, panel, folder)
    click(host, panel, "pair-00010")
    assert "is not a result folder" in panel.ui.cohortLabel.text and not panel.results.results


def test_what_is_no_cohort_is_one_sentence(panel, host, folder, tmp_path):
    open_cohort(host, panel, tmp_path)
    assert "is no folder of a cohort" in panel.ui.cohortLabel.text
    assert not panel.ui.cohortTable.visible
    open_cohort(host, panel, folder)
    assert panel.ui.cohortTable.rowCount == 60


def test_of_many_pairs_the_first_are_shown_and_all_are_sorted_and_searched(panel, host, tmp_path):
    import qt

    ui = panel.ui
    open_cohort(host, panel, write_fake_cohort(tmp_path / "large", 3000))
    assert ui.cohortTable.rowCount == 500
    assert ui.cohortLabel.text.startswith("The first 500 of 3000 pairs in this order")
    sort(ui, "Pair", qt.Qt.DescendingOrder)
    assert column(ui, "Pair")[0] == "pair-02999"
    ui.cohortFilterLineEdit.text = "pair-0250"
    assert len(column(ui, "Pair")) == 10
