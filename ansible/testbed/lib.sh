# What up, down and status share. Sourced by them.
# shellcheck shell=bash

# Everything of the testbed lies in this folder; down removes it.
testbed=${TESTBED:-/var/lib/proteofold-testbed}
# The first three numbers of the network; .1 is this host, .10 the client, .11 and up the workers.
network=${TESTBED_NETWORK:-10.99.0}
# Names on the host distinguish testbeds of other networks.
prefix=pf-${network//./-}
bridge=$prefix
nft_table=${prefix//-/_}
priority=${TESTBED_NICE:-19}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' -- "$0"; }

need_root() { ((EUID == 0)) || die "must be root: the testbed makes containers and a network"; }

# One command at a time: two would mount the same disks.
take_turn() {
    mkdir -p "$testbed"
    exec 9>"$testbed/.lock"
    flock --nonblock 9 || die "another up or down of $testbed is running"
}

# Names of nodes are host names, and words of commands: nothing else is let through.
check_name() {
    [[ $1 == client || $1 =~ ^worker[1-9][0-9]?$ ]] || die "a node is called client or worker1 to worker99, not '$1'"
}

address() {
    if [[ $1 == client ]]; then echo "$network.10"; else echo "$network.$((10 + ${1#worker}))"; fi
}

nodes() {
    [[ -d $testbed/nodes ]] || return 0
    find "$testbed/nodes" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort -V
}

# The first process of a node, if it still is that one: numbers of processes are used again.
leader() {
    local pid started
    { read -r pid started <"$testbed/nodes/$1/leader"; } 2>/dev/null || return 1
    [[ $(started_at "$pid") == "$started" ]] && echo "$pid"
}
started_at() { { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; } 2>/dev/null; }

ssh_answers() {
    timeout 30 ssh -F "$testbed/ssh.cfg" -o ConnectTimeout=2 "$1" true </dev/null 2>/dev/null
}

# The cgroups that a node gets of its own where the host has no systemd to give it one. Without them all nodes share one
# ssh.service, one memory limit, one freezer.
cgroups_of() {
    local hierarchy own
    for hierarchy in systemd unified freezer; do
        [[ ! -w /sys/fs/cgroup/$hierarchy/cgroup.procs ]] || echo "/sys/fs/cgroup/$hierarchy/$prefix-$1"
    done
    if [[ -d /sys/fs/cgroup/memory ]]; then
        # below the group of this shell, whose own limit then holds for the nodes as well
        own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
        echo "/sys/fs/cgroup/memory${own%/}/$prefix-$1"
    fi
}

# What a killed debootstrap left mounted in a folder (/proc, /sys): removing the folder would go on into it.
unmount_below() {
    local target
    findmnt --raw --noheadings --output TARGET | sort --reverse | while read -r target; do
        [[ $target != "$1"/* ]] || umount "$target"
    done
}

# Pull the plug: nothing in the node has time to tidy up. The disk stays. It is the first process inside that must be
# killed: without systemd-nspawn itself the node would go on.
pull_plug() {
    local pid folder=$testbed/nodes/$1
    if pid=$(leader "$1"); then
        kill -KILL "$pid" 2>/dev/null || true
        for _ in {1..100}; do
            leader "$1" >/dev/null || break
            sleep 0.1
        done
    fi
    if [[ -r $folder/nspawn ]]; then
        local nspawn
        nspawn=$(<"$folder/nspawn")
        for _ in {1..50}; do
            [[ -e /proc/$nspawn && $(tr '\0' ' ' <"/proc/$nspawn/cmdline" 2>/dev/null) == *"$folder/root"* ]] || break
            sleep 0.1
        done
    fi
    rm -f "$folder/leader" "$folder/nspawn" "$testbed/ssh/"*"$1"*
    if mountpoint --quiet "$folder/root"; then umount "$folder/root" || umount --lazy "$folder/root"; fi
    local group
    if [[ -r $folder/cgroups ]]; then
        while read -r group; do
            [[ ! -d $group ]] || find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        done <"$folder/cgroups"
        rm -f "$folder/cgroups"
    fi
}
