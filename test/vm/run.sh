#!/bin/bash
# run.sh JOB: boots the virtual machine of build-image.sh, runs the script JOB in it as root, prints what it prints and how long all took,
# and exits with its status; 125 when it ended without one: a crash, or over the time limit (KUKE_VM_LIMIT, 900 s). 15 s and more; as many
# at a time as there are CPUs, whoever starts them.
#
# The guest is a fresh Debian with systemd, pure cgroup v2 and every controller. It has no network, shares nothing with this machine, and
# forgets all. It gets copies of the files that JOB names on a line `# files: dist/kuke ...`, side by side in its working folder; a line
# `# prepare: COMMAND` is run on this machine before, to make them. `# release: trixie` asks for a Debian other than this machine's.
# A job may reboot: it is run again, and finds what it left on the disk. Emulated where there is no KVM: programs run 20 times slower.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
[ $# = 1 ] && [ -f "$1" ] || { echo 'usage: run.sh JOB' >&2; exit 2; }
job=$(readlink -f "$1")
cd "$here/../.."
release=$(sed -n 's/^# release: //p' "$job")
image=$("$here/build-image.sh" ${release:+"$release"})
# Held until this script ends; the last one is waited for.
for slot in $(seq "$(nproc)"); do
  exec 9> "${image%/*}/lock.$slot"
  ! flock --nonblock 9 || break
done
flock 9
began=$SECONDS

work=$(mktemp -d "${TMPDIR:-/tmp}/kuke-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/job"
cp "$job" "$work/job/job.sh"
# What one job prepares may be a file of another's, too.
exec 8> "${image%/*}/lock.prepare"
flock 8
sed -n 's/^# prepare: //p' "$job" | bash -e
read -ra files < <(sed -n 's/^# files: //p' "$job") || true
for file in "${files[@]}"; do
  [ -e "$file" ] || { echo "run.sh: no $file, which $job needs (\`bun run build\` makes dist/kuke)" >&2; exit 125; }
  cp -a "$file" "$work/job/"
done
exec 8>&-
tar -C "$work/job" --format=ustar -cf "$work/job.tar" .
# A disk is a multiple of its sectors.
truncate -s %1M "$work/job.tar"
truncate -s 1M "$work/status"

if grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
  accelerator=(-accel kvm -cpu host) clock=
else
  # A fifth less to compute than with all that can be emulated: without erms kernel and libc clear and copy by eight bytes and more at a
  # time instead of one, which each take as long; smap costs two leaves of the translated code for each access to a process's memory.
  # Its CPUs take turns on one of this machine's: side by side they cost a quarter more, since they wait for each other.
  accelerator=(-accel tcg,thread=single,tb-size=512 -cpu max,-erms,-smap,-smep,-la57,-umip)
  # An emulated time stamp counter runs away when the machine is busy, and the timer looks broken to who counts its ticks.
  clock='clocksource=hpet tsc=unstable no_timer_check'
fi
disk() { echo -drive "file=$1,format=raw,if=none,id=$2,cache=unsafe,$3" -device "virtio-blk-pci,drive=$2"; }

# In the background, so that a signal to this script is acted on at once. qemu dies with it; its snapshot of the disk goes with the folder.
TMPDIR=$work setpriv --pdeathsig TERM timeout --kill-after=5 "${KUKE_VM_LIMIT:-900}" setpriv --pdeathsig KILL \
  qemu-system-x86_64 "${accelerator[@]}" -M q35 -m 1536 -smp 2 -nodefaults -no-user-config -display none -serial stdio \
  -kernel "$image/vmlinuz" -initrd "$image/initrd.cpio" \
  -append "console=ttyS0 quiet loglevel=3 panic=0 reboot=t mitigations=off audit=0 random.trust_cpu=on net.ifnames=0 $clock" \
  $(disk "$image/root.ext4" root snapshot=on) $(disk "$work/job.tar" job readonly=on) $(disk "$work/status" status snapshot=off) \
  < /dev/null > >(sed -u 's/\r//g') 2>&1 &
machine=$!
trap 'exit 143' INT TERM HUP
trap 'kill $machine 2> /dev/null || true; wait $machine || true; rm -rf "$work"' EXIT
status=0
wait $machine || status=$?
echo "$(basename "$job" .sh) took $((SECONDS - began)) s"

result=$(tr -d '\0' < "$work/status")
[ -n "$result" ] || { echo "run.sh: the guest ended without a status (qemu: $status)" >&2; exit 125; }
exit "$result"
