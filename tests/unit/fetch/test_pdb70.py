"""A release of PDB70 comes into use when it is whole and agrees with itself, and not before."""

import hashlib
import os
import re
import tarfile
from types import SimpleNamespace

import pytest
from fetch_server import QUICK, breaks_after, library_content, says, tar_gz, with_member

from proteofold.fetch.pdb70 import fetch_pdb70
from proteofold.fetch.sources import Source
from proteofold.run.config import template_choice
from proteofold.science.hhsuite import read_library
from proteofold.system.errors import UserError

ADDRESS = "/dbs/pdb70_from_mmcif_220313.tar.gz"
SLIM = ("hhm", "cs219")


@pytest.fixture
def content(tmp_path, make_library):
    """Names and contents of the archive's files."""
    return library_content(make_library(tmp_path / "made" / "x", {"1ABC_A": 1000, "2DEF_B": 30}))


@pytest.fixture
def fetch(server, said, tmp_path):
    """Function that fetches what the server has at an address into resources/templates."""
    folder = tmp_path / "resources" / "templates"

    def run(path=ADDRESS, checksum=None, **options):
        return fetch_pdb70(Source(server.url(path), checksum), said, folder=folder, patience=QUICK, **options)

    run.folder = folder
    return run


def test_release_is_fetched_and_used(fetch, server, content, monkeypatch):
    server.files[ADDRESS] = packed = tar_gz(content)
    record = fetch(checksum=f"md5:{hashlib.md5(packed).hexdigest()}")
    assert (record["fetched"], record["templates"], record["listed_checksums"]) == (True, 2, 6)
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-220313"
    assert sorted(os.listdir(fetch.folder)) == ["pdb70", "pdb70-220313"]
    for name in os.listdir(fetch.folder / "pdb70"):
        if name != "fetched.json":
            assert (fetch.folder / "pdb70" / name).read_bytes() == content[name]
    monkeypatch.chdir(fetch.folder.parents[1])
    choice = template_choice({"templates": "pdb70", "search": {"mode": "reference"}})
    assert choice.library.prefix == "resources/templates/pdb70-220313/pdb70"
    assert choice.library.templates == 2


def test_second_time_changes_nothing(fetch, server, content):
    server.files[ADDRESS] = tar_gz(content)
    fetch()
    before = {path: path.stat().st_mtime_ns for path in fetch.folder.rglob("*")}
    inode, server.asked = os.lstat(fetch.folder / "pdb70").st_ino, []
    assert not fetch()["fetched"]
    assert {path: path.stat().st_mtime_ns for path in fetch.folder.rglob("*")} == before
    assert os.lstat(fetch.folder / "pdb70").st_ino == inode
    assert server.asked == []


def test_slim_library_serves_all_modes_but_reference(fetch, server, content, monkeypatch):
    server.files[ADDRESS] = tar_gz(content)
    record = fetch(parts=SLIM)
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-220313-hhm-cs219"
    assert set(record["bytes"]) == {"md5sum", *(name for name in content if "_hhm" in name or "_cs219" in name)}
    monkeypatch.chdir(fetch.folder.parents[1])
    for mode in ("lean", "fast", "hybrid"):
        assert template_choice({"templates": "pdb70", "search": {"mode": mode}}).library.templates == 2
    with pytest.raises(UserError, match="missing .*_a3m.ffdata"):
        template_choice({"templates": "pdb70", "search": {"mode": "reference"}})


def test_slim_and_full_library_are_one_to_results(fetch, server, content):
    server.files[ADDRESS] = tar_gz(content)
    assert fetch(parts=SLIM)["key"] == fetch()["key"]
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-220313"
    fetch(parts=SLIM)
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-220313-hhm-cs219"


def test_newer_release_goes_beside_the_old_one(fetch, server, content, tmp_path, make_library):
    server.files[ADDRESS] = tar_gz(content)
    fetch()
    new = library_content(make_library(tmp_path / "new" / "x", {"1ABC_A": 10, "2DEF_B": 30, "3GHI_C": 5}))
    server.files["/dbs/pdb70_from_mmcif_2026-02-20.tar.gz"] = tar_gz(new)
    assert fetch("/dbs/pdb70_from_mmcif_2026-02-20.tar.gz")["templates"] == 3
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-2026-02-20"
    assert read_library(fetch.folder / "pdb70-220313" / "pdb70").templates == 2


