"""Tests of the images, in an order: the later ones use what the earlier ones built. bin/test-containers runs them."""

import os
import shutil

import pytest

pytest.register_assert_rewrite("engine", "compose")

from engine import PROGRAMS, Engine  # noqa: E402

ORDER = ("test_images", "test_pipeline", "test_platform")


def pytest_addoption(parser):
    group = parser.getgroup("containers")
    group.addoption("--keep", action="store_true", help="leave the images and volumes, and reuse them next time")
    group.addoption("--base", metavar="IMAGE", help="the Debian image to build from; without it debootstrap makes one")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: ORDER.index(item.path.stem))


@pytest.fixture(scope="session")
def engine(request):
    """podman, with images and volumes of its own, which are removed at the end unless --keep is given."""
    option = request.config.option
    programs = [*PROGRAMS, *([] if option.base else ["debootstrap"])]
    if missing := [name for name in programs if not shutil.which(name)]:
        pytest.exit(f"missing: {', '.join(missing)} (apt-get install {' '.join(missing)})", 1)
    if os.geteuid():
        pytest.exit("must be root: the tests mount folders and give files to other users", 1)
    engine = Engine()
    engine.make_clone()
    yield engine
    if not option.keep:
        engine.close()


@pytest.fixture(scope="session")
def base(request, engine):
    """The name of the image that the others are built from."""
    return request.config.option.base or engine.make_base()


@pytest.fixture(scope="session")
def pipeline(engine, base):
    return engine.build("pipeline", base)


@pytest.fixture(scope="session")
def platform(engine, base):
    return engine.build("platform", base)


@pytest.fixture(scope="session")
def proxy(engine, base):
    return engine.build("proxy", base)
