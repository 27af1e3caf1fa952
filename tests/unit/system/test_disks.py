"""What is reported when a disk takes no more."""

import errno

import pytest

from proteofold.system import disks
from proteofold.system.errors import UserError
from proteofold.system.files import write_aside


@pytest.mark.parametrize("error", [UserError("query.hhr is cut short"), OSError(errno.ENOSPC, "No space left")])
def test_full_disk_is_the_reason_of_a_program_that_failed_on_it(monkeypatch, tmp_path, error):
    monkeypatch.setattr(disks, "disk_problem", lambda folder: disks.DiskError(f"{folder} is full"))
    with pytest.raises(disks.DiskError, match=f"^{tmp_path} is full$"), disks.blaming_full_disk(tmp_path):
        raise error


def test_disk_with_room_is_not_blamed(tmp_path):
    with pytest.raises(UserError, match="^damaged$"), disks.blaming_full_disk(tmp_path):
        raise UserError("damaged")


def test_file_that_cannot_take_its_place_is_reported_by_that_place(tmp_path):
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(OSError) as caught:
        write_aside(tmp_path / "table.csv", "a,b\n")
    assert disks.describe(caught.value) == f"{tmp_path / 'table.csv'}: Is a directory."


def test_output_that_a_full_disk_does_not_take_is_reported_without_a_name():
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as full:
        full.write("x")
        full.flush()
    assert disks.describe(caught.value).startswith("the output cannot be written to disk: No space left on device.")
