"""What is in the images: no secrets, nothing that a user could change, no compiler."""

import json
import re
import tarfile
import tomllib
from pathlib import Path

import pytest
from engine import ROOT, STORAGE, certificates

IMAGES = ("pipeline", "platform", "proxy")
SECRET = re.compile(r"/(\.env|\.git|pip\.conf|\.netrc|\.ssh|site_secret|certificates\.pem)(/|$)")
PRIVATE_KEY = re.compile(rb"^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{40}", re.MULTILINE)


@pytest.fixture(params=IMAGES)
def image(request):
    return request.getfixturevalue(request.param)


def layers_of(engine, image):
    return json.loads(engine.podman("image", "inspect", image))[0]["RootFS"]["Layers"]


def test_labels_name_version_and_revision(engine, image):
    labels = json.loads(engine.podman("image", "inspect", image))[0]["Labels"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.revision"] == engine.revision()


def test_no_file_can_be_changed_by_every_user_and_no_program_changes_its_user(engine, image):
    find = r"find / -xdev \( -perm /6000 -type f -o -perm -0002 ! -type l ! -perm -1000 \) -print"
    assert engine.podman("run", "--rm", "--user=0", image, "sh", "-c", find) == ""


def test_user_is_not_root_and_can_change_none_of_the_programs(engine, image):
    assert engine.podman("run", "--rm", image, "id", "-u") == "10001"
    find = "find / -xdev -writable ! -type l ! -path '/tmp*' ! -path '/proc*' ! -path '/dev*' -print"
    found = engine.podman("run", "--rm", image, "sh", "-c", f"{find} 2>/dev/null || true").splitlines()
    data = ("/project", "/var/lib/proteofold", "/run/proteofold-site", "/etc/proteofold/tls", "/backup")
    assert [path for path in found if not path.startswith((*data, "/var/tmp", "/run/lock"))] == []


def test_there_is_no_compiler(engine, image):
    words = "command -v gcc cc g++ clang make ld as || true"
    assert engine.podman("run", "--rm", image, "sh", "-c", words) == ""


def test_layers_hold_no_secret(engine, image, pipeline):
    """Neither keys, nor the certificates that only this machine trusts, nor pip's settings, nor a .git folder."""
    beginnings = re.findall(r"-----BEGIN CERTIFICATE-----\n(.{64}\n.{64}\n.{64})", Path(certificates()).read_text())
    debian = engine.podman("run", "--rm", pipeline, "cat", "/etc/ssl/certs/ca-certificates.crt")
    ours = [text.encode() for text in beginnings if text not in debian]
    archive, found = STORAGE / "image.tar", []
    engine.podman("save", "--format=docker-archive", f"--output={archive}", image)
    with tarfile.open(archive) as saved:
        for layer in saved:
            if not layer.isfile() or not layer.name.endswith(".tar"):
                continue
            with tarfile.open(fileobj=saved.extractfile(layer)) as files:
                for file in files:
                    if not file.isfile():
                        continue
                    text = files.extractfile(file).read() if file.size < 10e6 else b""
                    if SECRET.search(f"/{file.name}") or PRIVATE_KEY.search(text) or any(one in text for one in ours):
                        found.append(file.name)
    archive.unlink()
    assert found == []


def test_a_change_of_code_leaves_the_layers_of_system_and_packages(engine, pipeline, base):
    before = layers_of(engine, pipeline)
    with open(engine.clone / "proteofold" / "__init__.py", "a") as code:
        code.write("\n# changed\n")
    try:
        after = layers_of(engine, engine.build("pipeline", base, tag="changed"))
    finally:
        engine.run("git", "checkout", "--quiet", ".", cwd=engine.clone)
    changed = [number for number, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    # of ten: the code, and the revision
    assert changed and len(changed) <= 3 and min(changed) >= len(before) - 4
    engine.podman("rmi", "localhost/proteofold-pipeline:changed")
