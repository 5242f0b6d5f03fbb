#!/bin/busybox sh
# First process of a guest that runs one program. The machinery outside reads messages on the second serial port: "start"
# with the kernel's release, "stderr" with a line of the program's error output, "exit" with its exit status, without which
# the run has failed. Everything else there is the program's standard output.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
for word in $(cat /proc/cmdline); do
    case $word in
    nvme_vm_token=*) token=${word#*=} ;;
    nvme_vm_disk_kib=*) disk=${word#*=} ;;
    nvme_vm_network=*) network=${word#*=} ;;
    esac
done
stty -F /dev/ttyS1 raw
echo "@@nvme-vm:$token:start:$(uname -r)@@" >/dev/ttyS1
ip link set lo up
modprobe configfs
mount -t configfs none /sys/kernel/config
modprobe brd rd_nr=4 rd_size="$disk"
if [ "$network" = user ]; then
    modprobe virtio_pci
    modprobe virtio_net
    ip link set eth0 up
    ip addr add 10.0.2.15/24 dev eth0
    ip route add default via 10.0.2.2
fi
cd /tmp
{
    {
        sh /vm/run </dev/null
        echo $? >/run/nvme-vm-exit
    } 2>&1 >&3 3>&- | while IFS= read -r line || [ -n "$line" ]; do
        printf '%s\n' "@@nvme-vm:$token:stderr:$line@@"
    done
} 3>&1 | cat >/dev/ttyS1
echo "@@nvme-vm:$token:exit:$(cat /run/nvme-vm-exit)@@" >/dev/ttyS1
reboot -f
