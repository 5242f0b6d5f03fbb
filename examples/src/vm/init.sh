#!/bin/busybox sh
# First process of a guest that runs one program. The machinery outside reads two lines on the second serial port:
# "start" with the kernel's release, "exit" with the program's exit status; without the latter the run has failed.
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
    sh /vm/run </dev/null 2>&1
    echo $? >/run/nvme-vm-exit
} | cat >/dev/ttyS1
echo "@@nvme-vm:$token:exit:$(cat /run/nvme-vm-exit)@@" >/dev/ttyS1
reboot -f
