"""What scripts/pi-emulate and scripts/deb-test share: machines that qemu emulates."""

import subprocess
import threading


def initramfs(path, files, folders):
    """Writes an archive of the form that the kernel takes. `files` are pairs of a mode and the content, by name."""
    entries = [(name, 0o040755, b"") for name in folders]
    entries += [(name, 0o100000 | mode, content) for name, (mode, content) in files.items()]
    # The kernel opens it for its first process before that has made the others.
    entries.append(("dev/console", 0o020600, b""))
    with open(path, "wb") as file:
        for inode, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
            device = (5, 1) if name == "dev/console" else (0, 0)
            fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
            head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
            file.write(head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def console(command, patience_s):
    """Starts a machine and yields what its console says, line by line. It ends with the one who reads, or out of time."""
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # A machine that hangs says nothing more.
    timer = threading.Timer(patience_s, machine.kill)
    timer.start()
    try:
        for line in machine.stdout:
            yield line.decode(errors="replace").strip()
    finally:
        timer.cancel()
        machine.kill()
        machine.wait()
