"""The images agree with what they are made of: paths, ports, versions, limits. Nothing is built here."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from proteofold.system.paths import CHECKOUT

CONTAINERS = CHECKOUT / "containers"
CONTAINERFILE = (CONTAINERS / "Containerfile").read_text()
COMPOSE = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
SETTINGS = yaml.safe_load((CHECKOUT / "ansible/roles/settings/defaults/main.yml").read_text())
ENVIRONMENT = dict(re.findall(r"^(\w+)=(.*)$", (CONTAINERS / ".env.example").read_text(), re.MULTILINE))


def instructions():
    """The instructions of the Containerfile: (name, arguments), continued lines joined."""
    text = re.sub(r"^ *#.*\n", "", CONTAINERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def test_version_is_that_of_the_package():
    assert set(re.findall(r"^ARG VERSION=(.+)$", CONTAINERFILE, re.MULTILINE)) == {VERSION}
    assert ENVIRONMENT["PROTEOFOLD_TAG"] == VERSION
    assert all(f":-{VERSION}}}" in service["image"] for service in SERVICES.values())


def test_each_image_ends_as_a_user_that_is_not_root():
    stages, user = {}, None
    for name, arguments in instructions():
        if name == "FROM":
            _, _, stage = arguments.partition(" AS ")
            user = stages.setdefault(stage, "root")
        elif name == "USER":
            stages[stage] = user = arguments
    assert user != "root"
    assert {stages[name] for name in ("pipeline", "platform", "proxy")} == {"10001:10001"}


def test_files_that_are_copied_exist_and_are_sent_to_the_builder():
    kept = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, arguments in instructions():
        if name != "COPY" or arguments.startswith("--from"):
            continue
        for source in arguments.split()[:-1]:
            assert list(CHECKOUT.glob(source)), source
            assert source in kept or source.split("/")[0] in kept, f"{source} is left out by .dockerignore"


def test_what_git_ignores_in_the_folder_is_not_sent_to_the_builder():
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    for path in (".env", "secrets", "tls"):
        assert f"containers/{path}" in ignored
        done = subprocess.run(["git", "check-ignore", "-q", f"containers/{path}"], cwd=CHECKOUT, check=False)
        assert done.returncode in (0, 128)  # 128: not a git checkout


def test_secrets_of_the_build_hide_no_file_of_the_image():
    """buildah removes the place of a mount when the step is done, and with it a file that was there."""
    mounts = re.findall(r"--mount=type=secret,id=(\S+?),target=(\S+)", CONTAINERFILE)
    assert dict(mounts) == {"pip.conf": "/etc/pip.conf", "certificates.pem": "/certificates.pem"}


def test_package_lists_are_removed_in_the_step_that_fetched_them():
    for name, arguments in instructions():
        if name == "RUN" and ("apt-get update" in arguments or "bin/setup" in arguments):
            assert "rm -rf /var/lib/apt/lists/*" in arguments
            assert "apt-get install" not in arguments or "--no-install-recommends" in arguments


def test_site_has_the_memory_that_the_deployment_gives_it():
    assert SERVICES["site"]["mem_limit"] == f"{SETTINGS['platform_site_memory_mb']}m"


def test_services_have_no_rights_a_limit_a_restart_and_rotated_logs():
    for service in SERVICES.values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges"]
        assert service["restart"] == "unless-stopped" and service["mem_limit"]
        assert service["logging"]["options"]["max-size"]


def test_only_the_proxy_has_a_network():
    assert {name: service.get("network_mode") for name, service in SERVICES.items()} == {
        "site": "none",
        "runner": "none",
        "proxy": None,
    }


def test_volumes_are_mounted_where_the_images_have_folders_of_their_user():
    lines = re.findall(r"install -d -o proteofold (.+)", CONTAINERFILE)
    made = {path for line in lines for path in re.findall(r" (/\S+)", line)}
    volumes = [volume.removesuffix(":ro") for service in SERVICES.values() for volume in service["volumes"]]
    mounted = {volume.rsplit(":", 1)[1] for volume in volumes}
    assert mounted <= made


def test_variables_of_the_compose_file_are_in_the_example_with_their_defaults():
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (CONTAINERS / "compose.yaml").read_text()))
    assert used == ENVIRONMENT


def test_socket_is_the_same_for_site_health_check_and_proxy():
    (_, socket) = next(arguments for name, arguments in instructions() if "--uds" in arguments).rsplit(", ", 1)
    socket = socket.strip('"]')
    assert f'SOCKET = "{socket}"' in (CONTAINERS / "healthy").read_text()
    assert f"unix:{socket};" in (CHECKOUT / "ansible/roles/platform/templates/nginx.conf.j2").read_text()


@pytest.fixture(scope="module")
def proxy_settings():
    template, defaults = "ansible/roles/platform/templates/nginx.conf.j2", "ansible/roles/settings/defaults/main.yml"
    command = [sys.executable, CONTAINERS / "render-proxy", CHECKOUT / template, CHECKOUT / defaults]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_proxy_has_the_settings_of_the_deployment_on_the_published_port(proxy_settings):
    (port,) = SERVICES["proxy"]["ports"]
    inside = port.rsplit(":", 1)[1]
    assert f"listen {inside} ssl" in proxy_settings and f"EXPOSE {inside}" in CONTAINERFILE
    assert f"client_max_body_size {SETTINGS['platform_upload_mb']}m;" in proxy_settings
    assert "acme" not in proxy_settings and "{{" not in proxy_settings


def test_programs_can_be_started_and_are_known_to_the_containerfile():
    for name in ("healthy", "proxy", "render-proxy"):
        assert os.access(CONTAINERS / name, os.X_OK)
        assert f"containers/{name} " in CONTAINERFILE


def test_health_check_of_a_site_that_is_not_there_fails_with_a_sentence():
    done = subprocess.run(
        [sys.executable, CONTAINERS / "healthy", "site"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stderr.startswith("site: ")
