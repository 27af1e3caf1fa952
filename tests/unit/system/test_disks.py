"""What is reported when a disk takes no more."""

import errno

import pytest

from proteofold.system import disks
from proteofold.system.errors import UserError


@pytest.mark.parametrize("error", [UserError("query.hhr is cut short"), OSError(errno.ENOSPC, "No space left")])
def test_full_disk_is_the_reason_of_a_program_that_failed_on_it(monkeypatch, tmp_path, error):
    monkeypatch.setattr(disks, "disk_problem", lambda folder: disks.DiskError(f"{folder} is full"))
    with pytest.raises(disks.DiskError, match=f"^{tmp_path} is full$"), disks.blaming_full_disk(tmp_path):
        raise error


def test_disk_with_room_is_not_blamed(tmp_path):
    with pytest.raises(UserError, match="^damaged$"), disks.blaming_full_disk(tmp_path):
        raise UserError("damaged")
