#!/bin/bash
# build-image.sh [RELEASE]: makes the virtual machine's Debian and prints the folder with root.ext4, vmlinuz and initrd.cpio.
#
# A Debian of that release, from where this machine's apt gets its own (without RELEASE: that one), with systemd, containerd, runc, crun, jq and
# nftables, and nothing of kuke's.
# Kept in ~/.cache/kuke-vm under a hash of this recipe, so that it is made once (a minute, 500 MB) and again when the recipe changes.
# Needs root, mmdebstrap, e2fsprogs, cpio, busybox-static.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
own=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
release=${1:-$own}
recipe=$(cat "$here/build-image.sh" "$here"/guest/* /etc/debian_version - <<< "$release" | sha256sum | cut -c1-16)
image=${XDG_CACHE_HOME:-$HOME/.cache}/kuke-vm/$recipe
[ ! -d "$image" ] || { touch "$image"; echo "$image"; exit; }
echo "Making the image of the virtual machine ($release): about a minute, once" >&2

mkdir -p "${image%/*}"
# Images of other recipes that nobody has used for two weeks.
find "${image%/*}" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
work=$(mktemp -d "$image.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
root=$work/root initrd=$work/initrd
mkdir -p "$work/image"

packages=systemd,systemd-sysv,udev,dbus,kmod,util-linux,procps,sudo,ca-certificates,busybox-static
packages+=,containerd,runc,crun,jq,iptables,nftables,iproute2
# Debian's own sources: those that name the release itself, as no third party's do.
mkdir "$work/sources"
for file in $(grep -lE "^(deb|Suites:) .*\b$own\b" /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2> /dev/null); do
  grep -qE "[ :]$own(-security)?( |\$)" "$file" && sed -E "s/([ :])$own\b/\1$release/g" "$file" > "$work/sources/${file##*/}"
done
sources=("$work"/sources/*)
leave_out=()
for folder in man doc locale info; do leave_out+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done

# The kernel's package is unpacked and not installed, which would make an initrd and install a boot loader.
cat > "$work/kernel.sh" <<'KERNEL'
set -eu
cd "$1/tmp"
package=$(chroot "$1" apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
chroot "$1" sh -c "cd /tmp && apt-get -qq -o APT::Sandbox::User=root download $package"
dpkg-deb --fsys-tarfile "$package"*.deb | tar -C "$1" -x --keep-directory-symlink --exclude='./usr/share/*'
rm "$package"*.deb
KERNEL

mmdebstrap --quiet --mode=root --format=directory --variant=minbase --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' "${leave_out[@]}" \
  --customize-hook="sh $work/kernel.sh \"\$1\"" '' "$root" "${sources[@]}" >&2

kernel=$(ls "$root/lib/modules")
mv "$root"/boot/vmlinuz-* "$work/image/vmlinuz"
# What no guest of qemu has; a third of the image.
unused='drivers/gpu drivers/infiniband drivers/media drivers/usb drivers/hid drivers/scsi drivers/nvme drivers/xen drivers/hv sound'
unused+=' fs/xfs fs/btrfs fs/ocfs2 fs/gfs2 fs/ceph fs/smb fs/nfs fs/nfsd fs/f2fs fs/jfs fs/reiserfs'
for folder in $unused; do rm -rf "$root/lib/modules/$kernel/kernel/$folder"; done
chroot "$root" depmod "$kernel"
rm -rf "$root"/boot/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin

# Units that a machine without console, network card and disk layout waits for: without them it boots in half the time.
units=$root/etc/systemd/system
mask() { local unit; for unit in "$@"; do ln -sf /dev/null "$units/$unit"; done; }
mask getty.target getty@tty1.service serial-getty@ttyS0.service console-getty.service
mask {apt-daily,apt-daily-upgrade,dpkg-db-backup,e2scrub_all,fstrim,systemd-tmpfiles-clean}.timer e2scrub_reap.service
mask systemd-{pstore,timesyncd,udev-trigger,networkd,network-generator,networkd-wait-online,firstboot,update-utmp,update-utmp-runlevel}.service
mask systemd-{random-seed,binfmt,hwdb-update,sysusers,machine-id-commit,journal-flush,remount-fs,boot-update}.service
mask systemd-networkd.socket modprobe@{drm,configfs,dm_mod,loop,efi_pstore}.service ldconfig.service
mask {sys-kernel-debug,sys-kernel-tracing,dev-hugepages,dev-mqueue,sys-fs-fuse-connections}.mount
mask systemd-{logind,user-sessions}.service modprobe@fuse.service
# What looks for disks, consoles and old scripts, of which there are none.
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/{usr/,}lib/systemd/system-generators/*; do ln -sf /dev/null "$root/etc/systemd/system-generators/${generator##*/}"; done
install -m 755 "$here/guest/job" "$root/usr/local/sbin/vm-job"
install -m 644 "$here/guest/vm-job.service" "$units/vm-job.service"
mkdir -p "$units/multi-user.target.wants"
ln -s ../vm-job.service "$units/multi-user.target.wants/"
echo guest > "$root/etc/hostname"
echo '127.0.0.1 localhost guest' > "$root/etc/hosts"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
: > "$root/etc/fstab"
touch "$root/etc/.updated" "$root/var/.updated"

mkdir -p "$initrd"/{bin,dev,proc,sys,modules,mnt}
cp "$root/bin/busybox" "$initrd/bin/"
install -m 755 "$here/guest/init" "$initrd/init"
number=100
for module in $(chroot "$root" modprobe -S "$kernel" --show-depends -a virtio_pci virtio_blk ext4 | awk '/^insmod/ && !seen[$2]++ {print $2}'); do
  # Debian 13 compresses them, which the initrd's insmod does not read.
  case $module in
    *.xz) busybox xzcat "$root$module" > "$initrd/modules/$number-$(basename "$module" .xz)" ;;
    *) cp "$root$module" "$initrd/modules/$number-${module##*/}" ;;
  esac
  number=$((number + 1))
done
(cd "$initrd" && find . | sort | cpio --quiet -o -H newc) > "$work/image/initrd.cpio"

truncate -s 8G "$work/image/root.ext4"
mke2fs -q -F -t ext4 -J size=16 -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$work/image/root.ext4"
mv -T "$work/image" "$image" 2> /dev/null || [ -d "$image" ]
echo "$image"