def test_old_release_stays_in_use_until_the_new_one_is_whole(fetch, server, content):
    server.files[ADDRESS] = tar_gz(content)
    fetch()
    server.files["/pdb70_230101.tar.gz"] = tar_gz(content, level=0)
    server.faults = [breaks_after(0), breaks_after(3000), *[breaks_after(0)] * 3]
    with pytest.raises(UserError, match="rerun the same command to resume"):
        fetch("/pdb70_230101.tar.gz")
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-220313"
    fetch("/pdb70_230101.tar.gz")
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-230101"


def test_killed_between_whole_and_switched_only_switches(fetch, server, content):
    server.files[ADDRESS] = tar_gz(content)
    fetch()
    (fetch.folder / "pdb70").unlink()
    assert not fetch()["fetched"]
    assert os.readlink(fetch.folder / "pdb70") == "pdb70-220313"


def changed(content, **changes):
    return content | {name.replace("__", "."): value for name, value in changes.items()}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"pdb70_hhm__ffdata": b"\1" * 1032}, "pdb70_hhm.ffdata has the checksum .* the archive's list says"),
        ({"md5sum": b"", "pdb70_hhm__ffdata": b"\0" * 100}, "ends beyond its data file"),
        ({"md5sum": b"", "pdb70_a3m__ffindex": b"1ABC_A\t0\t1001\n"}, "1 templates are not in both _a3m and _hhm"),
        ({"md5sum": b"", "pdb70_cs219__ffindex": b""}, "pdb70_cs219.ffindex is empty"),
        ({"md5sum": b"", "pdb70_hhm__ffindex": b"rubbish"}, "is not name, offset, length"),
    ],
)
def test_archive_that_does_not_agree_with_itself_is_not_used(fetch, server, content, change, what):
    server.files[ADDRESS] = tar_gz(changed(content, **change))
    with pytest.raises(UserError, match=f"(?s){what}.*What was unpacked is removed"):
        fetch()
    assert not (fetch.folder / "pdb70").exists()
    assert [list(folder.iterdir()) for folder in fetch.folder.iterdir()] == [[]]
    server.files[ADDRESS], server.etag = tar_gz(content), '"two"'
    assert fetch()["fetched"]


def test_archive_with_an_index_out_of_order_is_not_used(fetch, server, content):
    lines = content["pdb70_hhm.ffindex"].splitlines(keepends=True)
    server.files[ADDRESS] = tar_gz(changed(content, md5sum=b"", pdb70_hhm__ffindex=b"".join(reversed(lines))))
    with pytest.raises(UserError, match=r"pdb70_hhm.ffindex, line 2: 1ABC_A (?s:.*)What was unpacked is removed"):
        fetch()
    assert not (fetch.folder / "pdb70").exists()


def test_archive_without_a_part_is_reported(fetch, server, content):
    del content["pdb70_cs219.ffdata"]
    server.files[ADDRESS] = tar_gz(content)
    with pytest.raises(UserError, match="missing .*pdb70_cs219.ffdata"):
        fetch()


def test_archive_of_another_library_is_reported(fetch, server, content):
    server.files[ADDRESS] = tar_gz({name.replace("pdb70", "pfam"): data for name, data in content.items()})
    with pytest.raises(UserError, match="another library: it has 'pfam_hhm.ffdata'"):
        fetch()


def test_archive_without_a_list_of_checksums_is_used_and_reported(fetch, server, content, said):
    del content["md5sum"]
    server.files[ADDRESS] = tar_gz(content)
    assert fetch()["listed_checksums"] == 0
    assert said.text().count("the archive lists no checksum of pdb70_") == 6


def test_links_of_old_releases_are_passed_over_and_others_refused(fetch, server, content):
    link = tarfile.TarInfo("pdb70_a3m_db")
    link.type, link.linkname = tarfile.SYMTYPE, "pdb70_a3m.ffdata"
    server.files[ADDRESS] = with_member(link, before=content)
    assert fetch()["fetched"]
    assert not os.path.lexists(fetch.folder / "pdb70" / "pdb70_a3m_db")
    for name, target in (("pdb70_a3m_db", "../../secret"), ("pdb70_hhm.ffdata", "pdb70_a3m.ffdata")):
        link.name, link.linkname = name, target
        server.files["/pdb70_23.tar.gz"], server.etag = with_member(link, before={}), f'"{name}"'
        with pytest.raises(UserError, match="a symbolic link"):
            fetch("/pdb70_23.tar.gz")


