"""Scales, bars and clouds of the plots, and the figures of a run."""

import re
import xml.etree.ElementTree as ET

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proteofold.science.domains import DomainThresholds
from proteofold.store import open_store
from website.drawing import plots
from website.drawing.plots import Scale
from website.pages.run_figures import FigureCache, proteome

POSITIVE = st.floats(1e-6, 1e9)


@given(st.lists(POSITIVE, min_size=1, max_size=20))
@example([0.006])  # seven multiples of 0.0001, the first and the last of them at the ends
def test_values_and_ticks_lie_within_a_scale(values):
    scale = Scale.of(numpy.array(values))
    assert all(0 <= place <= 1 for place in scale.place(numpy.array(values)))
    ticks = scale.ticks()
    assert len(ticks) <= 6
    assert all(-1e-9 <= scale.place(tick) <= 1 + 1e-9 for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_scales_are_logarithmic_where_values_differ_widely():
    assert Scale.of(numpy.array([30.0, 34350.0])).logarithmic
    assert not Scale.of(numpy.array([30.0, 40.0])).logarithmic
    assert Scale.of(numpy.array([30.0, 34350.0])).ticks() == [100, 1000, 10000]


@pytest.mark.parametrize("count", [1, plots.MOST_POINTS, plots.MOST_POINTS + 1, 50_000])
def test_a_cloud_of_any_size_is_small_and_well_formed(count):
    x, y = numpy.geomspace(30, 34350, count), numpy.geomspace(5, 5000, count)
    svg = plots.cloud('a <b> "c"', "use", x, y, (Scale.of(x), Scale.of(y)), "{}".format, "<x>", "&y")
    tree = ET.fromstring(svg)
    assert tree.get("role") == "img" and tree.get("aria-label") == 'a <b> "c"'
    assert len(tree.findall("circle")) == (count if count <= plots.MOST_POINTS else 0)
    assert len(svg) < 100_000


def test_every_point_is_in_a_cell():
    x, y = numpy.repeat([30.0, 400.0, 34350.0], 500), numpy.repeat([5.0, 50.0, 5000.0], 500)
    svg = plots.cloud("", "use", x, y, (Scale.of(x), Scale.of(y)), str, "", "")
    assert len(re.findall(r"M\d+ \d+h1v1h-1z", svg)) == 3


def test_bars_stand_on_the_base_line_and_none_is_invisible():
    svg = plots.histogram("", [("a", 10_000, ""), ("b", 0, ""), ("c", 1, "")], [], 0.5, "", "")
    bars = [bar.attrib for bar in ET.fromstring(svg).findall("rect")]
    assert [bar["class"] for bar in bars] == ["a", "c"]
    assert all(float(bar["y"]) + float(bar["height"]) == pytest.approx(plots.HEIGHT, abs=0.1) for bar in bars)
    assert float(bars[1]["height"]) >= 2


# --- Of a run ---------------------------------------------------------------------------------------

ONE = (1e-20, 150.0, 3.5, 400.0, 120)
DOMAIN = (0.5, 1, "partly")


def figures(rows):
    return proteome([(*row, *DOMAIN) for row in rows], DomainThresholds()).figures


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([], []),
        ([ONE], ["evalues", "scores", "cpu", "memory"]),
        ([(None, None, 3.5, 400.0, 120)], ["cpu", "memory"]),
        ([(None, None, None, None, 120)], []),
        ([(0.0, 1e4, 0.0, 1.0, 34350)], ["evalues", "scores", "memory"]),
        ([(1e300, -3.0, 1.0, 1.0, 1)], ["evalues", "cpu", "memory"]),
    ],
)
def test_what_is_known_is_drawn(rows, names):
    drawn = figures(rows)
    assert [figure.name for figure in drawn] == names
    for figure in drawn:
        assert all(ET.fromstring(panel.svg).get("aria-label") for panel in figure.panels)
        assert figure.rows and all(len(row) == len(figure.head) for row in figure.rows)


def test_bars_of_evalues_count_each_protein_once():
    values = [0.0, 1e-300, 1e-20, 9.9e-4, 1.1e-3, 0.5, 70.0]
    (figure,) = (figure for figure in figures([(value, *ONE[1:]) for value in values]) if figure.name == "evalues")
    assert sum(int(count) for _, count in figure.rows) == len(values)
    assert "4 of them with E < 0.001" in figure.words


