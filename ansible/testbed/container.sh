# Nodes as systemd-nspawn containers: what up does for this kind only. Sourced by up.
# shellcheck shell=bash disable=SC2034,SC2154

programs=(systemd-nspawn)
packages_of_host=(systemd-container)
answers_within_s=60

# The folders that a node's disk begins with, as an overlay has them.
lower_folders() { echo "$testbed/base"; }
make_lower_folders() { :; }
finish_disk() { :; }

# What is said of all nodes, and of one, in the inventory.
cluster_settings() {
    local plugin=autodetect
    # inside a container of a host with cgroups of version 1, Slurm does not find out which it has
    [[ ! -d /sys/fs/cgroup/memory ]] || plugin=cgroup/v1
    cat <<END
    # no container can mount NFS: the shared folder is one of the host
    storage_shared_fs: preexisting
    slurm_cgroup_plugin: $plugin
    # groups of single cores and of CPU time are the host's here
    slurm_constrain_cores: false
    # a container sees all the memory of the host
    slurm_memory_mb: 3000
    # seconds, not minutes, until a dead worker is noticed
    slurm_node_timeout_s: 20
END
}
node_settings() { [[ $1 != client ]] || echo "slurm_memory_mb: 6000"; }

boot() {
    local name=$1 folder=$testbed/nodes/$1 group
    local nspawn=(systemd-nspawn --quiet --boot --directory="$folder/root" --machine="$prefix-$name" --hostname="$name"
        --register=no --keep-unit --network-bridge="$bridge" --resolv-conf=off --timezone=off --link-journal=no
        --console=pipe --bind="$testbed/shared:/shared")
    if [[ -d /run/systemd/system ]]; then
        systemd-run --quiet --collect --unit="$prefix-$name" --property=Delegate=yes --property=Nice="$priority" \
            --property="StandardOutput=file:$folder/console.log" "${nspawn[@]}"
        systemctl show --property=MainPID --value "$prefix-$name" >"$folder/nspawn"
    else
        cgroups_of "$name" >"$folder/cgroups"
        (
            exec 9>&-
            while read -r group; do
                mkdir -p "$group"
                echo "$BASHPID" >"$group/cgroup.procs"
            done <"$folder/cgroups"
            exec setsid nice -n "$priority" "${nspawn[@]}"
        ) </dev/null >"$folder/console.log" 2>&1 &
        echo $! >"$folder/nspawn"
        disown
    fi
    # nspawn becomes the parent of the node's first process
    local parent pid
    parent=$(<"$folder/nspawn")
    for _ in {1..300}; do
        pid=$(find_init "$parent")
        [[ -z $pid ]] || break
        [[ -e /proc/$parent ]] || die "$name does not start: see $folder/console.log"
        sleep 0.1
    done
    [[ -n $pid ]] || die "$name does not start: see $folder/console.log"
    echo "$pid $(started_at "$pid")" >"$folder/leader"
}

# The child of nspawn (or of the shell that became it) that is process 1 in a space of its own.
find_init() {
    local child
    for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        if [[ $(sed -n 's/^NSpid:.*\t//p' "/proc/$child/status" 2>/dev/null) == 1 ]] &&
            [[ $(tr -d '\0' <"/proc/$child/comm" 2>/dev/null) == systemd ]]; then
            echo "$child"
            return
        fi
    done
}
