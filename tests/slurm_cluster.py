"""A Slurm cluster on this machine: munge, a controller and several nodes.

It needs no root and uses no settings of the machine. All its files are in one folder, and it stops with its command:
`python tests/slurm_cluster.py COMMAND ...` runs a command inside, for example `sinfo` or `bash`.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "scontrol", "squeue")
SECONDS_TO_START = 60.0
NODE_MEMORY_MB = 6000
NODE_CPUS = 2
PARTITIONS = {"main": "Default=YES MaxTime=1-00:00:00", "short": "MaxTime=00:05:00 DefaultTime=00:01:00"}


def missing_programs() -> list[str]:
    """Programs of Slurm and munge that are not installed; some lie where only root looks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


class SlurmCluster:
    """A running Slurm; use it as a context manager.

    Args:
        folder: for settings, sockets and logs. Choose a short path: that of a socket has at most 107 characters.
        n_nodes: nodes `n1`, `n2` and so on, all of them this machine.

    Attributes:
        environment: in which Slurm's commands find this cluster.
    """

    def __init__(self, folder: Path, n_nodes: int = 2) -> None:
        self._folder = folder
        self._nodes = [f"n{number}" for number in range(1, n_nodes + 1)]
        self._ports = _free_ports(1 + n_nodes)
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        }

    def __enter__(self) -> SlurmCluster:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run(self, *command: str) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def is_over(self, *jobs: str) -> bool:
        """Whether none of the jobs is waiting or running."""
        return not self.run("squeue", "--noheader", f"--jobs={','.join(jobs)}").strip()

    def job_states(self, job: str) -> list[str]:
        """The states of a job, or of each task of an array job."""
        return re.findall(r"JobState=(\w+)", self.run("scontrol", "show", "job", job))

    def take_down(self, node: str) -> None:
        """Mark a node as down; its jobs are killed and queued again."""
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def bring_back(self, node: str) -> None:
        """Resume a node, unless it has resumed by itself."""
        if "down" in self.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T"):
            self.run("scontrol", "update", f"nodename={node}", "state=resume")

    def wait(self, is_so: Callable[[], bool], what: str, seconds: float = SECONDS_TO_START) -> None:
        """Wait until a condition is true.

        Raises:
            TimeoutError: after `seconds`; the message has the queue and the ends of the daemons' logs.
        """
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} took longer than {seconds:.0f} s\n{self._state()}")
            time.sleep(0.2)

    def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        key, munge = self._folder / "munge.key", self._folder / "munge.socket"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        (self._folder / "slurm.conf").write_text(self._settings(munge))
        (self._folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        places = {name: self._folder / f"munge.{name}" for name in ("pid", "seed", "log")}
        options = [f"--{name}-file={path}" for name, path in places.items()]
        self._run_daemon("munged", "--foreground", "--force", f"--socket={munge}", f"--key-file={key}", *options)
        self.wait(munge.exists, "munge")
        self._run_daemon("slurmctld", "-D", "-c")
        for node in self._nodes:
            (self._folder / f"spool.{node}").mkdir()
            self._run_daemon("slurmd", "-D", "-c", "-N", node)
        self.wait(self._is_up, "Slurm")

    def _is_up(self) -> bool:
        try:
            states = self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%T").split()
        except RuntimeError:
            return False
        return states == ["idle"] * len(self._nodes)

    def _run_daemon(self, *command: str) -> None:
        name = f"{command[0]}.{command[-1]}" if command[0] == "slurmd" else command[0]
        with (self._folder / f"{name}.out").open("wb") as log:
            self._daemons.append(
                subprocess.Popen(
                    command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
                )
            )

    def _settings(self, munge: Path) -> str:
        import getpass

        host, user, folder = socket.gethostname().partition(".")[0], getpass.getuser(), self._folder
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={NODE_CPUS} "
            f"RealMemory={NODE_MEMORY_MB} Gres=gpu:1 State=UNKNOWN"
            for node, port in zip(self._nodes, self._ports[1:], strict=True)
        ]
        partitions = [f"PartitionName={name} Nodes=ALL {rest} State=UP" for name, rest in PARTITIONS.items()]
        # cred_expire: or a job that is queued again is held for two minutes; a second between looks at the memory
        return "\n".join(
            [
                "ClusterName=test",
                f"SlurmctldHost={host}(127.0.0.1)",
                f"SlurmctldPort={self._ports[0]}",
                f"SlurmUser={user}",
                f"SlurmdUser={user}",
                f"StateSaveLocation={folder}",
                f"SlurmdSpoolDir={folder}/spool.%n",
                f"SlurmctldPidFile={folder}/slurmctld.pid",
                f"SlurmdPidFile={folder}/slurmd.%n.pid",
                "AuthType=auth/munge",
                f"AuthInfo=socket={munge},cred_expire=5",
                "CredType=cred/munge",
                "ProctrackType=proctrack/linuxproc",
                "TaskPlugin=task/none",
                "SwitchType=switch/none",
                "MpiDefault=none",
                "SelectType=select/cons_tres",
                "SelectTypeParameters=CR_CPU_Memory",
                "JobAcctGatherType=jobacct_gather/linux",
                "JobAcctGatherFrequency=1",
                "JobAcctGatherParams=OverMemoryKill",
                "SchedulerParameters=sched_interval=1,batch_sched_delay=0,defer",
                "SlurmdParameters=config_overrides",
                "ReturnToService=2",
                "KillWait=2",
                "MinJobAge=3600",
                "GresTypes=gpu",
                *nodes,
                *partitions,
                "",
            ]
        )

    def _state(self) -> str:
        try:
            queue = self.run("squeue")
        except RuntimeError as error:
            queue = str(error)
        ends = [f"{log.name}:\n{log.read_text()[-1500:]}" for log in sorted(self._folder.glob("*.out"))]
        return "\n".join([queue, *ends])

    def _stop(self) -> None:
        """End all jobs, then the daemons; munge, which the others talk through, last."""
        subprocess.run(["scancel", "--state=RUNNING", f"--user={os.getuid()}"], env=self.environment, check=False)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main(argv: Sequence[str]) -> int:
    """Run a command beside a cluster; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args(argv)
    if missing := missing_programs():
        print(f"missing programs: {', '.join(missing)}; apt-get install slurm-wlm munge", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="slurm.") as folder:
        Path(folder).chmod(0o755)
        with SlurmCluster(Path(folder), args.nodes) as cluster:
            return subprocess.run(args.command, env=cluster.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