def test_each_protein_is_in_one_bar_of_coverage_and_of_domains():
    verdicts = [(0.0, 0, "dark"), (1e-9, 1, "partly"), (0.1, 1, "partly"), (0.7, 2, "covered"), (1.0, 14, "covered")]
    found = proteome([(*ONE, *verdict) for verdict in verdicts] + [(*ONE, None, None, None)], DomainThresholds())
    coverage, domains = found.coverage
    assert [count for _, count in coverage.rows] == ["1", "2", "0", "0", "0", "0", "0", "1", "0", "0", "1"]
    assert domains.rows[0] == ("0", "1") and domains.rows[1] == ("1", "2") and domains.rows[-1] == ("10 or more", "1")
    assert (found.residues, found.residues_in_domains, found.domains) == (600, 216, 18)
    assert 'class="dark"' in coverage.panels[0].svg and 'class="partly"' in coverage.panels[0].svg


def test_a_bar_of_as_many_proteins_of_two_classes_has_the_colour_of_the_better_one():
    verdicts = [(0.75, 1, "partly"), (0.75, 1, "covered")]
    for rows in (verdicts, verdicts[::-1]):
        found = proteome([(*ONE, *verdict) for verdict in rows], DomainThresholds())
        assert re.findall('<rect class="([a-z]+)"', found.coverage[0].panels[0].svg) == ["covered"]


def test_a_run_whose_coverage_is_not_known_has_no_figures_of_it():
    found = proteome([(*ONE, None, None, None)], DomainThresholds())
    assert found.coverage == [] and found.residues == 0 and found.figures


def test_neighbouring_cells_of_a_cloud_are_drawn_as_one():
    x, y = numpy.repeat([100.0, 101.0, 300.0], 200), numpy.repeat([5.0, 5.0, 5000.0], 200)
    svg = plots.cloud("", "use", x, y, (Scale(0, 480, False), Scale(0, 6000, False)), str, "", "")
    assert len(re.findall(r"M\d+ \d+h1v1h-1z", svg)) == 2
    x = numpy.repeat([100.0, 110.0, 300.0], 200)
    svg = plots.cloud("", "use", x, y, (Scale(0, 480, False), Scale(0, 6000, False)), str, "", "")
    assert re.findall(r"M\d+ \d+h(\d)v1h-\1z", svg) == ["1", "2"]


def test_tables_of_lengths_report_median_and_highest():
    rows = [(1e-20, 10.0, cpu, 5.0, length) for cpu, length in ((1.0, 50), (3.0, 60), (8.0, 70), (9.0, 40_000))]
    (figure,) = (figure for figure in figures(rows) if figure.name == "cpu")
    assert figure.rows == [("below 100", "3", "3.0 s", "8.0 s"), ("6,400 and more", "1", "9.0 s", "9.0 s")]


def test_figures_are_drawn_again_when_the_run_has_changed(tmp_path):
    drawn, conn = [], open_store(tmp_path / "store.db")
    cache = FigureCache(most=2)
    run = dict.fromkeys(("date_resumed", "date_finished", "duration_s", "settings"), None)
    run |= {"run_id": "a", "status": "SUCCESS", "total": 1000, "succeeded": 500, "failed": 0, "shared": 0}
    for change in ({}, {}, {"succeeded": 501}, {"status": "RUNNING"}, {"status": "RUNNING", "succeeded": 509}):
        cache.of(conn, [run | change], lambda: drawn.append(1))
    # the last is in the same percent of a run that is running
    assert len(drawn) == 3
    cache.of(conn, [run], lambda: drawn.append(1))
    assert len(drawn) == 4, "of the oldest nothing is kept"
    conn.execute("update next_result set result_id = result_id + 1")
    cache.of(conn, [run], lambda: drawn.append(1))
    assert len(drawn) == 5, "the run was imported again"


def test_the_first_results_of_a_large_run_are_drawn_at_once(tmp_path):
    drawn, conn, cache = [], open_store(tmp_path / "store.db"), FigureCache()
    run = dict.fromkeys(("date_resumed", "date_finished", "duration_s", "settings"), None)
    run |= {"run_id": "a", "status": "RUNNING", "total": 40_000, "failed": 0, "shared": 0}
    for succeeded in (0, 1, 2, 3, 4, 100):
        cache.of(conn, [run | {"succeeded": succeeded}], lambda: drawn.append(1))
    assert len(drawn) == 5, "all but the third, though all are below a percent"
