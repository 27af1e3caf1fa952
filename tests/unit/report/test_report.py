"""The report's pages and plots, drawn from small run folders that are written as the workflow writes them."""

import base64
import csv
import gzip
import hashlib
import html
import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.formats.fasta import protein_stem
from proteofold.formats.hhr import Hit
from proteofold.formats.hits_csv import hits_csv_gz, hits_csv_gz_header
from proteofold.report import draw as report
from proteofold.report import one_file
from proteofold.report import pages as report_pages
from proteofold.report.data import read_report_data
from proteofold.run.failures import FAILURE_COLUMNS
from proteofold.run.layout import RunFolder
from proteofold.run.manifest import Member, Run, write_run
from proteofold.run.proteome import Proteome
from proteofold.run.verdicts import DOMAIN_TABLE_COLUMNS, VERDICT_COLUMNS, judged
from proteofold.science.summary import SUMMARY_COLUMNS, format_summary, summarise
from proteofold.system.errors import UserError
from proteofold.system.process import Usage, format_usage
from proteofold.system.words import duration

CAPTIONS = Path(__file__).parents[3] / "workflow" / "report"

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img/src=x/onerror=alert(1)>",
    "a\"b'c,d",
    "蛋白质|é&amp;",
    "x\u2028y",
]

SETTINGS = {
    "run": "small",
    "search": "few.lean.01234567",
    "predictions": "demo-89abcdef",
    "depends_on": {"predictions": {"weights": "ab" * 32}, "search": {}},
    "mode": "lean",
    "keep": [],
    "library": {"prefix": "resources/few/few", "templates": 283, "columns": 37049, "longest": 700, "key": "feed"},
    "library_source": None,
    "weights": "config/demo/s4pred",
    "device": "cpu",
    "versions": {"proteofold": "0.1.0", "hhsuite": "3.3.0"},
}


def hit(template="1ABC_A", evalue=1e-20, score=150.0, start=1, end=50, rank=1):
    return Hit(rank, template, "a, b; c", 99.5, evalue, 1e-25, score, 9.7, 50, start, end, 3, 60, 120)


def noise(template="9NOI_A"):
    return hit(template, evalue=0.3, score=20.0)._replace(probability=12.0)


