"""What scripts/pi-emulate and scripts/deb-test share: machines that qemu emulates, and what Debian has for them."""

import glob
import os
import re
import shutil
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def run(*command, **options):
    """Runs a command whose output is for people."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, **options)


def library(line, **options):
    """Runs a line of shell with the functions of scripts/lib.sh."""
    script = f'root="$1"; . "$root/scripts/lib.sh"; {line}'
    return subprocess.run(["sh", "-ec", script, "sh", ROOT], check=True, stdin=subprocess.DEVNULL, text=True, **options)


def need(program, package):
    """Installs a Debian package if its program is not there."""
    if not shutil.which(program):
        library(f"install_packages {package}", stdout=sys.stderr)


def archive():
    """The codename of this machine's Debian, and the mirror that its apt uses."""
    if not shutil.which("apt-get") or not os.path.exists(KEYS):
        sys.exit("error: this is no Debian: apt or the keys of its archive are missing")
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    for again in (True, False):
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        for origin, codename, component, mirror in (line.split() for line in lines if line.count(" ") == 3):
            if origin == "Debian" and component == "main" and "-" not in codename:
                return codename, mirror
        if again:
            library("refresh_packages", stdout=sys.stderr)
    sys.exit("error: the sources of this machine's apt name no mirror of Debian")


class Packages:
    """Debian's packages for one architecture, kept in a folder, without a change to this machine's apt. They are of this machine's
    sources, or of another suite from the mirror that those name."""

    def __init__(self, folder, architecture, suite=None):
        self.folder = folder
        self.architecture = architecture
        self.suite = suite

    def apt(self, *words, **options):
        """Runs a command of apt."""
        state = os.path.join(self.folder, "apt")
        os.makedirs(os.path.join(state, "lists/partial"), exist_ok=True)
        os.makedirs(os.path.join(state, "cache/archives/partial"), exist_ok=True)
        with open(os.path.join(state, "status"), "w", encoding="ascii"):
            pass
        settings = {"APT::Architecture": self.architecture, "APT::Architectures": self.architecture, "Dir::State": state,
                    "Dir::State::status": os.path.join(state, "status"), "Dir::Cache": os.path.join(state, "cache"),
                    "Acquire::Languages": "none", "APT::Sandbox::User": "root", "Acquire::Retries": "3"}
        if self.suite:
            sources = os.path.join(state, "sources.list")
            with open(sources, "w", encoding="ascii") as file:
                file.write(f"deb [signed-by={KEYS}] {archive()[1]} {self.suite} main\n")
            settings |= {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-"}
        command = [words[0], *(f"-o{key}={value}" for key, value in settings.items()), *words[1:]]
        return subprocess.run(command, stdin=subprocess.DEVNULL, text=True, **options)

    def package(self, name, *wanted):
        """Where the files of a package are, and those that match the patterns. For a package of Debian that only names the one
        which has the kernel it is that one."""
        place = os.path.join(self.folder, name)
        if not os.path.isdir(place):
            if not shutil.which("apt-get"):
                sys.exit(f"error: no apt here: {name} for {self.architecture} is a package of Debian")
            # What was listed at some time may have been superseded. That a list cannot be had does not matter, unless it is the
            # package's.
            if not self.download(name, place):
                self.apt("apt-get", "update", stdout=sys.stderr)
                if not self.download(name, place):
                    sys.exit(f"error: no {name} for {self.architecture} comes from the sources of this machine's apt: they must be Debian's")
        found = [glob.glob(os.path.join(place, pattern), recursive=True) for pattern in wanted]
        if not all(found):
            sys.exit(f"error: {name} for {self.architecture} has no {' or no '.join(wanted)}")
        return place, *(files[0] for files in found)

    def download(self, name, place):
        """Whether the package could be had."""
        depends = self.apt("apt-cache", "depends", name, capture_output=True).stdout
        real = (re.findall(r"^  Depends: (linux-image-\S+)$", depends, re.M) or [name])[0]
        downloads = os.path.join(self.folder, "downloads")
        shutil.rmtree(downloads, ignore_errors=True)
        os.makedirs(downloads)
        if self.apt("apt-get", "download", real, cwd=downloads, stdout=sys.stderr).returncode:
            return False
        (file,) = glob.glob(os.path.join(downloads, "*.deb"))
        run("dpkg-deb", "--extract", file, place + ".new")
        os.rename(place + ".new", place)
        shutil.rmtree(downloads)
        return True


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
