# Nodes as virtual machines with a kernel, memory and disks of their own: what up does for this kind only. Sourced by up.
# shellcheck shell=bash disable=SC2034,SC2154

programs=(qemu-system-x86_64 mkfs.ext4)
packages_of_host=(qemu-system-x86 e2fsprogs)
answers_within_s=300

# As much as the deployment's defaults need: what Slurm keeps back (slurm_reserve_mb), and a search beside it.
client_mb=6144
worker_mb=2560

lower_folders() { echo "$testbed/kernel:$testbed/base"; }

# The kernel that Debian's images for clouds have, and nothing in its first disk but what finds the real one.
make_lower_folders() {
    local part=$testbed/kernel.part
    [[ ! -d $testbed/kernel ]] || return 0
    grep -qx ID=debian "$testbed/base/etc/os-release" || die "virtual machines begin with Debian only"
    say "installing a kernel"
    unmount_below "$part"
    rm -rf --one-file-system "$part"
    mkdir -p "$part"/{upper,work,root}
    mount -t overlay testbed-kernel -o "lowerdir=$testbed/base,upperdir=$part/upper,workdir=$part/work" "$part/root"
    chroot "$part/root" env DEBIAN_FRONTEND=noninteractive nice -n "$priority" sh -ec '
        apt-get update -qq
        apt-get install -qq --no-install-recommends initramfs-tools
        sed -i "s/^MODULES=.*/MODULES=list/" /etc/initramfs-tools/initramfs.conf
        printf "%s\n" virtio_pci virtio_blk ext4 >>/etc/initramfs-tools/modules
        apt-get install -qq --no-install-recommends linux-image-cloud-amd64
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb' \
        >"$testbed/kernel.log" 2>&1 || die "could not install a kernel: see $testbed/kernel.log"
    umount "$part/root"
    mv "$part/upper" "$testbed/kernel"
    rm -rf --one-file-system "$part"
}

# An image of what the node's disk holds, and an empty second disk. Both take only the room that is used.
finish_disk() {
    local folder=$testbed/nodes/$1
    # unlike a container's, its network takes a moment, for which services wait
    chroot "$folder/root" sh -c 'systemctl -q unmask "$1"; systemctl -q enable "$1"' _ systemd-networkd-wait-online.service
    rm -f "$folder/disk" "$folder/data_disk"
    truncate --size=8G "$folder/disk"
    truncate --size=2G "$folder/data_disk"
    mkfs.ext4 -q -d "$folder/root" "$folder/disk"
    umount "$folder/root"
    rm -rf --one-file-system "$folder"/{upper,work,root}
}

cluster_settings() {
    cat <<END
    common_data_disk: /dev/vdb
    common_swap_mb: 256
    # sooner than of real machines it is noticed that a worker is dead; not too soon for kernels in software
    slurm_node_timeout_s: 60
END
}
node_settings() { [[ $1 != client ]] || echo "common_data_mount: /shared"; }

boot() {
    local name=$1 folder=$testbed/nodes/$1 memory_mb=$worker_mb pid interface number
    local processor=(-accel 'tcg,thread=multi' -cpu max)
    [[ $name != client ]] || memory_mb=$client_mb
    ! grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo || [[ ! -w /dev/kvm ]] || processor=(-accel kvm -cpu host)
    number=$(address "$name")
    # names of interfaces have 15 characters at most
    # shellcheck disable=SC2086
    interface=$(printf 'pf%02x%02x%02x%02x' ${number//./ })
    (
        exec 9>&-
        exec setsid nice -n "$priority" qemu-system-x86_64 -name "$prefix-$name" "${processor[@]}" -smp 2 \
            -m "$memory_mb" -nodefaults -no-user-config -display none -serial stdio \
            -kernel "$testbed/kernel/vmlinuz" -initrd "$testbed/kernel/initrd.img" \
            -append 'root=/dev/vda rw console=ttyS0 quiet' \
            -drive "file=$folder/disk,format=raw,if=virtio" -drive "file=$folder/data_disk,format=raw,if=virtio" \
            -netdev "tap,id=net,ifname=$interface,script=no,downscript=no" \
            -device "virtio-net-pci,netdev=net,mac=$(printf '52:54:00:00:00:%02x' "${number##*.}")" \
            -device virtio-rng-pci
    ) </dev/null >"$folder/console.log" 2>&1 &
    pid=$!
    disown
    echo "$pid $(started_at "$pid")" >"$folder/leader"
    for _ in {1..100}; do
        ! ip link set "$interface" master "$bridge" up 2>/dev/null || return 0
        leader "$name" >/dev/null || break
        sleep 0.1
    done
    die "$name does not start: see $folder/console.log"
}
