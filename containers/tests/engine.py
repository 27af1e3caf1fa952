"""podman with a storage of its own, and the images that the tests build."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORAGE = Path("/var/tmp/proteofold-containers")
PROGRAMS = ("podman", "runc", "catatonit", "git")
# Debian 12 has 1.0.3, which puts services without a network into one
PODMAN_COMPOSE = "podman-compose==1.5.0"

# The defaults of podman need what kernels of small machines lack: crun other cgroups, bridges a firewall.
_CONTAINERS = """
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""


class Engine:
    """podman, and a clone of this repository to build from."""

    def __init__(self):
        STORAGE.mkdir(mode=0o700, exist_ok=True)
        (STORAGE / "containers.conf").write_text(_CONTAINERS)
        (STORAGE / "storage.conf").write_text(_STORAGE.format(folder=STORAGE))
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(STORAGE / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(STORAGE / "storage.conf"),
        }
        self.clone = STORAGE / "clone"
        self.compose = STORAGE / "venv" / "bin" / "podman-compose"
        if not self.compose.exists():
            self.run(sys.executable, "-m", "venv", STORAGE / "venv")
            self.run(STORAGE / "venv/bin/pip", "install", "--quiet", PODMAN_COMPOSE)

    def run(self, *command, check=True, **options):
        """Run a command; CompletedProcess with its output as text. Fails if the command does."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 1800} | options
        options["env"] = self.environment | options.pop("env", {})
        done = subprocess.run([str(word) for word in command], **options)
        assert not check or done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done

    def podman(self, *words, **options):
        """What podman prints; its warnings, as of a missing systemd, are left out."""
        return self.run("podman", *words, **options).stdout.strip()

    def make_base(self):
        """The image of a bare Debian 12, by debootstrap; returns its name."""
        name = "localhost/debian:12"
        if self.run("podman", "image", "exists", name, check=False).returncode:
            root = STORAGE / "debian"
            shutil.rmtree(root, ignore_errors=True)
            self.run("debootstrap", "--variant=minbase", "bookworm", root)
            # of this machine, or only good for installing it
            left_out = ("etc/resolv.conf", "etc/hostname", "var/cache/apt/*", "var/lib/apt/lists/*", "var/log/*")
            options = [f"--exclude=./{path}" for path in left_out]
            archive = STORAGE / "debian.tar"
            self.run("tar", "-C", root, "--one-file-system", *options, "--create", "--file", archive, ".")
            self.podman("import", archive, name)
            shutil.rmtree(root)
            archive.unlink()
        return name

    def build(self, target, base, *options, tag="0.1.0"):
        """Build an image from the clone; returns its name."""
        name = f"localhost/proteofold-{target}:{tag}"
        words = ["--isolation=chroot", "--layers", "--format=docker", f"--target={target}", f"--tag={name}"]
        words += [f"--build-arg=BASE={base}", f"--build-arg=REVISION={self.revision()}"]
        words.append(f"--secret=id=certificates.pem,src={certificates()}")
        if wheels := os.environ.get("PIP_FIND_LINKS"):
            words += [f"--build-context=wheels={wheels}"]
        self.podman("build", *words, *options, "--file=containers/Containerfile", ".", cwd=self.clone)
        return name

    def revision(self):
        return self.run("git", "rev-parse", "HEAD", cwd=self.clone).stdout.strip()

    def make_clone(self):
        """Clone what is committed."""
        shutil.rmtree(self.clone, ignore_errors=True)
        self.run("git", "clone", "--quiet", ROOT, self.clone)

    def close(self):
        """Remove everything."""
        self.run("podman", "system", "reset", "--force", check=False)
        shutil.rmtree(STORAGE, ignore_errors=True)


def certificates():
    """The file of certificates that this machine trusts."""
    return os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