def test_folder_filled_manually_is_not_replaced(fetch, server, content, make_library):
    server.files[ADDRESS] = tar_gz(content)
    make_library(fetch.folder / "pdb70" / "pdb70", {"A": 1})
    with pytest.raises(UserError, match="is in the way and was not fetched: rename it"):
        fetch()
    assert server.asked == []


def test_too_small_a_disk_is_reported_before_the_download(fetch, server, content, monkeypatch):
    server.files[ADDRESS] = tar_gz(content)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"PDB70 \(a3m, hhm, cs219\) takes about .* GB on the disk .* another disk"):
        fetch()
    assert server.asked == [None]


def test_two_processes_do_not_fetch_into_one_folder(fetch, server, content):
    from proteofold.fetch import place

    server.files[ADDRESS] = tar_gz(content)
    with place.alone_in(fetch.folder / ".pdb70-220313.part"), pytest.raises(UserError, match="another process"):
        fetch()


def test_address_that_is_gone_is_reported(fetch, server):
    server.files[ADDRESS] = b""
    server.faults = [says(404)]
    with pytest.raises(UserError, match="answered 404"):
        fetch()
    assert not fetch.folder.exists()


@pytest.mark.parametrize(
    ("path", "modified", "name"),
    [
        ("/pdb70_from_mmcif_220313.tar.gz", None, "pdb70-220313"),
        ("/pdb70_from_mmcif_2026-02-20.tar.gz?x=1", None, "pdb70-2026-02-20"),
        ("/pdb70_from_mmcif_latest.tar.gz", "Sun, 13 Mar 2022 10:00:00 GMT", "pdb70-20220313"),
        ("/get", "rubbish", "pdb70-[0-9a-f]{8}"),
        ("/..%2F..%2Fetc22.tgz", None, "pdb70-etc22"),
    ],
)
def test_releases_are_named_by_file_or_date(fetch, server, content, path, modified, name):
    server.files[path], server.modified = tar_gz(content), modified
    assert re.fullmatch(name, os.path.basename(fetch(path)["folder"]))


def test_newer_file_of_an_address_without_a_date_is_fetched(fetch, server, content):
    server.files["/latest.tar.gz"] = tar_gz(content)
    fetch("/latest.tar.gz")
    assert not fetch("/latest.tar.gz")["fetched"]
    server.modified, server.etag = "Fri, 20 Feb 2026 10:00:00 GMT", '"two"'
    assert fetch("/latest.tar.gz")["fetched"]
    assert sorted(os.listdir(fetch.folder)) == ["pdb70", "pdb70-20220313", "pdb70-20260220"]


def test_remains_of_a_killed_process_do_not_come_into_the_release(fetch, server, content):
    server.files[ADDRESS] = tar_gz(content, level=0)
    server.faults = [breaks_after(0), breaks_after(3000), *[breaks_after(0)] * 3]
    with pytest.raises(UserError, match="rerun the same command to resume"):
        fetch()
    (fetch.folder / ".pdb70-220313.part" / "..checkpoint.json.123.part").write_text("{")
    record = fetch()
    assert set(os.listdir(record["folder"])) == {*record["bytes"], "fetched.json"}


def test_unfinished_fetch_of_another_release_is_reported(fetch, server, content, said):
    server.files[ADDRESS] = tar_gz(content, level=0)
    server.faults = [breaks_after(0), breaks_after(3000), *[breaks_after(0)] * 3]
    with pytest.raises(UserError):
        fetch()
    server.files["/pdb70_230101.tar.gz"], server.faults = tar_gz(content), []
    fetch("/pdb70_230101.tar.gz")
    assert ".pdb70-220313.part has 0.0 GB of a fetch that was not finished" in said.text()


def test_folder_that_may_not_be_made_is_reported(fetch, server, content):
    server.files[ADDRESS] = tar_gz(content)
    fetch.folder.parent.mkdir(parents=True)
    fetch.folder.write_text("a file")
    with pytest.raises(UserError, match="cannot be made"):
        fetch()
