# Every chore of this repository. `just` lists them; each is one command that can be typed without just, too.

# List the chores
default:
    @just --list

# Install everything a run needs into .venv
setup:
    bin/setup

# Run the pipeline on the embedded proteins
demo:
    bin/demo

# Serve the results as a site on this machine
serve:
    bin/serve

# Check style, run the tests that a change needs
test *arguments:
    bin/test {{arguments}}

# Run all tests: kills, Slurm, browser, scale too
test-all:
    bin/test --all

# Deploy, use, damage and restore a test cluster (root, a quarter of an hour)
test-cluster *arguments:
    bin/test-cluster {{arguments}}

# Build the images, run and kill them (root, podman, ten minutes and more)
test-containers *arguments:
    bin/test-containers {{arguments}}

# Install the package bare and with each extra into fresh environments, and use it (minutes, gigabytes)
test-installs:
    bin/test-installs

# Check style and spelling
lint:
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/snakefmt --check workflow
    .venv/bin/codespell

# Format Python and Snakemake files
format:
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .
    .venv/bin/snakefmt workflow

# Build the documentation site
docs *arguments:
    bin/docs {{arguments}}

# Run the benchmarks, or some sections of them
bench *sections:
    bin/bench {{sections}}

# Pin the newest packages that pyproject.toml admits
lock:
    bin/lock
