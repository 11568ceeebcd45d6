"""Whose death the kernel counts as one for want of memory."""

import pytest

from hpsearch.execution.worker_process import oom_kills

HOST = {"proc/vmstat": "nr_free_pages 12\noom_kill 7\n"}
NONE_OF_OURS = "low 0\nhigh 0\nmax 4\noom 1\noom_kill 3\noom_group_kill 0\n"
OLD = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"


@pytest.fixture
def machine(tmp_path):
    """The counters that a machine with these files has."""

    def count(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")
        return oom_kills(tmp_path)

    return count


@pytest.mark.parametrize(
    ("groups", "name", "text"),
    [
        ("0::/user/me\n", "sys/fs/cgroup/user/me/memory.events", NONE_OF_OURS),
        ("0::/\n", "sys/fs/cgroup/memory.events", NONE_OF_OURS),
        ("0::/as/the/host/says\n", "sys/fs/cgroup/memory.events", NONE_OF_OURS),
        ("8:pids:/x\n4:memory:/me\n0::/\n", "sys/fs/cgroup/memory/me/memory.oom_control", OLD),
        ("4:cpu,memory:/as/the/host/says\n", "sys/fs/cgroup/memory/memory.oom_control", OLD),
    ],
    ids=["version 2", "container", "container named by its host", "version 1", "container of version 1"],
)
def test_the_kills_of_the_own_control_group_are_counted_alone(machine, groups, name, text):
    assert machine({"proc/self/cgroup": groups, name: text, **HOST}) == 3


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/\n"},
        {"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\n"},
        {},
    ],
)
def test_the_kills_of_the_host_are_counted_where_the_group_has_no_counter(machine, files):
    assert machine({**files, **HOST}) == 7


def test_a_machine_without_counters_has_none(machine):
    assert machine({}) == 0
