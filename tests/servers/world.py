# SPDX-License-Identifier: Apache-2.0
"""The place where tests/servers/run starts its servers: a writable copy-on-write view of build/servers/root, one
network namespace with an address per server (this process lives in it) and one for the scanner, a veth pair between
them. PID 1 of the namespaces is the runner, so all of it ends with the runner, however that ends."""
import os
import subprocess
import threading
import time

SCANNER_NS = "trawl-servers-scanner"
SCANNER = "10.77.0.1"
ROUTER = "10.77.0.254"
SCANNER6, ROUTER6 = "fd00:77::1", "fd00:77::fe"
SCRATCH_MAX = "3g"  # what the servers may write, in memory
LOG_TAIL = 12       # lines of a server's words that are shown when it does not start


def call(*argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise RuntimeError("%s: exit status %d: %s" % (" ".join(argv), done.returncode, done.stderr.strip()))
    return done.stdout


def in_scanner(*argv):
    return ["ip", "netns", "exec", SCANNER_NS] + list(argv)


# ---- the root ----
def make_root(lower, scratch):
    """Mounts the view below scratch and gives its path."""
    call("mount", "-t", "tmpfs", "-o", "mode=0755,size=" + SCRATCH_MAX, "tmpfs", scratch)
    root = scratch + "/view"
    for name in ("upper", "work", "view"):
        os.mkdir("%s/%s" % (scratch, name), 0o755)
    call("mount", "-t", "overlay", "overlay", "-o",
         "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (lower, scratch, scratch), root)
    call("mount", "-t", "proc", "proc", root + "/proc")
    make_devices(root + "/dev")
    for name in ("tmp", "var/tmp"):
        os.chmod("%s/%s" % (root, name), 0o1777)
    return root


def make_devices(dev):
    """Only what programs expect: the machine's log socket and shared memory are not among it."""
    call("mount", "-t", "tmpfs", "-o", "mode=0755", "dev", dev)
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        open("%s/%s" % (dev, name), "w").close()
        call("mount", "--bind", "/dev/" + name, "%s/%s" % (dev, name))
    for name, mode in (("pts", 0o755), ("shm", 0o1777)):
        os.mkdir("%s/%s" % (dev, name), mode)
    os.chmod(dev + "/shm", 0o1777)
    call("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts", dev + "/pts")
    for name, where in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                        ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(where, "%s/%s" % (dev, name))


# ---- the wire ----
def make_names(names, scratch):
    """Shows the scanner these {name: address}, and in this mount namespace only."""
    path = scratch + "/hosts"
    with open(path, "w") as f:
        f.write("127.0.0.1 localhost\n" + "".join("%s %s\n" % (address, name) for name, address in names.items()))
    call("mount", "--bind", path, "/etc/hosts")


def of_family(address):
    return [address + "/64", "nodad"] if ":" in address else [address + "/24"]


def make_wire(addresses):
    call("mount", "-t", "tmpfs", "-o", "mode=0755", "netns", "/run/netns")
    call("mount", "-t", "sysfs", "sysfs", "/sys")
    call("hostname", "servers")
    call("ip", "link", "set", "lo", "up")
    call("ip", "netns", "add", SCANNER_NS)
    call("ip", "link", "add", "servers0", "type", "veth", "peer", "name", "scan0", "netns", SCANNER_NS)
    for address in addresses + [ROUTER, ROUTER6]:
        call("ip", "addr", "add", *of_family(address), "dev", "servers0")
    call("ip", "link", "set", "servers0", "up")
    call(*in_scanner("ip", "link", "set", "lo", "up"))
    for address in (SCANNER, SCANNER6):
        call(*in_scanner("ip", "addr", "add", *of_family(address), "dev", "scan0"))
    call(*in_scanner("ip", "link", "set", "scan0", "up"))
    for router in (ROUTER, ROUTER6):
        call(*in_scanner("ip", "route", "add", "default", "via", router))


def rules():
    """All packet filter rules of the scanner's namespace; none is the promise."""
    return call(*in_scanner("nft", "list", "ruleset")).strip()


class Chatter:
    """A frame every 20 ms towards the scanner: masscan's timers stand still on a quiet wire."""

    def __init__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.talk, daemon=True)

    def talk(self):
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            while not self.stop.wait(0.02):
                try:
                    s.sendto(b"tick", (SCANNER, 9))
                except OSError:
                    pass  # the answer to the one before: nobody listens there

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


# ---- the servers ----
class Running:
    """One server's processes inside the root."""

    def __init__(self, server, root, logs):
        self.server, self.root = server, root
        self.log = "%s/%s.log" % (logs, server.name)
        self.processes = []
        self.trouble = ""

    def start(self):
        where = "%s/srv/run/%s" % (self.root, self.server.name)
        os.makedirs(where, 0o755)
        for name, text in self.server.files.items():
            with open("%s/%s" % (where, name), "w") as f:
                f.write(self.server.put_in(text).lstrip("\n"))
        with open(self.log, "wb") as log:
            own = "chown -R %s: @D\n" % self.server.owner
            if self.inside(["/bin/sh", "-ec", self.server.put_in(own + self.server.prepare + "\n" + own)], "root", log).wait():
                self.trouble = "it could not be prepared"
                return
            for command in self.server.commands:
                self.processes.append(self.inside([self.server.put_in(word) for word in command], self.server.user, log))

    def inside(self, argv, user, log):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LC_ALL": "C.UTF-8"}
        env.update((key, self.server.put_in(value)) for key, value in self.server.env.items())
        as_whom = [] if user == "root" else ["--userspec=%s:" % user]
        return subprocess.Popen(["chroot"] + as_whom + [self.root] + argv, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, start_new_session=True)

    def ports(self):
        return {(self.server.address, n) for p in self.server.ports for n in (p.usual, p.high)}

    def missing(self, heard):
        return sorted(n for address, n in self.ports() if not {address, "[%s]" % address, "0.0.0.0", "*", "[::]"} & heard.get(n, set()))

    def last_words(self):
        with open(self.log, errors="replace") as f:
            return "".join("     | " + line for line in f.readlines()[-LOG_TAIL:])


def listening():
    """{port: addresses} of all TCP sockets that listen."""
    heard = {}
    for line in call("ss", "-Hltn").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        heard.setdefault(int(port), set()).add(address.split("%")[0])
    return heard


def wait_for(running, limit_s):
    """Waits until all listen; who did not, has its `trouble` set."""
    until = time.monotonic() + limit_s
    while True:
        heard = listening()
        late = [r for r in running if not r.trouble and r.missing(heard)]
        for r in late:
            if r.processes and all(p.poll() is not None for p in r.processes):
                r.trouble = "it ended, exit status %s" % r.processes[0].returncode
        late = [r for r in late if not r.trouble]
        if not late:
            return
        if time.monotonic() > until:
            for r in late:
                r.trouble = "nothing listens on %s after %d s" % (", ".join(map(str, r.missing(heard))), limit_s)
            return
        time.sleep(0.3)


def versions(root):
    """{package: upstream version} of what lies in the root."""
    found = {}
    lines = call("chroot", root, "dpkg-query", "-W", "-f", "${Package} ${Version}\n").splitlines()
    with open(root + "/srv/unpacked") as f:
        lines += f.read().splitlines()
    for line in lines:
        package, _, version = line.partition(" ")
        version = version.split(":", 1)[-1].rsplit("-", 1)[0]
        found[package] = version.split("+dfsg")[0]
    return found