@pytest.fixture
def run_folder(tmp_path):
    """Writes the files of a run: {query_id: (length, hits)} for what is done, {query_id: reason} for what failed."""

    def write(done=(), failed=(), missing=(), computed_in=None):
        folder, done, failed = RunFolder(tmp_path / "results" / "small"), dict(done), dict(failed)
        lengths = {query_id: length for query_id, (length, _) in done.items()}
        lengths |= dict.fromkeys([*failed, *missing], 100)
        run = Run(folder, {}, SETTINGS)
        for number, (name, length) in enumerate(lengths.items()):
            stem = protein_stem(name)
            run.members[stem] = Member(name, stem, length, "0" * 32, f"{stem}-{number:08x}", "0" * 16)
        write_run(run)
        rows = ",".join(SUMMARY_COLUMNS) + "\n"
        verdicts, domains, proteome = [], [], Proteome()
        packed = hits_csv_gz_header()
        for query_id, (_, found) in done.items():
            rows += format_summary(summarise(query_id, found), header=False)
            packed += hits_csv_gz(query_id, found)
            member = run.members[protein_stem(query_id)]
            verdicts.append(judged(run, member, found).verdict_row(query_id, member.length))
            domains += judged(run, member, found).domain_rows(query_id)
            proteome.add(member, judged(run, member, found))
            usage = run.search.usage(run.members[protein_stem(query_id)].entry)
            usage.parent.mkdir(parents=True, exist_ok=True)
            computed = (computed_in or {}).get(query_id, "small")
            usage.write_text(format_usage(Usage(2.0, 1.5, 300.0, "worker1", computed, "3.3.0")))
        (folder.path / "merge_results.csv").write_text(rows)
        (folder.path / "hits.csv.gz").write_bytes(packed)
        with open(folder.path / "verdicts.csv", "w", newline="") as handle:
            csv.writer(handle).writerows([VERDICT_COLUMNS, *verdicts])
        with open(folder.path / "domains.csv", "w", newline="") as handle:
            csv.writer(handle).writerows([DOMAIN_TABLE_COLUMNS, *domains])
        proteome.write(run)
        with open(folder.path / "failed.csv", "w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow(FAILURE_COLUMNS)
            table.writerows((name, "search", reason, "results/small/logs/x.log") for name, reason in failed.items())
        return folder.path

    return write


def drawn(folder):
    """All files of the report by name, each checked to be whole: the plots as XML, the pages to their last tag."""
    report.draw_report(folder)
    files = {file.name: (folder / "report" / file.name).read_text(encoding="utf-8") for file in report.REPORT_FILES}
    for name, text in files.items():
        if name.endswith(".svg"):
            assert ET.fromstring(text).tag.endswith("svg")
        else:
            assert text.endswith("</html>\n")
    return files


def page(name, folder):
    """One page of the report of a run; the plots, which take a second, are left out."""
    return getattr(report_pages, name)(read_report_data(folder))


def words(text):
    """The text of a page without its tags, style and scripts."""
    text = re.sub(r"(?s)<(style|script).*?</\1>", " ", text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def table_data(text):
    """What the script of a page reads."""
    ((kind, data),) = re.findall(r'<script type="application/(json|gzip)" id="data">(.*?)</script>', text)
    return json.loads(gzip.decompress(base64.b64decode(data)) if kind == "gzip" else data)


def digest(text):
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def test_counts_of_the_overview_add_up(run_folder):
    done = {"good": (50, [hit()]), "part": (100, [hit()]), "weak": (80, [noise()]), "none": (60, [])}
    shown = words(page("overview", run_folder(done, {"bad": "killed"})))
    assert "5 proteins = 1 + 1 + 2 + 1" in shown
    assert "1 covered by known structures" in shown
    assert "1 partly covered" in shown
    assert "2 dark: no known structure" in shown
    assert "1 failed" in shown


def test_proteome_page_has_classes_templates_and_the_dark_proteins(run_folder):
    found = {
        "covered": (100, [hit("1ABC_A", start=1, end=80), hit("2XYZ_B", rank=2, start=81, end=100, score=90.0)]),
        "partly": (200, [hit("1ABC_A")]),
        "dark": (80, [noise()]),
    }
    text = page("proteome", run_folder(found))
    shown = words(text)
    assert "1 covered: at least 70% of the residues are in domains (100 residues)" in shown
    assert "1 partly covered: fewer are (200 residues)" in shown and "1 dark: no domain (80 residues)" in shown
    assert "Residues in domains 150 (39.5%)" in shown
    assert re.search(r'<a href="https://www.rcsb.org/structure/1ABC"[^>]*>1ABC_A</a>', text)
    (row,) = table_data(text)["rows"]
    assert row[:2] == ["dark", 80]
    assert row[-1] == "No significant template (best E-value 0.3): the listed hits are probably noise."


def test_proteome_page_without_dark_proteins_has_no_list_of_them(run_folder):
    text = page("proteome", run_folder({"covered": (50, [hit()])}))
    assert "Every protein has a domain." in words(text) and "<script" not in text


def test_verdict_of_each_protein_is_in_the_table_of_best_hits(run_folder):
    rows = table_data(page("best_hits", run_folder({"P1": (50, [hit()])})))["rows"]
    assert rows[0][-1] == "One confident domain (1–50: 1ABC_A) covers 100% of the protein."


def test_proteins_in_neither_table_are_counted_too(run_folder):
    data = read_report_data(run_folder({"good": (100, [hit()])}, missing=["added"]))
    assert data.unmerged == 1
    shown = words(page("overview", data.folder))
    assert "2 proteins = 0 + 1 + 0 + 0 + 1" in shown
    assert f"Files in {data.folder.parent.name}/{data.folder.name}" in shown and str(data.folder) not in shown


def test_overview_reports_settings_versions_and_cpu_time(run_folder):
    shown = words(page("overview", run_folder({"good": (100, [hit()])})))
    for expected in ("lean", "few: 283 templates", "config/demo/s4pred", "3.3.0", "CPU time in all 1.5 s", "worker1"):
        assert expected in shown


def test_one_file_has_every_protein_once_with_its_class(run_folder):
    done = {
        "covered": (50, [hit()]),
        "partly": (200, [hit()]),
        "dark": (80, [noise()]),
        "none": (60, []),
    }
    text = one_file.report(read_report_data(run_folder(done, {"bad": "out of memory"}, missing=["added"])))
    rows = {row[0]: row for row in table_data(text)["rows"]}
    assert {name: row[3] for name, row in rows.items()} == {
        **{"covered": "covered", "partly": "partly", "dark": "dark", "none": "dark"},
        **{"bad": "failed", "added": "not merged"},
    }
    assert rows["covered"][6:8] == ["1ABC_A", "a, b; c"]
    assert rows["dark"][6] == "", "noise is not shown as a template"
    assert rows["bad"][10] == "search: out of memory"


def test_bars_of_the_one_file_hold_each_finished_protein_once(run_folder):
    done = {f"p{number}": (100, [hit(end=number)] if number else []) for number in (0, 25, 50, 70, 95, 100)}
    text = one_file.report(read_report_data(run_folder(done)))
    for title in ("Coverage", "Domains"):
        counts = re.findall(rf"<title>{title}: [^<]*: (\d+) proteins</title>", text)
        assert sum(map(int, counts)) == len(done)


def test_coverage_is_in_whole_per_cent_and_that_of_a_small_domain_is_not_none(run_folder):
    done = {"small": (4000, [hit(end=30)]), "exact": (100, [hit(end=29)]), "none": (100, [])}
    folder = run_folder(done)
    rows = {row[0]: row for row in table_data(one_file.report(read_report_data(folder)))["rows"]}
    assert [(rows[name][4], rows[name][5]) for name in done] == [(1, 1), (1, 29), (0, 0)]
    best = {row[0]: row for row in table_data(page("best_hits", folder))["rows"]}
    assert best["exact"][7] == 29


def test_the_bar_of_the_smallest_evalues_names_its_limit(run_folder):
    done = {"zero": (100, [hit(evalue=0.0)]), "small": (100, [hit(evalue=5e-9)])}
    text = one_file.report(read_report_data(run_folder(done)))
    ((limit, words),) = re.findall(r'data-below="([^"]+)" data-words="E-value: below ([^"]+)"', text)
    assert float(words) == pytest.approx(float(limit), rel=0.05)


def test_large_tables_are_packed(run_folder):
    text = one_file.report(read_report_data(run_folder({f"p{number}": (100, [hit()]) for number in range(1200)})))
    assert 'type="application/gzip"' in text and len(text) < 200_000
    assert len(table_data(text)["rows"]) == 1200


def test_top_templates_have_their_descriptions(run_folder):
    assert "1ABC_A a, b; c" in words(page("proteome", run_folder({"P1": (50, [hit()])})))


def test_results_that_other_runs_computed_are_counted_and_their_cpu_time_is_not(run_folder):
    done = {name: (100, [hit()]) for name in "abc"}
    data = read_report_data(run_folder(done, computed_in={"b": "another", "c": "a third"}))
    assert (data.shared, [job.cpu_s for job in data.jobs["search_templates"]]) == (2, [1.5])
    shown = words(report_pages.overview(data))
    assert "3 proteins = 0 + 3 + 0 + 0" in shown and "CPU time in all 1.5 s" in shown


def test_usage_that_was_lost_or_damaged_is_left_out(run_folder):
    folder = run_folder({name: (100, [hit()]) for name in "abc"})
    usages = sorted((folder.parent / "shared").rglob("usage/*/*.tsv"))
    usages[0].unlink()
    usages[1].write_text("x")
    assert len(read_report_data(folder).jobs["search_templates"]) == 1


def test_the_best_hit_of_a_dark_protein_is_not_shown(run_folder):
    done = {"dark": (80, [noise()]), "short": (80, [hit("1SHO_A", evalue=1e-9)._replace(aligned_columns=12)])}
    text = page("best_hits", run_folder(done))
    rows = {row[0]: row for row in table_data(text)["rows"]}
    for query_id, evalue in (("dark", 0.3), ("short", 1e-9)):
        assert rows[query_id][2:8] == ["", evalue, None, None, 0, 0]
    assert "9NOI" not in text and "1SHO" not in text


def test_evalues_are_coloured_by_the_limit_of_the_run(run_folder):
    data = read_report_data(run_folder({"P1": (100, [hit(evalue=1e-4)]), "P2": (100, [hit(evalue=1e-2)])}))
    assert data.max_evalue == 1e-3
    assert re.findall(
        'class="(good|none)" x="[^"]*" y="[^"]*" width="[^"]*" height="160.0"', one_file.report(data)
    ) == [
        "good",
        "none",
    ]
    assert "below 0.001 it is significant" in one_file.report(data)


def test_probability_is_that_of_the_best_hit(run_folder):
    best = hit("1BEST_A", score=200.0)._replace(probability=87.6)
    other = hit("1AAA_A")._replace(probability=12.3)
    (result,) = read_report_data(run_folder({"good": (100, [other, best])})).results
    assert (result.best_hit, result.probability) == ("1BEST_A", 87.6)


def test_hits_are_distinguished_where_ids_begin_alike_or_hold_commas_and_quotes(run_folder):
    names = ["a", "a,b", 'a"b', "ab", "a,b,c"]
    done = {name: (100, [hit(f't,"{place}')._replace(probability=90.0 + place)]) for place, name in enumerate(names)}
    results = read_report_data(run_folder(done)).results
    assert [result.query_id for result in results] == names
    assert [result.probability for result in results] == [90.0, 91.0, 92.0, 93.0, 94.0]


def test_best_hits_are_sorted_by_evalue_and_link_to_uniprot_and_rcsb(run_folder):
    done = {
        "tr|A0A087WV00|A0A087WV00_HUMAN": (100, [hit("2XYZ_B", evalue=1e-9)]),
        "sp|P69905-2|HBA_HUMAN": (100, [hit("1ABC_A", evalue=1e-30)]),
        "my_protein": (100, [hit("af2_model", evalue=2e-4)]),
        "nothing": (100, []),
    }
    text = page("best_hits", run_folder(done))
    assert [row[0] for row in table_data(text)["rows"]] == [
        "sp|P69905-2|HBA_HUMAN",
        "tr|A0A087WV00|A0A087WV00_HUMAN",
        "my_protein",
        "nothing",
    ]
    assert re.findall(r'href="([^"]+)"', text) == [
        "https://www.uniprot.org/uniprotkb/P69905",
        "https://www.rcsb.org/structure/1ABC",
        "https://www.uniprot.org/uniprotkb/A0A087WV00",
        "https://www.rcsb.org/structure/2XYZ",
    ]


def test_first_hundred_rows_are_there_without_javascript(run_folder):
    text = page("best_hits", run_folder({f"protein{number}": (100, [hit()]) for number in range(101)}))
    assert len(re.findall("<tr><td", text)) == 100
    assert len(table_data(text)["rows"]) == 101


def test_hostile_ids_reasons_and_templates_stay_text(run_folder):
    done = {name: (100, [hit(template=name)]) for name in HOSTILE}
    folder = run_folder(done, {f"{name}2": name for name in HOSTILE})
    for name in ("best_hits", "failed"):
        text = page(name, folder)
        assert len(re.findall("<script", text)) == 2  # the data and the page's own
        assert "<img" not in text
        assert all(html.escape(hostile) in text.replace("<wbr>", "") for hostile in HOSTILE)
        column = {"best_hits": 0, "failed": 2}[name]
        assert sorted(row[column] for row in table_data(text)["rows"]) == sorted(HOSTILE)


def test_pages_load_nothing_and_run_no_script_but_their_own(run_folder):
    text = one_file.report(read_report_data(run_folder({"a": (100, [hit()])})))
    (policy,) = re.findall('Content-Security-Policy" content="([^"]+)"', text)
    script = re.findall("(?s)<script>(.*?)</script>", text)[-1]
    (style,) = re.findall("(?s)<style>(.*?)</style>", text)
    assert policy == f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'"
    assert "style=" not in text
    assert not re.search(r"<link|\ssrc=|url\(|@import", text)


def test_failed_page_reports_step_reason_and_log(run_folder):
    shown = words(page("failed", run_folder({"good": (100, [hit()])}, {"bad": "out of memory"})))
    assert "1 protein of 2 has no result" in shown
    assert "bad search out of memory results/small/logs/x.log" in shown


def test_run_without_failures_is_shown_as_such(run_folder):
    assert "No protein failed: 1 protein finished." in words(page("failed", run_folder({"a": (9, [hit()])})))


def test_run_in_which_all_failed_has_a_report(run_folder):
    files = drawn(run_folder(failed={"a": "killed", "b": "killed"}))
    assert "2 proteins = 0 + 0 + 0 + 2" in words(files["overview.html"])
    assert "No protein of this run is finished" in words(files["best_hits.html"])


def test_run_without_any_hit_has_a_report(run_folder):
    files = drawn(run_folder({"a": (100, []), "b": (100, [])}))
    assert "2 proteins = 0 + 0 + 2 + 0" in words(files["overview.html"])
    assert table_data(files["best_hits.html"])["rows"][0] == [
        "a",
        100,
        "",
        None,
        None,
        None,
        0,
        0,
        "No template was found.",
    ]


@pytest.mark.parametrize("evalue", [0.0, 1e-300, 1e-5, 50.0])
def test_run_of_one_protein_has_a_report_at_any_evalue(run_folder, evalue):
    files = drawn(run_folder({"a": (100, [hit(evalue=evalue)])}))
    assert "1 protein = " in words(files["overview.html"])


def test_large_runs_are_drawn_as_densities(run_folder):
    done = {
        f"p{number}": (30 + number, [hit(evalue=10.0 ** -(number % 90), score=10.0 + number)]) for number in range(3200)
    }
    files = drawn(run_folder(done))
    assert max(len(files[name]) for name in files if name.endswith(".svg")) < 1_000_000


def test_same_results_give_the_same_bytes(run_folder):
    folder = run_folder({"a": (100, [hit()]), "b": (50, [])})
    assert drawn(folder) == drawn(folder)


def test_unmerged_run_is_an_error_with_its_remedy(run_folder):
    folder = run_folder({"a": (100, [hit()])})
    (folder / "merge_results.csv").unlink()
    with pytest.raises(UserError, match="proteofold merge"):
        report.draw_report(folder)
    outcome = CliRunner().invoke(cli, ["report", str(folder)])
    assert outcome.exit_code == 1 and "proteofold merge" in outcome.output


@pytest.mark.parametrize("name", ["failed.html", "evalues.svg"])
def test_cut_file_of_the_report_is_noticed(run_folder, name):
    folder = run_folder({"a": (100, [hit()])})
    assert report.cut_files(folder) == []
    drawn(folder)
    assert report.cut_files(folder) == []
    path = folder / "report" / name
    for kept in (path.stat().st_size // 2, 3, 0):
        os.truncate(path, kept)
        assert [cut for cut, _ in report.cut_files(folder)] == [name]


def test_each_file_of_the_report_has_a_caption_and_no_caption_is_left_over():
    captions = {path.name for path in CAPTIONS.glob("*.rst")} - {"workflow.rst"}
    assert captions == {file.caption for file in report.REPORT_FILES}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (18_420, "5 h 7 min"), (1_050_000, "12 d 3 h")],
)
def test_durations_are_in_units_that_matter(seconds, shown):
    assert duration(seconds) == shown
