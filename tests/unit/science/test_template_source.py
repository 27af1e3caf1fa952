"""A user's templates: which files make a template, and which are refused with a reason."""

import gzip

import pytest

from proteofold.formats.psipred import Prediction
from proteofold.science.template_source import read_templates, source_key
from proteofold.system.errors import UserError


@pytest.fixture
def templates_of(tmp_path):
    """Function that writes files into a folder and reads the templates of it."""

    def read(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_templates(tmp_path)

    return read


def test_a3m_is_one_template_and_fasta_one_a_record(templates_of):
    found = templates_of(
        x__a3m=">1ABC_A Kinase {Homo}\nMKVL\n>b\nM-VaL\n",
        y__fasta=">T2 two\nMKV\n>sp|P69905|HBA\nMKVLAA\n",
    )
    assert [(template.id, template.name, template.columns) for template in found] == [
        ("1ABC_A", "1ABC_A", 4),
        ("sp|P69905|HBA", "P69905", 6),
        ("T2", "T2", 3),
    ]
    assert found[0].a3m == ">1ABC_A Kinase {Homo}\nMKVL\n>b\nM-VaL\n"


@pytest.mark.parametrize("name", ["a__fa", "a__faa", "a__fas", "a__FASTA", "a__fasta__gz", "a__a3m__gz"])
def test_endings_of_fasta_and_gzip_serve(templates_of, name):
    content = b">T1\r\nMK\r\nV*\r\n"
    (template,) = templates_of(**{name: gzip.compress(content) if name.endswith("gz") else content})
    assert (template.id, template.a3m) == ("T1", ">T1\nMKV\n")


def test_annotation_is_kept_and_does_not_name_the_template(templates_of):
    text = ">ss_pred PSIPRED\nCHE\n>ss_conf\n999\n>Consensus_consensus\nmKV\n>1ABC_A n\nMKV\n"
    (template,) = templates_of(x__a3m=text.replace("mKV", "MKV"))
    assert (template.id, template.columns) == ("1ABC_A", 3)
    assert ">ss_conf\n999\n" in template.a3m


def test_comment_line_of_an_a3m_is_left_out(templates_of):
    (template,) = templates_of(x__a3m="#101\t1\n>1ABC_A\nMKV\n")
    assert template.a3m == ">1ABC_A\nMKV\n"


def test_lower_case_residues_of_a_fasta_template_are_kept(templates_of):
    (template,) = templates_of(x__fasta=">T1\nMKvlaaGIV\n")
    assert (template.columns, template.a3m) == (9, ">T1\nMKVLAAGIV\n")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("x__fasta", "", "x.fasta: no record"),
        ("x__fasta", "MKV\n", "x.fasta, line 1: not FASTA"),
        ("x__a3m", ">ss_pred\nCCC\n", "x.a3m, line 1: no template sequence"),
        ("x__fasta", ">T1\nM\n", "x.fasta, line 1: no template sequence"),
        ("x__fasta", ">ss_T1\nMKV\n", "HH-suite takes 'ss_T1' for annotation"),
        ("x__a3m", ">T1\nMKV\n>T2\nMK\n", "x.a3m, line 3: T2 has 2 match columns"),
        ("x__fasta", ">T0\nMK\n>T1\nM-KV\n", "x.fasta, line 3: T1 holds '-'"),
        ("x__fasta", ">T0\nMK\n>@T1\nMKV\n", "x.fasta, line 3: @T1"),
        ("x__a3m", ">\u00e9T1\nMKV\n", "x.a3m, line 1: \u00e9T1"),
        ("x__a3m", ">T1\nMK1\n", "x.a3m, line 1: T1 holds '1'"),
        ("x__a3m", ">T1\nMKV\n>h\nM*V\n", "x.a3m, line 3: h holds '*'"),
        ("x__a3m__gz", gzip.compress(b">T1\nMKV\n" * 900)[:40], "x.a3m.gz"),
    ],
)
def test_file_that_is_no_template_is_reported(templates_of, name, content, what):
    with pytest.raises(UserError) as caught:
        templates_of(**{name: content})
    assert what in str(caught.value)


def test_every_bad_file_is_reported_at_once(templates_of):
    with pytest.raises(UserError) as caught:
        templates_of(a__fasta="", b__a3m="x", c__fasta=">T1\nMKV\n", d__fasta=">T1\nMKV\n")
    problems = str(caught.value).splitlines()
    assert len(problems) == 3
    assert "d.fasta" in problems[2] and "a second template T1" in problems[2]


def test_names_that_differ_only_late_keep_apart(templates_of):
    found = templates_of(x__fasta="".join(f">{'long_template_name_' * 3}{number}\nMKV\n" for number in range(3)))
    assert len({template.name for template in found}) == 3
    assert all(len(template.name) <= 31 for template in found)  # of which HH-suite's indexes have room for no more


def test_folder_without_templates_is_reported(tmp_path):
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(UserError, match=r"holds no \.a3m, \.fasta.*It holds readme.txt"):
        read_templates(tmp_path)
    for path in (tmp_path / "none", tmp_path / "readme.txt"):
        with pytest.raises(UserError, match="is no folder"):
            read_templates(path)


def test_folder_with_the_name_of_a_fasta_file_is_reported(tmp_path):
    (tmp_path / "x.fasta").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        read_templates(tmp_path)


def test_key_changes_with_the_text_and_not_with_the_files(tmp_path):
    keys = []
    for number, (name, text) in enumerate([("x.fa", "MKV"), ("y.fa.gz", "MKV"), ("x.fa", "MKL")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        content = f">T1\n{text}\n".encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        keys.append(source_key(read_templates(folder)))
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("sequence", "states", "digits"),
    [
        ("MKVL", "HEC.", "012."),
        ("M-KVL", "H-EC.", "0-12."),
        ("MkV.L", "HC.", "02."),  # an insertion is predicted with the others and has no column
    ],
)
def test_prediction_is_written_for_each_column(tmp_path, sequence, states, digits):
    (tmp_path / "t.a3m").write_text(f">t one\n{sequence}\n>h\n{sequence}\n")
    (template,) = read_templates(tmp_path)
    assert (template.residues, template.annotated) == ("MKVL", False)
    found = template.with_prediction(Prediction("MKVL", "HEC.", "012."))
    assert found.annotated
    assert found.a3m == f">ss_pred\n{states}\n>ss_conf\n{digits}\n{template.a3m}"


def test_template_with_secondary_structure_of_its_own_is_known(tmp_path):
    (tmp_path / "t.a3m").write_text(">ss_dssp\nHHH\n>t\nMKV\n")
    (template,) = read_templates(tmp_path)
    assert template.annotated and template.sequence == "MKV"
