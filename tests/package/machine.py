"""Small Debian 12 machines to install packages in: file systems, and containers that boot them.

Needs root, mmdebstrap and systemd-nspawn. Everything lies below one directory, in memory (about
1 GB), and is gone at the end: mounts, containers and control groups included.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

SUITE = "bookworm"
DEADLINE_SECONDS = 90.0


class CommandError(AssertionError):
    """A command failed that had to succeed."""


def run(arguments, check=True, **options):
    """Runs a command and returns what it printed, standard error included."""
    done = subprocess.run([str(argument) for argument in arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                          errors="replace", check=False, **options)
    if check and done.returncode != 0:
        raise CommandError(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n"
                           f"{done.stdout}")
    return done.stdout if check else (done.returncode, done.stdout)


def wait_until(condition, what):
    """As harness.wait_until(), but a machine takes longer."""
    return harness.wait_until(condition, what, DEADLINE_SECONDS)


def archive_sources():
    """The lines of sources.list for the archive that this machine itself uses."""
    lines = run(["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
                 "Created-By: Packages", "Origin: Debian"]).splitlines()
    return [line for line in sorted(set(lines)) if line.split()[2].startswith(SUITE)]


class Workspace:
    """A temporary directory, and everything that has to be undone before it can go."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="spanmeter-package-"))
        self._stack.callback(self.directory.rmdir)
        # In memory, because dpkg waits for the disk after each file.
        run(["mount", "-t", "tmpfs", "-o", "mode=0755,size=4g", "tmpfs", self.directory])
        self._stack.callback(run, ["umount", self.directory])
        self._names = 0

    def close(self):
        self._stack.close()

    def new_path(self, kind):
        self._names += 1
        return self.directory / f"{kind}{self._names}"

    def bootstrap(self):
        """The smallest Debian 12, with apt's lists; returns its directory."""
        root = self.new_path("base")
        run(["mmdebstrap", "--quiet", "--variant=minbase", "--skip=cleanup/apt/lists", SUITE, root,
             *archive_sources()])
        return root

    def layer(self, *below):
        """A writable file system on top of others, the uppermost of them first; see Layer."""
        layer = Layer(self.new_path("layer"), below)
        self._stack.callback(layer.unmount)
        return layer


class Layer:
    """A file system whose changes lie in a directory of its own (overlayfs)."""

    def __init__(self, directory, below):
        self.changes = directory / "changes"
        self.root = directory / "root"
        work = directory / "work"
        for path in (self.changes, self.root, work):
            path.mkdir(parents=True)
        lower = ":".join(map(str, below))
        run(["mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={lower},upperdir={self.changes},workdir={work}", self.root])

    def unmount(self):
        if os.path.ismount(self.root):
            run(["umount", self.root])

    def path(self, absolute):
        """Where a file of the machine is for this one."""
        return self.root / str(absolute).lstrip("/")


class ControlGroups:
    """Groups of its own for a container, so that it does not make any beside those of others."""

    _ROOTS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")

    def __init__(self, name):
        self._groups = []
        for root in map(pathlib.Path, self._ROOTS):
            is_hierarchy = (root / "cgroup.procs").exists()
            if is_hierarchy and not (root.name == "cgroup" and self._groups):
                group = root / name
                group.mkdir()
                self._groups.append(group)

    def enter(self):
        """Moves the calling process here. For a child between fork and exec."""
        for group in self._groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        for group in self._groups:
            directories = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            for directory in [*directories, group]:
                wait_until(lambda path=directory: self._try_to_remove(path), f"{directory} to go")

    @staticmethod
    def _try_to_remove(directory):
        try:
            directory.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False  # a process of it has not ended yet
        return True


class Container:
    """What Chroot and Machine share. Use as context managers."""

    def __init__(self, layer):
        self.layer = layer
        self._groups = ControlGroups(f"spanmeter-test-{os.getpid()}-{id(self)}")

    def __enter__(self):
        return self

    def __exit__(self, exception_type, exception, traceback):
        self._groups.remove()

    def _nspawn(self, *arguments):
        return ["systemd-nspawn", "--quiet", f"--directory={self.layer.root}", "--register=no",
                "--keep-unit", f"--machine=spanmeter-test-{os.getpid()}", *arguments]

    def path(self, absolute):
        return self.layer.path(absolute)

    def start(self, *arguments, **options):
        """Starts a command; returns a subprocess.Popen."""
        raise NotImplementedError

    def run(self, *arguments, check=True):
        """Runs a command and returns its standard output; with check=False (status, output)."""
        process = self.start(*arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, errors="replace")
        output, errors = process.communicate(timeout=300)
        if check and process.returncode != 0:
            raise CommandError(f"{' '.join(arguments)} ended with {process.returncode}:\n"
                               f"{output}{errors}")
        return output if check else (process.returncode, output)

    def apt(self, *arguments, check=True):
        return self.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet",
                        *arguments, check=check)

    def put(self, file):
        """Copies a file into the machine; returns its path there."""
        shutil.copy(file, self.path("/opt"))
        return f"/opt/{pathlib.Path(file).name}"

    def stat(self, path):
        """Owner, group and mode, as in "root:root 644"."""
        return self.run("stat", "--format=%U:%G %a", path).strip()

    def exists(self, path):
        return os.path.lexists(self.path(path))


class Chroot(Container):
    """A system that is not booted: systemd does not run. It has this machine's network."""

    def start(self, *arguments, **options):
        return subprocess.Popen(self._nspawn("--as-pid2", "--pipe", *arguments),
                                preexec_fn=self._groups.enter, **options)


class Machine(Container):
    """A booted system with systemd as its first process, and a network of its own."""

    def __init__(self, layer):
        super().__init__(layer)
        self._console = open(layer.root.parent / "console", "w", encoding="utf-8")
        self._container = subprocess.Popen(
            self._nspawn("--boot", "--private-network", "--console=read-only"),
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=subprocess.STDOUT,
            preexec_fn=self._groups.enter)
        self._leader = wait_until(self._find_leader, "the container's first process")
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False)[1].strip()
                   in ("running", "degraded"), "the machine to boot")

    def __exit__(self, exception_type, exception, traceback):
        # The container's init takes this signal as the order to power off.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._leader, signal.SIGRTMIN + 4)
        try:
            self._container.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._container.kill()
            self._container.wait()
        self._console.close()
        super().__exit__(exception_type, exception, traceback)

    def _find_leader(self):
        if self._container.poll() is not None:
            raise AssertionError("the container did not start:\n" + self.console())
        children = pathlib.Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children")
        for child in map(int, children.read_text().split()):
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return child
        return None

    def console(self):
        return (self.layer.root.parent / "console").read_text(encoding="utf-8", errors="replace")

    def start(self, *arguments, **options):
        return subprocess.Popen(["nsenter", f"--target={self._leader}", "--all", "--root", "--wd",
                                 *arguments], **options)

    def on_network(self, *arguments):
        """A command line that runs a program of this machine on the network of that one."""
        return ["nsenter", f"--target={self._leader}", "--net", *map(str, arguments)]

    def get(self, url):
        return run(self.on_network("curl", "--silent", "--show-error", "--fail", "--noproxy", "*",
                                   url))

    def property(self, unit, name):
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def process_file(self, unit, name):
        """A file of /proc of the unit's main process."""
        return self.run("cat", f"/proc/{self.property(unit, 'MainPID')}/{name}")

    def journal(self, unit):
        return self.run("journalctl", "--quiet", "--no-pager", "--output=cat", f"--unit={unit}")
